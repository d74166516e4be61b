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
use crate::handler::{Decided, Handler, Outgoing, Output, Verdict};
use crate::store::{
    Due, Handled, Key, Known, Mark, Receipt, Receipts, Transaction, again, keep, known, record, take_due, together,
};

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
    handled: Vec<Message>,
}

impl Delivery {
    /// Handles messages in one transaction and publishes what came of it; says how many they were.
    pub(super) async fn attempt(&self, queue: &'static str, origin: Origin<'_>) -> Result<usize, StoreError> {
        let Some(handler) = self.handlers.get(queue) else { return Ok(0) };
        let (mut client, start) = (self.pool.get().await?, Instant::now());
        let transaction = Transaction::unbegun(&mut client);
        let attempt = self.in_transaction(&transaction, queue);
        let (arrived, held) = match origin {
            Origin::Broker(batch) => (batch.into_iter().map(|incoming| (0, incoming)).collect(), false),
            Origin::Deferred(due) => (attempt.due(due).await?, true),
        };
        let count = arrived.len();
        // On the heap: its statements that travel together make it large, and whoever awaits it would be larger still.
        let after = Box::pin(attempt.settle(handler.as_ref(), arrived, held)).await?;
        transaction.commit().await?;
        self.publish.committed(&client, self.topology, after.outbound, &after.again).await;
        handler.committed(&after.handled);
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
        let batch = messages_of(&good);
        // Almost always nothing of it is known. So the handler locks and decides, which writes nothing, while that is
        // looked up: one round trip for both, and for BEGIN. While history is replayed it is the other way around.
        let (known, ahead) = if self.delivery.repeats.had_nothing_new(self.queue) {
            let (_, known) = together(self.transaction.start(), self.known(&good)).await?;
            (known, None)
        } else {
            let looking = together(self.known(&good), self.decide(handler, &batch));
            let (_, (known, decided)) = together(self.transaction.start(), looking).await?;
            (known, Some(decided))
        };
        let total = good.len();
        let (fresh, repeated) = self.fresh(good, &known, held, &mut aside);
        self.delivery.repeats.note(self.queue, total > 0 && fresh.is_empty());
        let all_fresh = fresh.len() == total;
        let rest = if all_fresh { Vec::new() } else { messages_of(&fresh) };
        let decided = match ahead.filter(|_| all_fresh) {
            Some(decided) => decided,
            None => self.decide(handler, if all_fresh { &batch } else { &rest }).await?,
        };
        for one in aside {
            self.set_aside(one).await?;
        }
        let repeated = if handler.answers_again() { repeated } else { Vec::new() };
        let (outbound, again) = self.write(&fresh, decided, repeated).await?;
        Ok(After { outbound, again, handled: if all_fresh { batch } else { rest } })
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

    async fn decide<'b>(self, handler: &'b dyn Handler, batch: &'b [Message]) -> Result<Decided<'b>, StoreError>
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

    /// The handler's changes, inbox, kept messages, journal and outbox: one round trip. What comes back is to be published.
    async fn write(
        self,
        fresh: &[Candidate],
        decided: Decided<'_>,
        repeated: Vec<MessageRef>,
    ) -> Result<(Vec<Outbound>, Vec<i64>), StoreError> {
        let Decided { verdicts, save } = decided;
        let mut done = Vec::with_capacity(fresh.len());
        for (candidate, verdict) in fresh.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(output) => done.push((candidate, output)),
                Verdict::PutOff { reason } => self.try_later(candidate, &reason).await?,
                Verdict::Park { reason, detail } => {
                    self.not_overtaken(candidate).await?;
                    self.park(candidate, reason, &detail).await?;
                }
            }
        }
        let receipts: Vec<Receipt<'_>> = done.iter().map(|(candidate, output)| receipt(candidate, output)).collect();
        let kept: Vec<(&Message, &[u8])> = done
            .iter()
            .filter(|(_, output)| output.keep)
            .map(|(candidate, _)| (&candidate.message, candidate.incoming.body.as_ref()))
            .collect();
        let repeated = repeated.into_iter().map(|message| Mark { message, queue: None });
        let resend: Vec<Mark> = repeated.chain(done.iter().flat_map(|(_, output)| again(&output.resend))).collect();
        let send: Vec<Outgoing> = done.iter().flat_map(|(_, output)| output.send.iter().cloned()).collect();
        let received = Receipts { consumer: self.queue, now: self.now, receipts: &receipts };
        let recorded = record(self.transaction, self.delivery.topology, received, send, &resend);
        let (_, (_, sent)) = together(save, together(keep(self.transaction, &kept), recorded)).await?;
        Ok(sent)
    }

    /// While another copy commits the same message, a handler may read some rows from before and some from after,
    /// and find that they contradict each other. What it would set aside is a duplicate then.
    async fn not_overtaken(self, candidate: &Candidate) -> Result<(), StoreError> {
        if self.is_handled(&candidate.message).await? { Err(StoreError::Overtaken) } else { Ok(()) }
    }

    pub(super) async fn is_handled(self, message: &Message) -> Result<bool, StoreError> {
        Ok(!known(self.transaction, self.queue, [message.reference()], &[]).await?.handled.is_empty())
    }
}

fn messages_of(candidates: &[Candidate]) -> Vec<Message> {
    candidates.iter().map(|candidate| candidate.message.clone()).collect()
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
