//! The orchestrator's engine on a table in memory.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::{Decision, Engine, Input, Instance, Message, Note, OperatorWord, Refusal, Time};
use saga_runtime::orchestrator::{output, refused};
use saga_runtime::{Output, Verdict};
use uuid::Uuid;

use super::broker::Letter;
use super::bugs::{self, Bug};
use super::process::Tables;

pub(super) struct SagaTables {
    pub(super) engine: Engine,
    sagas: BTreeMap<Uuid, Instance>,
    /// The column `alarm`, with its index.
    alarms: BTreeSet<(Time, Uuid)>,
    live: BTreeSet<Uuid>,
    bug: Option<Bug>,
}

/// Sagas to write.
pub(super) type SagaRows = BTreeMap<Uuid, Instance>;

impl SagaTables {
    pub(super) fn new(engine: Engine, bug: Option<Bug>) -> Self {
        Self { engine, sagas: BTreeMap::new(), alarms: BTreeSet::new(), live: BTreeSet::new(), bug }
    }

    pub(super) fn get(&self, saga: Uuid) -> Option<&Instance> {
        self.sagas.get(&saga)
    }

    /// All sagas, by their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = &Instance> {
        self.sagas.values()
    }

    /// The next alarm.
    pub(super) fn next_alarm(&self) -> Option<Time> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// A saga that has not ended: the first from this id on.
    pub(super) fn live_from(&self, id: Uuid) -> Option<&Instance> {
        let found = self.live.range(id..).next().or_else(|| self.live.first());
        found.and_then(|saga| self.get(*saga))
    }

    /// What sagas do as their alarms go off, and how many these are.
    pub(super) fn wake(&self, now: Time) -> Result<(SagaRows, Output, usize), Refusal> {
        const AT_ONCE: usize = 100;
        let due = self.alarms.iter().take_while(|(at, _)| *at <= now).take(AT_ONCE);
        let (mut rows, mut all) = (SagaRows::new(), Output::default());
        for (_, saga) in due {
            let (next, sent) = output(self.decide(self.get(*saga), Input::Wake, now)?);
            all.send.extend(sent.send);
            all.resend.extend(sent.resend);
            rows.insert(next.id, next);
        }
        let woken = rows.len();
        Ok((rows, all, woken))
    }

    /// What a saga does as an operator says a word.
    pub(super) fn hear(&self, saga: Uuid, word: &OperatorWord, now: Time) -> Result<(Instance, Output), Refusal> {
        Ok(output(self.decide(self.get(saga), Input::Operator(word), now)?))
    }

    fn decide(&self, saga: Option<&Instance>, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
        bugs::decide(self.bug, &self.engine, saga, input, now)
    }

    /// The saga that a message belongs to: named by it, or forged from what starts one.
    fn saga_of(&self, message: &Message) -> Option<Uuid> {
        let definition = &self.engine.definition;
        let starts = message.kind == definition.starts_on;
        message.saga_id.or_else(|| starts.then(|| (definition.id)(message).ok()).flatten())
    }
}

impl Tables for SagaTables {
    type Write = SagaRows;
    const ANSWERS_AGAIN: bool = false;

    fn handle(&self, batch: &[Letter], now: Time) -> (Vec<Verdict>, SagaRows) {
        let mut rows = SagaRows::new();
        let verdicts = batch.iter().map(|message| {
            let saga = self.saga_of(message).and_then(|id| rows.get(&id).or_else(|| self.get(id)));
            match self.decide(saga, Input::Message(message), now) {
                Ok(decision) => {
                    let applied = decision.note == Note::Applied;
                    let (next, output) = output(decision);
                    if applied {
                        rows.insert(next.id, next);
                    }
                    Verdict::Done(output)
                }
                Err(refusal) => refused(&refusal),
            }
        });
        let verdicts = verdicts.collect();
        (verdicts, rows)
    }

    fn write(&mut self, rows: SagaRows) {
        for (id, saga) in rows {
            if let Some(alarm) = self.get(id).and_then(|before| before.alarm) {
                self.alarms.remove(&(alarm, id));
            }
            self.alarms.extend(saga.alarm.map(|alarm| (alarm, id)));
            if saga.phase.is_end() {
                self.live.remove(&id);
            } else {
                self.live.insert(id);
            }
            self.sagas.insert(id, saga);
        }
    }
}
