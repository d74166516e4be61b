//! One attempt at a batch: one transaction.

use std::collections::BTreeMap;
use std::time::Instant;

use saga_core::{Message, MessageRef, Time};

use super::aside::Aside;
use super::inspect::incoming_from;
use super::{Candidate, Delivery, Inspected, Origin, inspect};
use crate::broker::{Incoming, Outbound};
use crate::clock;
use crate::error::StoreError;
use crate::handler::{Again, Decided, Handler, Outgoing, Output, Verdict};
use crate::store::{Due, Handled, Key, Known, Receipt, Receipts, Transaction, known, record, take_due, together};

/// A queue's messages in a transaction.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) queue: &'static str,
    pub(super) now: Time,
}

/// What a transaction leaves to be done after its commit.
struct After {
    outbound: Vec<Outbound>,
    /// Marks of stored messages that go out once more.
    again: Vec<i64>,
    committed: Box<dyn FnOnce() + Send>,
}

impl Delivery {
    /// Handles messages in one transaction and publishes what came of it; says how many they were.
    pub(super) async fn attempt(&self, queue: &'static str, origin: Origin<'_>) -> Result<usize, StoreError> {
        let Some(handler) = self.handlers.get(queue) else { return Ok(0) };
        let (mut client, start) = (self.pool.get().await?, Instant::now());
        // Almost always nothing of it was here before. So nobody looks, and the tables tell; while history is replayed, or
        // after a failure, it is the other way around.
        let expects_news = matches!(origin, Origin::Broker(_)) && !self.repeats.expected(queue);
        let transaction = Transaction::unbegun(&mut client, expects_news);
        let attempt = self.in_transaction(&transaction, queue);
        let (arrived, held) = match origin {
            Origin::Broker(batch) | Origin::Again(batch) => {
                (batch.into_iter().map(|incoming| (0, incoming)).collect(), false)
            }
            Origin::Deferred(due) => (attempt.due(due).await?, true),
        };
        let count = arrived.len();
        // On the heap: its statements that travel together make it large, and whoever awaits it would be larger still.
        let settled = Box::pin(attempt.settle(handler.as_ref(), arrived, held)).await;
        self.repeats.expect(queue, settled.is_err() || transaction.had_repeats());
        let after = settled?;
        drop(transaction);
        self.publish.committed(&client, self.topology, after.outbound, &after.again).await;
        (after.committed)();
        if count > 0 {
            self.metrics.handled(queue, count, start.elapsed());
        }
        Ok(count)
    }

    pub(super) fn in_transaction<'a>(&'a self, transaction: &'a Transaction<'a>, queue: &'static str) -> Attempt<'a> {
        Attempt { delivery: self, transaction, queue, now: clock::now() }
    }
}

impl<'a> Attempt<'a> {
    /// Messages that were put off and are due, with how often they were.
    pub(super) async fn due(self, due: Due<'_>) -> Result<Vec<(u32, Incoming)>, StoreError> {
        self.transaction.start().await?;
        let due = take_due(self.transaction, self.queue, self.now, due).await?;
        Ok(due.into_iter().map(|(attempt, meta, body)| (attempt, incoming_from(&meta, body))).collect())
    }

    async fn settle(
        self,
        handler: &dyn Handler,
        arrived: Vec<(u32, Incoming)>,
        held: bool,
    ) -> Result<After, StoreError> {
        let (good, mut aside) = self.sort(arrived);
        let (fresh, repeated) = match self.transaction.expects_news() {
            true => (good, Vec::new()),
            false => self.look(good, held, &mut aside).await?,
        };
        let batch: Vec<&Message> = fresh.iter().map(|candidate| &candidate.message).collect();
        let (_, decided) = together(self.transaction.start(), self.decide(handler, &batch)).await?;
        // What is put off or parked writes nothing that judges: it may be a duplicate, or ask for what was done.
        let sets_aside = || decided.verdicts.iter().any(|verdict| !matches!(verdict, Verdict::Done(_)));
        if self.transaction.expects_news() && sets_aside() {
            return Err(StoreError::Unchecked);
        }
        for one in aside {
            self.set_aside(one).await?;
        }
        let repeated = if handler.answers_again() { repeated } else { Vec::new() };
        self.write(&fresh, decided, repeated).await
    }

    /// What was not handled before and does not wait here, and the recorded answers of what was handled.
    async fn look(
        self,
        good: Vec<Candidate>,
        held: bool,
        aside: &mut Vec<Aside>,
    ) -> Result<(Vec<Candidate>, Vec<MessageRef>), StoreError> {
        let (_, known) = together(self.transaction.start(), self.known(&good)).await?;
        let total = good.len();
        let (fresh, repeated) = self.fresh(good, &known, held, aside);
        if fresh.len() < total {
            self.transaction.met_repeat();
        }
        Ok((fresh, repeated))
    }

    /// What a handler may see, each message once and in order; and what it may not.
    fn sort(self, arrived: Vec<(u32, Incoming)>) -> (Vec<Candidate>, Vec<Aside>) {
        let Delivery { topology, retention, metrics, .. } = self.delivery;
        let (mut good, mut aside): (Vec<Candidate>, _) = (Vec::with_capacity(arrived.len()), Vec::new());
        let mut places: BTreeMap<Key, usize> = BTreeMap::new();
        for (attempt, incoming) in arrived {
            match inspect(incoming, attempt, topology, self.now, *retention) {
                Inspected::Good(candidate) => match places.get(&candidate.inbox_key()) {
                    None => {
                        places.insert(candidate.inbox_key(), good.len());
                        good.push(*candidate);
                    }
                    Some(first) if good[*first].hash == candidate.hash => {
                        metrics.duplicates.inc();
                    }
                    Some(_) => aside.push(Aside::Conflict(candidate)),
                },
                Inspected::Ahead(candidate) => aside.push(Aside::Ahead(candidate)),
                Inspected::Bad(bad) => aside.push(Aside::Bad(bad)),
            }
        }
        (good, aside)
    }

    async fn known(self, good: &[Candidate]) -> Result<Known, StoreError> {
        let references = good.iter().map(|candidate| candidate.message.reference());
        let keys: Vec<&str> = good.iter().map(|candidate| candidate.key.as_str()).collect();
        known(self.transaction, self.queue, references, &keys).await
    }

    async fn decide<'b>(self, handler: &'b dyn Handler, batch: &'b [&'b Message]) -> Result<Decided, StoreError>
    where
        'a: 'b,
    {
        if batch.is_empty() {
            return Ok(Decided::nothing_to_write(Vec::new()));
        }
        let decided = handler.handle(self.transaction, batch, self.now).await?;
        if decided.verdicts.len() == batch.len() {
            return Ok(decided);
        }
        let why = format!("{} verdicts for {} messages", decided.verdicts.len(), batch.len());
        Err(StoreError::Corrupt { what: format!("the handler of {}", self.queue), why })
    }

    /// What was not handled before, and the recorded answers of what was. Conflicts go aside, and copies of what waits
    /// here already are dropped.
    fn fresh(
        self,
        good: Vec<Candidate>,
        known: &Known,
        held: bool,
        aside: &mut Vec<Aside>,
    ) -> (Vec<Candidate>, Vec<MessageRef>) {
        let waits = |key: &str| known.parked.contains(key) || (!held && known.deferred.contains(key));
        let (mut fresh, mut repeated) = (Vec::with_capacity(good.len()), Vec::new());
        for candidate in good {
            match known.handled.get(&candidate.inbox_key()) {
                Some(Handled { hash, answers }) if *hash == candidate.hash => {
                    self.delivery.metrics.duplicates.inc();
                    repeated.extend(answers);
                }
                Some(_) => aside.push(Aside::Conflict(Box::new(candidate))),
                None if waits(&candidate.key) => {
                    self.delivery.metrics.duplicates.inc();
                }
                None => fresh.push(candidate),
            }
        }
        (fresh, repeated)
    }

    /// The handler's changes, inbox, journal, outbox and COMMIT: one round trip. What comes back is for after it.
    async fn write(
        self,
        fresh: &[Candidate],
        decided: Decided,
        repeated: Vec<MessageRef>,
    ) -> Result<After, StoreError> {
        let Decided { verdicts, writes, committed } = decided;
        let mut done = Vec::with_capacity(fresh.len());
        for (candidate, verdict) in fresh.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(output) => done.push((candidate, output)),
                Verdict::PutOff { reason } => {
                    self.not_overtaken(candidate).await?;
                    self.try_later(candidate, &reason).await?;
                }
                Verdict::Park { reason, detail } => {
                    self.not_overtaken(candidate).await?;
                    self.park(candidate, reason, &detail).await?;
                }
            }
        }
        let receipts: Vec<Receipt<'_>> = done.iter().map(|(candidate, output)| receipt(candidate, output)).collect();
        let resend = done.iter().flat_map(|(_, output)| output.resend.iter().cloned());
        let resend: Vec<Again> = repeated.into_iter().map(Again::from).chain(resend).collect();
        let unseen = match self.transaction.expects_news() {
            true => done.iter().map(|(candidate, _)| candidate.key.as_str()).collect(),
            false => Vec::new(),
        };
        let received = Receipts { consumer: self.queue, now: self.now, receipts: &receipts, unseen };
        let send: Vec<Outgoing> = done.into_iter().flat_map(|(_, output)| output.send).collect();
        let recorded = record(self.transaction, self.delivery.topology, received, send, &resend)?;
        let last = together(writes.send(self.transaction), recorded);
        let (_, (outbound, again)) = self.transaction.commit_with(last).await?;
        Ok(After { outbound, again, committed })
    }

    /// What a handler would set aside may be a duplicate after all, while another copy commits the same message: it reads some
    /// rows from before and some from after, and finds that they contradict each other. If not, the next ones of its queue
    /// are likely to be set aside, too, for which somebody has to look.
    async fn not_overtaken(self, candidate: &Candidate) -> Result<(), StoreError> {
        self.transaction.met_repeat();
        let known = known(self.transaction, self.queue, [candidate.message.reference()], &[]).await?;
        if known.handled.is_empty() { Ok(()) } else { Err(StoreError::Overtaken) }
    }

    /// Whether this very message was handled: another one may have had its id.
    pub(super) async fn is_handled(self, message: &Message) -> Result<bool, StoreError> {
        let known = known(self.transaction, self.queue, [message.reference()], &[]).await?;
        Ok(known.handled.into_values().any(|handled| handled.hash == message.content_hash()))
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
        body: output.keep.then_some(candidate.incoming.body.as_ref()),
    }
}
