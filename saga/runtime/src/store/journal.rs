//! The journal: every message that this process sent, as its bytes; and the messages of others
//! that it may have to send again.

use saga_core::{Message, Time};
use time::Date;
use uuid::Uuid;

use super::{Transaction, execute};
use crate::error::StoreError;

const APPEND: &str = "
    INSERT INTO journal (day, id, time, type, saga_id, body)
    SELECT * FROM unnest($1::date[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::bytea[])";

const KEEP: &str = "
    INSERT INTO kept (day, id, saga_id, body)
    SELECT * FROM unnest($1::date[], $2::uuid[], $3::uuid[], $4::bytea[])
    ON CONFLICT DO NOTHING";

/// Adds messages to the journal. A message that is there already is an error: it was sent before.
pub(crate) async fn append(transaction: &Transaction<'_>, messages: &[(&Message, &[u8])]) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let days: Vec<Date> = messages.iter().map(|(m, _)| m.time.date()).collect();
    let ids: Vec<Uuid> = messages.iter().map(|(m, _)| m.id).collect();
    let times: Vec<Time> = messages.iter().map(|(m, _)| m.time).collect();
    let kinds: Vec<&str> = messages.iter().map(|(m, _)| m.kind.as_str()).collect();
    let sagas: Vec<Option<Uuid>> = messages.iter().map(|(m, _)| m.saga_id).collect();
    let bodies: Vec<&[u8]> = messages.iter().map(|(_, body)| *body).collect();
    execute(transaction, APPEND, &[&days, &ids, &times, &kinds, &sagas, &bodies]).await?;
    Ok(())
}

/// Keeps messages of others, with the bytes that came.
pub(crate) async fn keep(transaction: &Transaction<'_>, messages: &[(&Message, &[u8])]) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let days: Vec<Date> = messages.iter().map(|(m, _)| m.time.date()).collect();
    let ids: Vec<Uuid> = messages.iter().map(|(m, _)| m.id).collect();
    let sagas: Vec<Option<Uuid>> = messages.iter().map(|(m, _)| m.saga_id).collect();
    let bodies: Vec<&[u8]> = messages.iter().map(|(_, body)| *body).collect();
    execute(transaction, KEEP, &[&days, &ids, &sagas, &bodies]).await?;
    Ok(())
}
