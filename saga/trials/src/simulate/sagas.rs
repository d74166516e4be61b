//! The orchestrator's engine on a table in memory.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::{Engine, Input, Instance, Message, Note, Refusal, Time};
use saga_runtime::orchestrator::{output, refused};
use saga_runtime::{Output, Verdict};
use uuid::Uuid;

use super::process::Tables;

pub(super) struct SagaTables {
    pub(super) engine: Engine,
    sagas: BTreeMap<Uuid, Instance>,
    /// The column `alarm`, with its index.
    alarms: BTreeSet<(Time, Uuid)>,
}

impl SagaTables {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, sagas: BTreeMap::new(), alarms: BTreeSet::new() }
    }

    pub(super) fn get(&self, saga: Uuid) -> Option<&Instance> {
        self.sagas.get(&saga)
    }

    /// All sagas, by their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = &Instance> {
        self.sagas.values()
    }

    /// The next alarm, and whose it is.
    pub(super) fn next_alarm(&self) -> Option<(Time, Uuid)> {
        self.alarms.first().copied()
    }

    /// What a saga does as its alarm goes off.
    pub(super) fn wake(&self, saga: Uuid, now: Time) -> Result<(Option<Instance>, Output), Refusal> {
        let decision = self.engine.decide(self.get(saga), Input::Wake, now)?;
        let (next, output) = output(decision);
        Ok((Some(next), output))
    }

    /// The saga that a message belongs to: named by it, or forged from what starts one.
    fn saga_of(&self, message: &Message) -> Option<Uuid> {
        let definition = &self.engine.definition;
        let starts = message.kind == definition.starts_on;
        message.saga_id.or_else(|| starts.then(|| (definition.id)(message).ok()).flatten())
    }
}

impl Tables for SagaTables {
    type Write = Option<Instance>;
    const ANSWERS_AGAIN: bool = false;

    fn handle(&self, message: &Message, now: Time) -> (Verdict, Option<Instance>) {
        let saga = self.saga_of(message).and_then(|id| self.get(id));
        match self.engine.decide(saga, Input::Message(message), now) {
            Ok(decision) => {
                let applied = decision.note == Note::Applied;
                let (next, output) = output(decision);
                (Verdict::Done(output), applied.then_some(next))
            }
            Err(refusal) => (refused(&refusal), None),
        }
    }

    fn write(&mut self, saga: Option<Instance>) {
        let Some(saga) = saga else { return };
        if let Some(alarm) = self.get(saga.id).and_then(|before| before.alarm) {
            self.alarms.remove(&(alarm, saga.id));
        }
        self.alarms.extend(saga.alarm.map(|alarm| (alarm, saga.id)));
        self.sagas.insert(saga.id, saga);
    }
}
