//! Messages that were put off, and come back by themselves.

use saga_core::{MessageRef, Time};
use serde_json::Value;
use time::Date;
use uuid::Uuid;

use super::{Transaction, day_of, execute, query, storable};
use crate::error::StoreError;

// What waits already came again, and begins nothing anew: whoever sends it again and again would else keep it from ever
// being parked.
const PUT_OFF: &str = "
    INSERT INTO deferred (queue, key, day, message_id, attempt, due_at, reason, incoming, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (queue, key) DO UPDATE SET reason = excluded.reason";

const TAKE_DUE: &str = "
    DELETE FROM deferred d USING (
        SELECT queue, key FROM deferred WHERE due_at <= $1 AND queue = $2
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) due
    WHERE d.queue = due.queue AND d.key = due.key
    RETURNING d.attempt, d.incoming, d.body";

// Waits for whoever holds it: it is this message that is asked for, and no other.
const TAKE_ONE: &str = "
    DELETE FROM deferred WHERE due_at <= $1 AND queue = $2 AND key = $3 RETURNING attempt, incoming, body";

const KEYS_DUE: &str = "SELECT key FROM deferred WHERE due_at <= $1 AND queue = $2 ORDER BY due_at LIMIT $3";

/// A message that is put off.
#[derive(Debug)]
pub(crate) struct Deferral<'a> {
    pub(crate) queue: &'a str,
    pub(crate) key: String,
    pub(crate) message: Option<MessageRef>,
    pub(crate) attempt: u32,
    pub(crate) due_at: Time,
    pub(crate) reason: &'a str,
    pub(crate) incoming: Value,
    pub(crate) body: &'a [u8],
}

/// Puts a message off.
pub(crate) async fn put_off(transaction: &Transaction<'_>, deferral: &Deferral<'_>) -> Result<(), StoreError> {
    let day: Option<Date> = deferral.message.map(|m| day_of(m.time));
    let id: Option<Uuid> = deferral.message.map(|m| m.id);
    let attempt = i32::try_from(deferral.attempt).unwrap_or(i32::MAX);
    let params: [super::Param<'_>; 9] = [
        &deferral.queue,
        &deferral.key,
        &day,
        &id,
        &attempt,
        &deferral.due_at,
        &storable(deferral.reason),
        &deferral.incoming,
        &deferral.body,
    ];
    execute(transaction, PUT_OFF, &params).await?;
    Ok(())
}

/// Which messages that are due are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Due<'a> {
    /// At most this many that nobody else holds, those that are due longest first.
    AtMost(i64),
    /// The one with this key.
    One(&'a str),
}

/// Takes messages of a queue that are due: how often each was put off, how it came, and its bytes.
/// They are gone once the transaction is committed.
pub(crate) async fn take_due(
    transaction: &Transaction<'_>,
    queue: &str,
    now: Time,
    due: Due<'_>,
) -> Result<Vec<(u32, Value, Vec<u8>)>, StoreError> {
    let rows = match due {
        Due::AtMost(limit) => query(transaction, TAKE_DUE, &[&now, &queue, &limit]).await?,
        Due::One(key) => query(transaction, TAKE_ONE, &[&now, &queue, &key]).await?,
    };
    let attempt = |n: i32| u32::try_from(n).unwrap_or_default();
    Ok(rows.iter().map(|row| (attempt(row.get(0)), row.get(1), row.get(2))).collect())
}

/// The keys of messages of a queue that are due, those that are due longest first.
pub(crate) async fn keys_due(
    on: &impl super::Statements,
    queue: &str,
    now: Time,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    let rows = query(on, KEYS_DUE, &[&now, &queue, &limit]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

const QUEUES_DUE: &str = "SELECT DISTINCT queue FROM deferred WHERE due_at <= $1";

/// The queues that have messages which are due.
pub(crate) async fn queues_due(on: &impl super::Statements, now: Time) -> Result<Vec<String>, StoreError> {
    let rows = query(on, QUEUES_DUE, &[&now]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
