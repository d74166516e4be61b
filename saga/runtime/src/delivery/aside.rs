//! What cannot be handled, now or ever: put off, or parked.

use std::time::Duration;

use saga_core::{Message, Time};

use super::attempt::Attempt;
use super::inspect::{Bad, key_of_bytes, meta};
use super::{Candidate, Delivery, Inspected, MOST_ATTEMPTS, inspect};
use crate::broker::Incoming;
use crate::error::StoreError;
use crate::store::{Deferral, Parking, Transaction, park, put_off};

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
            Aside::Bad(Bad { incoming, message, reason, detail }) => {
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
    /// Puts off a message whose handling fails, in a transaction of its own; parks it in the end.
    pub(super) async fn set_failed_aside(
        &self,
        queue: &'static str,
        incoming: &Incoming,
        attempt: u32,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        self.in_transaction(&transaction, queue).set_failed_aside(incoming.clone(), attempt, error).await?;
        transaction.commit().await
    }

    /// The first message that is due fails: it is put off again, so that it holds nothing back.
    pub(super) async fn put_due_off_again(&self, queue: &'static str, error: &StoreError) -> Result<usize, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let attempt = self.in_transaction(&transaction, queue);
        let due = attempt.due(1).await?;
        let count = due.len();
        for (times, incoming) in due {
            tracing::error!(queue, attempt = times, %error, "a message that was put off fails again");
            attempt.set_failed_aside(incoming, times, error).await?;
        }
        transaction.commit().await?;
        Ok(count)
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
