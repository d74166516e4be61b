//! One batch at a time: the batches of a process take turns.
//!
//! Each queue, and each kind of request that is taken together, has its own batches. Run at once they share processors and
//! connections: all of them take longer, and what arrives meanwhile for one belongs to its next batch. One after the other
//! they are short, and each takes up all that arrived while it waited: fewer, larger transactions. Other work of the
//! process (single requests, alarms, operators) takes no turns.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

/// The right to run a batch, until it is dropped. None is ever refused: that only happens once turns are closed, and they
/// never are.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for a turn; first come, first served. What is to be in the batch is best collected after it.
    pub async fn take(&self) -> Turn {
        Turn { _permit: Arc::clone(&self.0).acquire_owned().await.ok() }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
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
}
