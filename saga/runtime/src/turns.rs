//! One batch at a time: the batches of a process take turns.
//!
//! Each queue, and each kind of request that is taken together, has its own batches. Run at once they share processors and
//! connections: all of them take longer, and what arrives meanwhile for one belongs to its next batch. One after the other
//! they are short, and each takes up all that arrived while it waited: fewer, larger transactions. Other work of the
//! process (single requests, alarms, operators) takes no turns.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long somebody waits for a turn, and then goes ahead without one. A batch takes milliseconds; one that takes longer
/// waits itself, for a lock or for the database, and must not hold up what has nothing to do with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turns of one process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Turns {
    one: Arc<Semaphore>,
    patience: Duration,
}

/// The right to run a batch, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    /// None: somebody else's batch goes on for too long.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Turns for which nobody waits longer than this; by default, than a second.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { one: Arc::new(Semaphore::new(1)), patience }
    }

    /// Waits for a turn; first come, first served, and not without end. What is to be in the batch is best collected
    /// after it.
    pub async fn take(&self) -> Turn {
        let permit = tokio::time::timeout(self.patience, Arc::clone(&self.one).acquire_owned()).await;
        Turn { _permit: permit.ok().and_then(Result::ok) }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_after_the_other_in_the_order_of_asking() {
        let turns = Turns::default();
        let first = turns.take().await;
        let (mut second, mut third) = (Box::pin(turns.take()), Box::pin(turns.take()));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "the second asked before the third");
        drop(second.await);
        drop(third.await);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_batch_without_end() {
        let turns = Turns::new(Duration::from_millis(1));
        let _endless = turns.take().await;
        drop(turns.take().await);
        drop(turns.take().await);
    }
}
