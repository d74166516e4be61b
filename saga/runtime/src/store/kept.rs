//! Messages of others that this process may have to send again.

use saga_core::Message;
use time::Date;
use uuid::Uuid;

use super::{Transaction, execute};
use crate::error::StoreError;

const KEEP: &str = "
    INSERT INTO kept (day, id, saga_id, body)
    SELECT * FROM unnest($1::date[], $2::uuid[], $3::uuid[], $4::bytea[])
    ON CONFLICT DO NOTHING";

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
