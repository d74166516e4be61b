//! What is counted by looking: how much waits, and how old it is.

use std::time::Duration;

use saga_core::Time;

use super::{Pool, query};
use crate::clock;
use crate::error::StoreError;
use crate::metrics::Metrics;

// Never more work than this, however much is still to be published.
const OUTBOX: &str = "
    SELECT count(*), min(time) FROM (
        SELECT time FROM outbox CROSS JOIN unnest(times) AS time ORDER BY id LIMIT 10000) AS oldest";
const PARKED: &str = "SELECT reason, count(*) FROM parked WHERE state = 'parked' GROUP BY reason";
const DEFERRED: &str = "SELECT count(*) FROM deferred";

/// Looks at what waits in this process's tables. The outbox is counted up to 10,000.
pub(crate) async fn look(pool: &Pool, metrics: &Metrics) -> Result<(), StoreError> {
    let client = pool.get().await?;
    if let Some(row) = query(&client, OUTBOX, &[]).await?.first() {
        let oldest: Option<Time> = row.get(1);
        metrics.set_outbox(row.get(0), oldest.map_or(Duration::ZERO, age));
    }
    let parked = query(&client, PARKED, &[]).await?;
    metrics.set_parked_waiting(parked.iter().map(|row| (row.get(0), row.get(1))));
    if let Some(row) = query(&client, DEFERRED, &[]).await?.first() {
        metrics.put_off_waiting.set(row.get(0));
    }
    Ok(())
}

/// How long ago that was.
pub(crate) fn age(since: Time) -> Duration {
    Duration::try_from(clock::now() - since).unwrap_or_default()
}
