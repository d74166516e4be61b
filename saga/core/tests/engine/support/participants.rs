//! Honest participants, made from the table: each does a step at most once, remembers it, and
//! answers a request that comes again with what it answered before.

use std::collections::BTreeMap;

use saga_core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_core::{Body, Definition, Message, MessageRef, Start, Step, Time};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ids;

/// All participants of one saga.
pub(crate) struct Participants {
    definition: Definition,
    start: Value,
    refusals: u8,
    effects: BTreeMap<usize, Effect>,
    /// Times done minus times undone, by row.
    counts: BTreeMap<usize, i32>,
    /// The answer to each message that was handled.
    inbox: BTreeMap<(usize, Uuid), Message>,
    answers: BTreeMap<MessageRef, Message>,
}

enum Asked {
    Do,
    Undo,
}

impl Participants {
    pub(crate) fn new(definition: Definition, start: Value, refusals: u8) -> Self {
        let (effects, counts, inbox, answers) = Default::default();
        Self { definition, start, refusals, effects, counts, inbox, answers }
    }

    /// How often a step was done, less how often it was undone.
    pub(crate) fn count(&self, row: usize) -> i32 {
        self.counts.get(&row).copied().unwrap_or(0)
    }

    /// The answers to a message that arrives in a queue.
    pub(crate) fn handle(&mut self, queue: &str, message: &Message, now: Time) -> Vec<Message> {
        let rows = self.definition.steps.iter().enumerate();
        let asked: Vec<_> = rows.filter_map(|(row, step)| Some((row, self.asked(step, queue, message)?))).collect();
        assert!(!asked.is_empty(), "nobody at {queue} understands {}", message.kind);
        // Who starts on an event must know for itself whether it is meant.
        let meant = asked.into_iter().filter(|(row, _)| self.definition.steps[*row].applies(&self.start));
        meant.collect::<Vec<_>>().into_iter().map(|(row, asked)| self.answer_once(row, &asked, message, now)).collect()
    }

    fn asked(&self, step: &Step, queue: &str, message: &Message) -> Option<Asked> {
        let does = match step.start {
            Start::Command { kind, queue: at, .. } => kind == message.kind && at == queue,
            Start::Event { of, queue: at } => {
                self.definition.step(of).is_some_and(|starter| starter.done == message.kind) && at == queue
            }
            Start::Wait => false,
        };
        let undoes = step.undo.is_some_and(|undo| undo.kind == message.kind && undo.queue == queue);
        match (does, undoes) {
            (true, _) => Some(Asked::Do),
            (_, true) => Some(Asked::Undo),
            (false, false) => None,
        }
    }

    fn answer_once(&mut self, row: usize, asked: &Asked, message: &Message, now: Time) -> Message {
        if let Some(answered) = self.inbox.get(&(row, message.id)) {
            return answered.clone();
        }
        let step = &self.definition.steps[row];
        // An event carries the epoch of the step that it answers, unless it is a copy for this one.
        let own = message.step.as_deref() == Some(step.name);
        let epoch = if own { message.epoch } else { 0 };
        let answer = match asked {
            Asked::Do => self.on_do(row, epoch, message, now),
            Asked::Undo => self.on_undo(row, epoch, message, now),
        };
        self.inbox.insert((row, message.id), answer.clone());
        assert!((0..=1).contains(&self.count(row)), "{} was done {} times", step.name, self.count(row));
        answer
    }

    fn on_do(&mut self, row: usize, epoch: u32, cause: &Message, now: Time) -> Message {
        let step = &self.definition.steps[row];
        let refuses = epoch == 0 && self.refusals & (1 << row) != 0;
        match (on_do(self.effects.get(&row), epoch), step.refused) {
            (OnDo::AnswerAgain(answer), _) => self.answers[&answer].clone(),
            (OnDo::Perform, Some(refused)) if refuses => {
                self.remember(row, EffectState::Refused, answer(step, epoch, refused, cause, now))
            }
            (OnDo::Perform, _) => {
                *self.counts.entry(row).or_default() += 1;
                self.remember(row, EffectState::Done, answer(step, epoch, step.done, cause, now))
            }
            (OnDo::RefuseCancelled, refused) => {
                answer(step, epoch, refused.expect("only what can be refused is undone"), cause, now)
            }
        }
    }

    fn on_undo(&mut self, row: usize, epoch: u32, cause: &Message, now: Time) -> Message {
        let step = &self.definition.steps[row];
        let undone = step.undo.expect("it is asked to undo").undone[0];
        match on_undo(self.effects.get(&row), epoch) {
            OnUndo::AnswerAgain(answer) => self.answers[&answer].clone(),
            OnUndo::Revert => {
                *self.counts.entry(row).or_default() -= 1;
                self.remember(row, EffectState::Undone, answer(step, epoch, undone, cause, now))
            }
            OnUndo::Bury => self.remember(row, EffectState::Undone, answer(step, epoch, undone, cause, now)),
            OnUndo::Stale => answer(step, epoch, undone, cause, now),
        }
    }

    fn remember(&mut self, row: usize, state: EffectState, answer: Message) -> Message {
        let epoch = answer.epoch;
        self.effects.insert(row, Effect { epoch, state, answer: answer.reference() });
        self.answers.insert(answer.reference(), answer.clone());
        answer
    }
}

fn answer(step: &Step, epoch: u32, kind: &'static str, cause: &Message, now: Time) -> Message {
    let body = Body { kind, version: 1, data: json!({ "price": 100, "reason": "no" }) };
    Message::caused_by(cause, ids().event_caused(cause.id, kind), "participant", "somewhat", body, now)
        .for_step(step.name, epoch)
}
