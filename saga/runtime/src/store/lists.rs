//! Lists that anybody may ask for, kept from taking what the rest of a process needs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Pool, Transaction};
use crate::error::StoreError;

/// One connection of so many reads lists.
const ONE_IN: usize = 4;
/// How long a list may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Where lists are read that need no token and may be long: over a few of the pool's connections, so that however many
/// ask, the others are left to messages, to changes and to whoever asks whether the process is well.
#[derive(Debug, Clone)]
pub struct Lists {
    pool: Pool,
    turns: Arc<Semaphore>,
}

impl Lists {
    /// A quarter of this pool's connections, and one at least.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let most = (pool.status().max_size / ONE_IN).max(1);
        Self { pool, turns: Arc::new(Semaphore::new(most)) }
    }

    /// Reads a list, once it is its turn. Whoever gives up waiting has asked for nothing yet.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] for what takes longer than a few seconds, and any other [`StoreError`].
    pub async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Nobody closes it; were it closed, a list would still be one.
        let _turn = self.turns.acquire().await;
        let mut client = self.pool.get().await?;
        let transaction = Transaction::within(&mut client, WITHIN).await?;
        reading(&transaction).await.map_err(|error| error.within(WITHIN))
    }
}
