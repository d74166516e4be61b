//! One attempt at a batch: one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use saga_core::{Message, MessageRef, Time};

use super::inspect::{incoming_from, key_of_bytes, meta};
use super::{Candidate, Delivery, Inspected, MOST_ATTEMPTS, Origin, inspect};
use crate::broker::{Incoming, Outbound};
use crate::clock;
use crate::error::StoreError;
use crate::handler::{Handler, Outgoing, Output, Verdict};
use crate::store::{
    Deferral, Handled, Key, Mark, Parking, Receipt, Transaction, again, enqueue, handled, keep, mark, park, put_off,
    receive, take_due, waiting_in_deferred, waiting_in_parked,
};

/// What a transaction leaves to be done after its commit.
#[derive(Default)]
struct After {
    outbound: Vec<Outbound>,
    /// Marks of stored messages that go out once more.
    again: Vec<i64>,
    handled: Vec<Message>,
}

impl Delivery {
    /// Handles messages in one transaction and publishes what came of it; says how many they were.
    pub(super) async fn attempt(&self, queue: &'static str, origin: Origin) -> Result<usize, StoreError> {
        let Some(handler) = self.handlers.get(queue) else { return Ok(0) };
        let (mut client, start) = (self.pool.get().await?, Instant::now());
        let now = clock::now();
        let transaction = client.transaction().await?;
        let (arrived, held) = match origin {
            Origin::Broker(batch) => (batch.into_iter().map(|incoming| (0, incoming)).collect(), false),
            Origin::Deferred(limit) => (due(&transaction, queue, now, limit).await?, true),
        };
        let count = arrived.len();
        let after = self.settle(&transaction, queue, handler.as_ref(), arrived, held, now).await?;
        transaction.commit().await?;
        self.publish.committed(&client, self.topology, after.outbound, &after.again).await;
        handler.committed(&after.handled);
        if count > 0 {
            self.metrics.handled(queue, count, start.elapsed());
        }
        Ok(count)
    }

    async fn settle(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        handler: &dyn Handler,
        arrived: Vec<(u32, Incoming)>,
        held: bool,
        now: Time,
    ) -> Result<After, StoreError> {
        let mut good: BTreeMap<Key, Candidate> = BTreeMap::new();
        let mut order = Vec::with_capacity(arrived.len());
        for (attempt, incoming) in arrived {
            match inspect(incoming, attempt, self.topology, now, self.retention) {
                Inspected::Good(candidate) => match good.get(&key_of(&candidate.message)) {
                    None => {
                        order.push(key_of(&candidate.message));
                        good.insert(key_of(&candidate.message), *candidate);
                    }
                    Some(first) if first.hash == candidate.hash => {
                        self.metrics.duplicates.inc();
                    }
                    Some(_) => self.park_conflict(transaction, queue, &candidate, now).await?,
                },
                Inspected::Ahead(candidate) => {
                    let due = candidate.message.time;
                    defer(transaction, queue, &candidate, due, "its time is ahead of ours").await?;
                }
                Inspected::Bad { incoming, message, reason, detail } => {
                    self.park_bad(transaction, queue, &incoming, message.as_deref(), reason, &detail, now).await?;
                }
            }
        }
        let mut after = After::default();
        let fresh = self.fresh(transaction, queue, handler, order, good, held, now, &mut after).await?;
        if !fresh.is_empty() {
            self.handle(transaction, queue, handler, fresh, now, &mut after).await?;
        }
        Ok(after)
    }

    /// What was not handled before. Repetitions are answered again, conflicts parked, and copies of
    /// what waits here already are dropped.
    #[expect(clippy::too_many_arguments, reason = "the parts of one transaction")]
    async fn fresh(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        handler: &dyn Handler,
        order: Vec<Key>,
        mut good: BTreeMap<Key, Candidate>,
        held: bool,
        now: Time,
        after: &mut After,
    ) -> Result<Vec<Candidate>, StoreError> {
        let references = good.values().map(|candidate| candidate.message.reference());
        let keys: Vec<&str> = good.values().map(|candidate| candidate.key.as_str()).collect();
        let (known, deferred, parked) = futures_util::try_join!(
            handled(transaction, queue, references),
            waiting_in_deferred(transaction, queue, &keys),
            waiting_in_parked(transaction, queue, &keys),
        )?;
        let waiting: BTreeSet<String> = if held { parked } else { &deferred | &parked };
        let mut fresh = Vec::new();
        let mut repeated: Vec<MessageRef> = Vec::new();
        for key in order {
            let Some(candidate) = good.remove(&key) else { continue };
            match known.get(&key) {
                Some(Handled { hash, answers }) if *hash == candidate.hash => {
                    self.metrics.duplicates.inc();
                    if handler.answers_again() {
                        repeated.extend(answers);
                    }
                }
                Some(_) => self.park_conflict(transaction, queue, &candidate, now).await?,
                None if waiting.contains(&candidate.key) => {
                    self.metrics.duplicates.inc();
                }
                None => fresh.push(candidate),
            }
        }
        let marks: Vec<Mark> = repeated.into_iter().map(|message| Mark { message, queue: None }).collect();
        after.again.extend(mark(transaction, &marks).await?);
        Ok(fresh)
    }

    async fn handle(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        handler: &dyn Handler,
        fresh: Vec<Candidate>,
        now: Time,
        after: &mut After,
    ) -> Result<(), StoreError> {
        let messages: Vec<Message> = fresh.iter().map(|candidate| candidate.message.clone()).collect();
        let verdicts = handler.handle(transaction, &messages, now).await?;
        if verdicts.len() != messages.len() {
            let why = format!("{} verdicts for {} messages", verdicts.len(), messages.len());
            return Err(StoreError::Corrupt { what: format!("the handler of {queue}"), why });
        }
        let mut done = Vec::new();
        for (candidate, verdict) in fresh.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(output) => done.push((candidate, output)),
                Verdict::PutOff { reason } => self.try_later(transaction, queue, candidate, &reason, now).await?,
                Verdict::Park { reason, detail } => {
                    self.not_overtaken(transaction, queue, &candidate.message).await?;
                    let (incoming, message) = (&candidate.incoming, Some(&candidate.message));
                    self.park_bad(transaction, queue, incoming, message, reason, &detail, now).await?;
                }
            }
        }
        self.store(transaction, queue, done, now, after).await?;
        after.handled = messages;
        Ok(())
    }

    /// While another copy commits the same message, a handler may read some rows from before and some from after,
    /// and find that they contradict each other. What it would set aside is a duplicate then.
    async fn not_overtaken(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        message: &Message,
    ) -> Result<(), StoreError> {
        let known = handled(transaction, queue, [message.reference()]).await?;
        if known.is_empty() { Ok(()) } else { Err(StoreError::Overtaken) }
    }

    /// Inbox, kept messages, journal and outbox of what was handled.
    async fn store(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        done: Vec<(&Candidate, Output)>,
        now: Time,
        after: &mut After,
    ) -> Result<(), StoreError> {
        let receipts: Vec<Receipt<'_>> = done.iter().map(|(candidate, output)| receipt(candidate, output)).collect();
        let kept: Vec<(&Message, &[u8])> = done
            .iter()
            .filter(|(_, output)| output.keep)
            .map(|(candidate, _)| (&candidate.message, candidate.incoming.body.as_slice()))
            .collect();
        let send: Vec<Outgoing> = done.iter().flat_map(|(_, output)| output.send.iter().cloned()).collect();
        let resend: Vec<Mark> = done.iter().flat_map(|(_, output)| again(&output.resend)).collect();
        let (_, _, outbound, marks) = futures_util::try_join!(
            receive(transaction, queue, now, &receipts),
            keep(transaction, &kept),
            enqueue(transaction, self.topology, send),
            mark(transaction, &resend),
        )?;
        after.outbound = outbound;
        after.again.extend(marks);
        Ok(())
    }

    /// Puts a message off, a little longer each time, and parks it in the end.
    async fn try_later(
        &self,
        transaction: &Transaction<'_>,
        queue: &str,
        candidate: &Candidate,
        reason: &str,
        now: Time,
    ) -> Result<(), StoreError> {
        if candidate.attempt >= MOST_ATTEMPTS {
            let (incoming, message) = (&candidate.incoming, Some(&candidate.message));
            return self.park_bad(transaction, queue, incoming, message, "put_off_too_often", reason, now).await;
        }
        self.metrics.put_off.inc();
        defer(transaction, queue, candidate, now + wait(candidate.attempt), reason).await
    }

    async fn park_conflict(
        &self,
        transaction: &Transaction<'_>,
        queue: &str,
        candidate: &Candidate,
        now: Time,
    ) -> Result<(), StoreError> {
        self.metrics.conflicts.inc();
        let detail = "another message of this id, with other content, was here before";
        let parking = parking(queue, &candidate.incoming, Some(&candidate.message), "conflict", detail);
        park(transaction, now, &parking).await
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of a message that nobody can handle")]
    async fn park_bad(
        &self,
        transaction: &Transaction<'_>,
        queue: &str,
        incoming: &Incoming,
        message: Option<&Message>,
        reason: &'static str,
        detail: &str,
        now: Time,
    ) -> Result<(), StoreError> {
        let id = message.map(|m| m.id.to_string());
        tracing::warn!(queue, reason, detail, message_id = id, "a message is parked");
        self.metrics.parked(reason);
        park(transaction, now, &parking(queue, incoming, message, reason, detail)).await
    }

    /// Puts off a message whose handling fails, in a transaction of its own; parks it in the end.
    pub(super) async fn set_aside(
        &self,
        queue: &'static str,
        incoming: &Incoming,
        attempt: u32,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let now = clock::now();
        self.set_aside_in(&transaction, queue, incoming.clone(), attempt, error, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn set_aside_in(
        &self,
        transaction: &Transaction<'_>,
        queue: &'static str,
        incoming: Incoming,
        attempt: u32,
        error: &StoreError,
        now: Time,
    ) -> Result<(), StoreError> {
        match inspect(incoming, attempt, self.topology, now, self.retention) {
            Inspected::Good(candidate) | Inspected::Ahead(candidate) => {
                self.try_later(transaction, queue, &candidate, &format!("handling failed: {error}"), now).await
            }
            Inspected::Bad { incoming, message, reason, detail } => {
                self.park_bad(transaction, queue, &incoming, message.as_deref(), reason, &detail, now).await
            }
        }
    }

    /// The first message that is due fails: it is put off again, so that it holds nothing back.
    pub(super) async fn put_due_off_again(&self, queue: &'static str, error: &StoreError) -> Result<usize, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let now = clock::now();
        let due = due(&transaction, queue, now, 1).await?;
        let count = due.len();
        for (attempt, incoming) in due {
            tracing::error!(queue, attempt, %error, "a message that was put off fails again");
            self.set_aside_in(&transaction, queue, incoming, attempt, error, now).await?;
        }
        transaction.commit().await?;
        Ok(count)
    }
}

/// What a message is known by in the inbox.
fn key_of(message: &Message) -> Key {
    (message.time.date(), message.id)
}

async fn due(
    transaction: &Transaction<'_>,
    queue: &str,
    now: Time,
    limit: i64,
) -> Result<Vec<(u32, Incoming)>, StoreError> {
    let due = take_due(transaction, queue, now, limit).await?;
    Ok(due.into_iter().map(|(attempt, meta, body)| (attempt, incoming_from(&meta, body))).collect())
}

async fn defer(
    transaction: &Transaction<'_>,
    queue: &str,
    candidate: &Candidate,
    due_at: Time,
    reason: &str,
) -> Result<(), StoreError> {
    let deferral = Deferral {
        queue,
        key: candidate.key.clone(),
        message: Some(candidate.message.reference()),
        attempt: candidate.attempt + 1,
        due_at,
        reason,
        incoming: meta(&candidate.incoming),
        body: &candidate.incoming.body,
    };
    put_off(transaction, &deferral).await
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

fn receipt<'a>(candidate: &'a Candidate, output: &Output) -> Receipt<'a> {
    let sent = output.send.iter().map(|outgoing| outgoing.message.reference());
    let resent = output.resend.iter().filter(|again| again.queue.is_none()).map(|again| again.message);
    Receipt {
        message: &candidate.message,
        hash: candidate.hash,
        note: output.note,
        answers: sent.chain(resent).collect(),
    }
}

/// How long a message is put off: a second at first, doubling, at most a minute.
fn wait(attempt: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(attempt.min(6)).min(60))
}
