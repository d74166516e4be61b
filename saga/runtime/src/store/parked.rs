//! Messages that were set aside, with the reason and the original bytes.

use saga_core::Time;
use serde_json::Value;
use uuid::Uuid;

use super::{Transaction, execute, storable};
use crate::error::StoreError;

const PARK: &str = "
    INSERT INTO parked (queue, key, message_id, type, saga_id, reason, detail, fingerprint, incoming, body,
                        state, times, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'parked', 1, $11, $11)
    ON CONFLICT (queue, key) DO UPDATE
    SET state = 'parked', reason = excluded.reason, detail = excluded.detail, fingerprint = excluded.fingerprint,
        times = parked.times + 1, last_at = excluded.last_at";

/// A message that is set aside.
#[derive(Debug)]
pub(crate) struct Parking<'a> {
    pub(crate) queue: &'a str,
    pub(crate) key: String,
    pub(crate) message_id: Option<Uuid>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) saga_id: Option<Uuid>,
    pub(crate) reason: &'a str,
    pub(crate) detail: &'a str,
    /// What groups messages that were parked for one cause.
    pub(crate) fingerprint: String,
    pub(crate) incoming: Value,
    pub(crate) body: &'a [u8],
}

/// Sets a message aside. One that was set aside before, and came back, is so again.
pub(crate) async fn park(transaction: &Transaction<'_>, now: Time, parking: &Parking<'_>) -> Result<(), StoreError> {
    let params: [super::Param<'_>; 11] = [
        &parking.queue,
        &parking.key,
        &parking.message_id,
        &parking.kind,
        &parking.saga_id,
        &parking.reason,
        &storable(parking.detail),
        &parking.fingerprint,
        &parking.incoming,
        &parking.body,
        &now,
    ];
    execute(transaction, PARK, &params).await?;
    Ok(())
}
