//! A whole system in miniature: the saga, honest participants, and messages under way that may be
//! late, early, twice or lost.

use std::collections::{BTreeMap, VecDeque};

use saga_core::{
    Body, Decision, Definition, Direction, Engine, Input, Instance, Kind, Message, MessageRef, OperatorWord, Phase,
    Refusal, Time,
};
use serde_json::json;
use uuid::Uuid;

use super::participants::Participants;
use super::{NOON, engine, ids};
use crate::laws;

/// Where a message is on its way to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum To {
    Orchestrator,
    Queue(&'static str),
}

/// What is decided before anything happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many supplies are ordered.
    pub(crate) items: u32,
    /// Which rows refuse their first run, as bits.
    pub(crate) refusals: u8,
    /// Whether somebody passes the pivot when nothing else is left to happen.
    pub(crate) grant_in_the_end: bool,
}

/// What may happen next. Numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    Deliver(usize),
    DeliverACopy(usize),
    Lose(usize),
    Wait(i64),
    Wake,
    Grant,
    Cancel,
    OperatorCancels,
    Retry(usize),
    Skip(usize),
}

pub(crate) struct World {
    engine: Engine,
    plan: Plan,
    saga: Option<Instance>,
    saga_id: Uuid,
    now: Time,
    under_way: VecDeque<(To, Message)>,
    participants: Participants,
    /// What the shell stores: sent messages, and the events that were kept.
    stored: BTreeMap<MessageRef, Message>,
    /// Same id, same bytes: for ever.
    bytes: BTreeMap<Uuid, Vec<u8>>,
    prepared: u32,
    ends: u32,
    /// What an operator counted as done, or as undone.
    skipped: Vec<(usize, Direction)>,
    words: u64,
}

impl World {
    /// A saga was requested; nothing else happened.
    pub(crate) fn new(definition: Definition, plan: Plan) -> Self {
        let engine = engine(definition);
        let data = json!({ "order": ids().correlation(Uuid::nil()), "items": plan.items });
        let body = Body { kind: engine.definition.starts_on, version: 1, data: data.clone() };
        let start = Message::new(ids().event_at("somebody", 0, body.kind), "somebody", "somewhat", body, NOON);
        let saga_id = (engine.definition.id)(&start).unwrap();
        let mut world = Self {
            participants: Participants::new(engine.definition.clone(), data, plan.refusals),
            engine,
            plan,
            saga: None,
            saga_id,
            now: NOON,
            under_way: VecDeque::new(),
            stored: BTreeMap::new(),
            bytes: BTreeMap::new(),
            prepared: 0,
            ends: 0,
            skipped: Vec::new(),
            words: 0,
        };
        world.put(To::Orchestrator, start);
        world
    }

    pub(crate) fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver(at) => self.take(at, false),
            Happening::DeliverACopy(at) => self.take(at, true),
            Happening::Lose(at) => self.lose(at),
            Happening::Wait(seconds) => self.now += time::Duration::seconds(seconds),
            Happening::Wake => self.wake(),
            Happening::Grant => self.pivot_word(true),
            Happening::Cancel => self.pivot_word(false),
            Happening::OperatorCancels => self.operator(OperatorWord::Cancel { reason: "by_hand".to_owned() }),
            Happening::Retry(row) => self.retry(row),
            Happening::Skip(row) => self.skip(row),
        }
    }

    /// Everything under way arrives, every alarm goes off, until the saga ends. Then what is
    /// still under way arrives too, and the counts must agree with the end.
    pub(crate) fn comes_to_an_end(mut self) -> Phase {
        for _ in 0..1_000 {
            self.all_arrives();
            let Some(saga) = self.saga.as_ref() else { continue };
            if saga.phase.is_end() {
                return self.agrees_with(saga.phase);
            }
            if saga.phase == Phase::Prepared && self.plan.grant_in_the_end {
                self.pivot_word(true);
            } else {
                self.now = self.now.max(saga.alarm.expect("a live saga has an alarm"));
                self.wake();
            }
        }
        panic!("it never ends: {:#?}", self.saga);
    }

    fn agrees_with(&self, end: Phase) -> Phase {
        assert_eq!(self.ends, 1);
        assert!(end != Phase::Completed || self.prepared == 1);
        let saga = self.saga.as_ref().unwrap();
        let why = saga.end.as_ref().map(|end| end.reason.as_str());
        assert_ne!(why, Some("result_invalid"), "honest answers add up, and no word of an operator's takes one away");
        let start = &saga.start;
        for (row, step) in self.engine.definition.steps.iter().enumerate() {
            let expected = i32::from(end == Phase::Completed && step.kind != Kind::Pivot && step.applies(start));
            // What an operator counted as done, or as undone, may be either; but a skipped step is undone all the same.
            let word = if end == Phase::Completed { Direction::Do } else { Direction::Undo };
            if !self.skipped.contains(&(row, word)) {
                assert_eq!(self.participants.count(row), expected, "{} after {end:?}", step.name);
            }
        }
        end
    }

    fn all_arrives(&mut self) {
        while !self.under_way.is_empty() {
            self.take(0, false);
        }
    }

    fn put(&mut self, to: To, message: Message) {
        let bytes = message.to_bytes();
        let known = self.bytes.entry(message.id).or_insert_with(|| bytes.clone());
        assert_eq!(*known, bytes, "the same id, other bytes: {}", message.kind);
        self.under_way.push_back((to, message));
    }

    /// An event reaches the orchestrator and everybody who starts on it.
    fn publish(&mut self, event: &Message) {
        let steps = self.engine.definition.steps;
        let listens = |step: &saga_core::Step| {
            let starter = step.starter().and_then(|of| self.engine.definition.step(of));
            starter.filter(|starter| starter.done == event.kind).and(step.queue())
        };
        let queues: Vec<_> = steps.iter().filter_map(listens).collect();
        self.put(To::Orchestrator, event.clone());
        queues.into_iter().for_each(|queue| self.put(To::Queue(queue), event.clone()));
    }

    fn take(&mut self, at: usize, stays: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let at = at % self.under_way.len();
        let (to, message) = self.under_way[at].clone();
        if !stays {
            self.under_way.remove(at);
        }
        match to {
            To::Queue(queue) => {
                let answers = self.participants.handle(queue, &message, self.now);
                answers.iter().for_each(|answer| self.publish(answer));
            }
            To::Orchestrator => self.deliver(&message),
        }
    }

    /// The broker loses nothing; but a message may be parked, or late beyond measure. The request
    /// that starts the saga is the one that nobody sends again.
    fn lose(&mut self, at: usize) {
        if self.saga.is_some() && !self.under_way.is_empty() {
            self.under_way.remove(at % self.under_way.len());
        }
    }

    fn deliver(&mut self, message: &Message) {
        match laws::decide(&self.engine, self.saga.as_ref(), Input::Message(message), self.now) {
            Ok(decision) => {
                if decision.keep_input {
                    self.stored.insert(message.reference(), message.clone());
                }
                self.perform(decision);
            }
            Err(Refusal::UnknownSaga(_)) => self.under_way.push_back((To::Orchestrator, message.clone())),
            Err(refusal) => panic!("an honest message is refused: {refusal}"),
        }
    }

    fn wake(&mut self) {
        if let Some(saga) = &self.saga {
            let decision = laws::decide(&self.engine, Some(saga), Input::Wake, self.now).unwrap();
            self.perform(decision);
        }
    }

    fn operator(&mut self, word: OperatorWord) {
        let Some(saga) = &self.saga else { return };
        match laws::decide(&self.engine, Some(saga), Input::Operator(&word), self.now) {
            Ok(decision) => self.perform(decision),
            Err(Refusal::Word(_) | Refusal::Facts(_)) => {}
            Err(refusal) => panic!("{word:?} is refused: {refusal}"),
        }
    }

    fn retry(&mut self, row: usize) {
        let step = &self.engine.definition.steps[row % self.engine.definition.steps.len()];
        let request =
            self.saga.as_ref().and_then(|saga| saga.steps[self.engine.definition.index_of(step.name)?].request);
        let starter = step.starter().and(request).map(|request| Box::new(self.stored[&request].clone()));
        self.operator(OperatorWord::Retry { step: step.name.to_owned(), starter });
    }

    fn skip(&mut self, row: usize) {
        let row = row % self.engine.definition.steps.len();
        let Some(before) = self.saga.clone() else { return };
        let undone = before.steps[row].waiting() == Some(saga_core::Direction::Undo);
        let step = self.engine.definition.steps[row].name.to_owned();
        self.operator(OperatorWord::Skip { step, undone });
        let skipped = self.saga.as_ref().filter(|saga| saga.version > before.version);
        self.skipped.extend(skipped.and(before.steps[row].waiting()).map(|direction| (row, direction)));
    }

    fn pivot_word(&mut self, yes: bool) {
        self.words += 1;
        let pivot = &self.engine.definition.steps[self.engine.definition.pivot()];
        let kind = if yes { pivot.done } else { pivot.refused.expect("both pivots can be refused") };
        let body = Body { kind, version: 1, data: json!({ "reason": "changed_my_mind" }) };
        let mut word = Message::new(ids().event_at("words", self.words, kind), "somebody", "somewhat", body, self.now);
        word.saga_id = Some(self.saga_id);
        self.put(To::Orchestrator, word);
    }

    fn perform(&mut self, decision: Decision) {
        for send in decision.send {
            let message = send.message;
            self.prepared += u32::from(message.kind == saga_core::SAGA_PREPARED);
            self.ends += u32::from(
                [saga_core::SAGA_COMPLETED, saga_core::SAGA_REJECTED, saga_core::SAGA_CANCELLED]
                    .contains(&message.kind.as_str()),
            );
            assert!(self.prepared <= 1 && self.ends <= 1);
            self.stored.insert(message.reference(), message.clone());
            match send.queue.or_else(|| self.queue_of(&message.kind)) {
                Some(queue) => self.put(To::Queue(queue), message),
                None => assert!(message.kind.starts_with("SAGA_"), "nobody takes {}", message.kind),
            }
        }
        for again in decision.resend {
            let stored = self.stored[&again.message].clone();
            self.put(To::Queue(again.queue), stored);
        }
        self.saga = Some(decision.next);
    }

    fn queue_of(&self, command: &str) -> Option<&'static str> {
        self.engine.definition.steps.iter().find_map(|step| match (step.start, step.undo) {
            (saga_core::Start::Command { kind, queue, .. }, _) if kind == command => Some(queue),
            (_, Some(undo)) if undo.kind == command => Some(undo.queue),
            _ => None,
        })
    }
}
