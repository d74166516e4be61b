//! What cannot be handled, now or ever: put off, or parked.

use std::time::Duration;

use saga_core::{Message, Time};

use super::attempt::Attempt;
use super::inspect::{Bad, key_of_bytes, meta};
use super::{Candidate, Delivery, Inspected, MOST_ATTEMPTS, inspect};
use crate::broker::Incoming;
use crate::error::{Remedy, StoreError};
use crate::store::{Deferral, Due, Parking, Transaction, park, put_off};

/// A message whose handling failed.
#[derive(Clone, Copy)]
pub(super) enum Failed<'a> {
    /// It came from the broker.
    Arrived(&'a Incoming),
    /// It was put off under this key, and is due.
    Due(&'a str),
}

/// A message that no handler sees this time.
pub(super) enum Aside {
    /// Another message had its id.
    Conflict(Box<Candidate>),
    /// Its time has not come.
    Ahead(Box<Candidate>),
    /// Nobody can handle it.
    Bad(Bad),
}

impl Attempt<'_> {
    /// Puts a message off until its time, or parks it.
    pub(super) async fn set_aside(self, aside: Aside) -> Result<(), StoreError> {
        match aside {
            Aside::Ahead(candidate) => {
                self.defer(&candidate, candidate.message.time, "its time is ahead of ours").await
            }
            Aside::Conflict(candidate) => {
                self.delivery.metrics.conflicts.inc();
                self.park(&candidate, "conflict", "another message of this id, with other content, was here before")
                    .await
            }
            Aside::Bad(bad) => {
                if let Some(message) = bad.sound()
                    && self.is_handled(message).await?
                {
                    self.delivery.metrics.duplicates.inc();
                    return Ok(());
                }
                let Bad { incoming, message, reason, detail } = bad;
                self.park_as(&incoming, message.as_deref(), reason, &detail).await
            }
        }
    }

    /// Puts a message off, a little longer each time, and parks it in the end.
    pub(super) async fn try_later(self, candidate: &Candidate, reason: &str) -> Result<(), StoreError> {
        if candidate.attempt >= MOST_ATTEMPTS {
            return self.park(candidate, "put_off_too_often", reason).await;
        }
        self.delivery.metrics.put_off.inc();
        self.defer(candidate, self.now + wait(candidate.attempt), reason).await
    }

    /// Parks a message that was understood.
    pub(super) async fn park(
        self,
        candidate: &Candidate,
        reason: &'static str,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.park_as(&candidate.incoming, Some(&candidate.message), reason, detail).await
    }

    async fn park_as(
        self,
        incoming: &Incoming,
        message: Option<&Message>,
        reason: &'static str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let (queue, id) = (self.queue, message.map(|m| m.id.to_string()));
        tracing::warn!(queue, reason, detail, message_id = id, "a message is parked");
        self.delivery.metrics.parked(reason);
        park(self.transaction, self.now, &parking(queue, incoming, message, reason, detail)).await
    }

    async fn defer(self, candidate: &Candidate, due_at: Time, reason: &str) -> Result<(), StoreError> {
        let deferral = Deferral {
            queue: self.queue,
            key: candidate.key.clone(),
            message: Some(candidate.message.reference()),
            attempt: candidate.attempt + 1,
            due_at,
            reason,
            incoming: meta(&candidate.incoming),
            body: &candidate.incoming.body,
        };
        put_off(self.transaction, &deferral).await
    }

    /// Puts off a message whose handling fails.
    async fn set_failed_aside(self, incoming: Incoming, attempt: u32, error: &StoreError) -> Result<(), StoreError> {
        let Delivery { topology, retention, .. } = self.delivery;
        match inspect(incoming, attempt, topology, self.now, *retention) {
            Inspected::Good(candidate) | Inspected::Ahead(candidate) => {
                self.try_later(&candidate, &format!("handling failed: {error}")).await
            }
            Inspected::Bad(bad) => self.set_aside(Aside::Bad(bad)).await,
        }
    }
}

impl Delivery {
    /// Puts off a message whose handling fails, in a transaction of its own, and parks it in the end. What cannot be
    /// stored so is parked at once, as its bytes and nothing else.
    pub(super) async fn set_failed_aside(
        &self,
        queue: &'static str,
        failed: Failed<'_>,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let put_off = self.aside(queue, failed, async |attempt, times, incoming| {
            attempt.set_failed_aside(incoming, times, error).await
        });
        let Err(refused) = put_off.await else { return Ok(()) };
        if refused.remedy() != Remedy::Person {
            return Err(refused);
        }
        let detail = format!("handling failed: {error}; putting off failed: {refused}");
        self.aside(queue, failed, async |attempt, _, incoming| {
            attempt.park_as(&Incoming::of_bytes(incoming.body), None, "cannot_be_put_off", &detail).await
        })
        .await
    }

    async fn aside(
        &self,
        queue: &'static str,
        failed: Failed<'_>,
        store: impl AsyncFnOnce(Attempt<'_>, u32, Incoming) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let attempt = self.in_transaction(&transaction, queue);
        let message = match failed {
            Failed::Arrived(incoming) => Some((1, incoming.clone())),
            Failed::Due(key) => attempt.due(Due::One(key)).await?.pop(),
        };
        if let Some((times, incoming)) = message {
            store(attempt, times, incoming).await?;
        }
        transaction.commit().await
    }
}

fn parking<'a>(
    queue: &'a str,
    incoming: &'a Incoming,
    message: Option<&'a Message>,
    reason: &'a str,
    detail: &'a str,
) -> Parking<'a> {
    let kind = message.map(|m| m.kind.as_str());
    let step = message.and_then(|m| m.step.as_deref());
    let fingerprint = [Some(reason), kind, step].into_iter().flatten().collect::<Vec<_>>().join("/");
    Parking {
        queue,
        key: key_of_bytes(&incoming.body),
        message_id: message.map(|m| m.id),
        kind,
        saga_id: message.and_then(|m| m.saga_id),
        reason,
        detail,
        fingerprint: fingerprint.chars().take(200).collect(),
        incoming: meta(incoming),
        body: &incoming.body,
    }
}

/// How long a message is put off: a second at first, doubling, at most a minute.
fn wait(attempt: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(attempt.min(6)).min(60))
}
