//! One delivery, from the broker's bytes to the acknowledgement: the policy around every handler.
//!
//! A batch is one transaction: the handler decides, and inbox, journal, outbox, deferred and parked
//! rows are written with its changes. Only then is it acknowledged. The inbox is the judge of what was
//! handled before, and the effects of what was done: a row that is there already fails the batch, and it is run again, with a
//! look first.
//! What fails then is run message by message, so that one bad message cannot fail its neighbours; what
//! fails alone is put off, and parked in the end.

mod aside;
mod attempt;
mod dry_run;
mod inspect;
mod patience;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use saga_core::Topology;
use tokio_util::sync::CancellationToken;

use crate::broker::{Company, Deliver, GivenUp, Incoming, Waits};
use crate::clock;
use crate::error::{Remedy, StoreError};
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::store::{Due, Pool, Publish, keys_due};
use aside::Failed;
pub(crate) use dry_run::{Delivered, DryRun, Fate, Would};
pub(crate) use inspect::{Bad, Candidate, Inspected, inspect, key_of_bytes, meta, without_nul};
pub(crate) use patience::Patience;

/// A message that the broker delivered this often, and nobody settled, crashes its consumer.
pub(crate) const CRASH_LOOP: u32 = 10;
/// A message that failed or was put off this often needs a person.
const MOST_ATTEMPTS: u32 = 20;
/// How often a message alone is run again at once, when others were first.
const AT_ONCE: u32 = 5;
/// How long a message that is only counted may wait for one that hurries.
const COMPANY: Duration = Duration::from_millis(20);
/// How many messages that are due are taken in one transaction.
pub(crate) const DUE_AT_ONCE: u16 = 64;

/// Delivers messages to the handlers of a process.
pub(crate) struct Delivery {
    pub(crate) topology: &'static Topology,
    pub(crate) pool: Pool,
    pub(crate) publish: Publish,
    pub(crate) handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    pub(crate) retention: time::Duration,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) repeats: Repeats,
}

/// Queues whose last batch failed, or had something that was there before or was set aside: the next one may have, too.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<BTreeSet<&'static str>>);

impl Repeats {
    fn expected(&self, queue: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(queue)
    }

    fn expect(&self, queue: &'static str, repeats: bool) {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if repeats {
            queues.insert(queue);
        } else {
            queues.remove(queue);
        }
    }
}

/// Where the messages of an attempt come from.
pub(crate) enum Origin<'a> {
    /// From the broker.
    Broker(Vec<Incoming>),
    /// From the broker, after an attempt at them failed.
    Again(Vec<Incoming>),
    /// From among those that were put off and are due.
    Deferred(Due<'a>),
}

impl Deliver for Delivery {
    fn deliver<'a>(&'a self, queue: &'static str, batch: Vec<Incoming>) -> BoxFuture<'a, Result<(), GivenUp>> {
        Box::pin(async move {
            let mut settled = self.until_it_is_there(queue, &batch, Origin::Broker).await?;
            if settled.as_ref().is_err_and(|error| error.remedy() == Remedy::Again) {
                // Somebody was first with one of them, or with something that they touch: now it is seen.
                settled = self.until_it_is_there(queue, &batch, Origin::Again).await?;
            }
            let Err(error) = settled else { return Ok(()) };
            if batch.len() > 1 {
                tracing::info!(queue, messages = batch.len(), %error, "a batch failed; its messages are run one by one");
            }
            self.one_by_one(queue, batch).await
        })
    }

    /// By what its saga waits for, if the handler knows; else by its route, as it is not parsed yet: it may wait where all
    /// types may that go that way.
    fn company(&self, queue: &'static str, message: &Incoming) -> Company {
        let Some(handler) = self.handlers.get(queue) else { return Company::default() };
        if let Some(awaited) = handler.awaited() {
            return awaited.company(message);
        }
        let types = self.topology.types.iter();
        let mut routed = types.filter(|t| t.exchange == message.exchange && t.key == message.routing_key).peekable();
        let hurries = routed.peek().is_none() || routed.any(|t| handler.hurries(t.name));
        Company { saga: None, waits: if hurries { Waits::No } else { Waits::ForBatch(COMPANY) } }
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut patience = Patience::new();
            while let Err(error) = self.pool.get().await {
                let wait = patience.next();
                tracing::warn!(%error, wait_ms = wait.as_millis(), "the database cannot be reached; no messages are taken");
                tokio::time::sleep(wait).await;
            }
        })
    }
}

impl Delivery {
    async fn one_by_one(&self, queue: &'static str, batch: Vec<Incoming>) -> Result<(), GivenUp> {
        for incoming in batch {
            let alone = [incoming];
            if let Err(error) = self.alone(queue, &alone).await? {
                self.give_up(queue, &alone[0], error).await?;
            }
        }
        Ok(())
    }

    async fn alone(&self, queue: &'static str, alone: &[Incoming; 1]) -> Result<Result<(), StoreError>, GivenUp> {
        let mut tries = 0;
        loop {
            match self.until_it_is_there(queue, alone, Origin::Again).await? {
                Err(error) if error.remedy() == Remedy::Again && tries < AT_ONCE => tries += 1,
                settled => return Ok(settled),
            }
        }
    }

    /// Attempts a batch, waiting for the database as long as it takes; if it cannot be reached, as long as [`Patience`] lasts.
    async fn until_it_is_there(
        &self,
        queue: &'static str,
        batch: &[Incoming],
        mut origin: fn(Vec<Incoming>) -> Origin<'static>,
    ) -> Result<Result<(), StoreError>, GivenUp> {
        let mut patience = Patience::new();
        loop {
            let error = match self.attempt_safely(queue, origin(batch.to_vec())).await {
                Ok(_) => return Ok(Ok(())),
                Err(error) if error.remedy() == Remedy::Wait => error,
                Err(error) => return Ok(Err(error)),
            };
            let say = |wait_ms| tracing::warn!(queue, %error, wait_ms, "the database is not there; messages wait");
            patience.wait(&error, &self.stop, say).await?;
            origin = Origin::Again;
        }
    }

    /// A message that failed alone: put off, and parked in the end.
    async fn give_up(&self, queue: &'static str, incoming: &Incoming, error: StoreError) -> Result<(), GivenUp> {
        tracing::error!(queue, %error, "a message cannot be handled; it is put off");
        let mut patience = Patience::new();
        // Whatever the message is, its bytes can be stored: only the database itself can fail here for long.
        while let Err(failure) = self.set_failed_aside(queue, Failed::Arrived(incoming), &error).await {
            let say = |wait_ms| tracing::error!(queue, error = %failure, wait_ms, "the database takes nothing; a message waits");
            patience.wait(&failure, &self.stop, say).await?;
        }
        Ok(())
    }

    /// Handles what was put off and is due, in one transaction per queue; says how many messages
    /// that were. One public single step: a loop calls it once a second.
    ///
    /// # Errors
    /// [`StoreError`]: they stay put off.
    pub(crate) async fn handle_due(&self) -> Result<usize, StoreError> {
        let mut handled = 0;
        for queue in self.queues_due().await? {
            handled += match self.attempt_safely(queue, Origin::Deferred(Due::AtMost(DUE_AT_ONCE.into()))).await {
                Ok(count) => count,
                Err(error) if error.remedy() == Remedy::Wait => return Err(error),
                Err(error) => {
                    tracing::info!(queue, %error, "messages that were put off fail together; they are run one by one");
                    self.due_one_by_one(queue).await?
                }
            };
        }
        Ok(handled)
    }

    /// What fails alone, however often it is tried, is put off again, so that it holds nothing back.
    async fn due_one_by_one(&self, queue: &'static str) -> Result<usize, StoreError> {
        let keys = keys_due(&self.pool.get().await?, queue, clock::now(), DUE_AT_ONCE.into()).await?;
        for key in &keys {
            match self.due_alone(queue, key).await {
                Ok(_) => {}
                Err(error) if error.remedy() == Remedy::Wait => return Err(error),
                Err(error) => {
                    tracing::error!(queue, key, %error, "a message that was put off fails again");
                    self.set_failed_aside(queue, Failed::Due(key), &error).await?;
                }
            }
        }
        Ok(keys.len())
    }

    async fn due_alone(&self, queue: &'static str, key: &str) -> Result<usize, StoreError> {
        let mut tries = 0;
        loop {
            match self.attempt_safely(queue, Origin::Deferred(Due::One(key))).await {
                Err(error) if error.remedy() == Remedy::Again && tries < AT_ONCE => tries += 1,
                settled => return settled,
            }
        }
    }

    /// A panic is an error like another: it must not end the session, whose other messages would then come again with it, and
    /// as often as it.
    async fn attempt_safely(&self, queue: &'static str, origin: Origin<'_>) -> Result<usize, StoreError> {
        let attempt = AssertUnwindSafe(self.attempt(queue, origin));
        attempt.catch_unwind().await.unwrap_or(Err(StoreError::Panicked))
    }

    async fn queues_due(&self) -> Result<Vec<&'static str>, StoreError> {
        let client = self.pool.get().await?;
        let due = crate::store::queues_due(&client, clock::now()).await?;
        Ok(self.handlers.keys().copied().filter(|queue| due.iter().any(|d| d == queue)).collect())
    }
}
