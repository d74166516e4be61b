//! Looking at the rows that are waited for: one query for all of them.

use std::time::Duration;

use saga_runtime::{Pool, StoreError};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Waiters;
use crate::store;

/// How often all awaited orders are looked at, whatever happens.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks, until `stop`: at once at orders that were woken, and at all awaited ones `every` so often
/// ([`LOOK_EVERY`]).
pub async fn look(waiters: Waiters, pool: Pool, every: Duration, stop: CancellationToken) {
    let mut next_round = Instant::now() + every;
    while stop.run_until_cancelled(timeout_at(next_round, waiters.0.woken.notified())).await.is_some() {
        if Instant::now() >= next_round {
            next_round = Instant::now() + every;
            waiters.look_at_all();
        }
        if let Err(error) = look_once(&waiters, &pool).await {
            tracing::warn!(%error, "cannot look at awaited orders; trying again");
        }
    }
    waiters.close();
}

/// Looks once, at the orders that were woken.
pub(super) async fn look_once(waiters: &Waiters, pool: &Pool) -> Result<(), StoreError> {
    let known = waiters.take_woken();
    if known.is_empty() {
        return Ok(());
    }
    let client = pool.get().await?;
    waiters.bring(store::changed(&client, &known).await?);
    Ok(())
}
