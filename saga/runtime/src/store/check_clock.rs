//! What is thrown away is gone for good: not by a clock that is wrong.

use saga_core::Time;
use tokio_postgres::Client;

use crate::clock::MOST_APART;
use crate::error::StoreError;

/// Refuses when this machine's clock, which says `now`, and the database's differ by more than clocks may.
///
/// # Errors
/// [`StoreError::Clock`], or when the database cannot be asked.
pub async fn check_clock(client: &Client, now: Time) -> Result<(), StoreError> {
    let servers: Time = client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    if (now - servers).abs() <= MOST_APART {
        return Ok(());
    }
    Err(StoreError::Clock { ours: now, servers })
}
