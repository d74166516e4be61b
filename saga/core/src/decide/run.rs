//! A decision in the making: the next instance and what it sends, under construction.

use serde_json::Value;
use uuid::Uuid;

use super::{Decision, Engine, Note, Refusal, Resend, Send};
use crate::definition::{DataFn, Kind, Start, Step, Undo};
use crate::events::{SagaCancelled, SagaCompleted, SagaPrepared, SagaRejected};
use crate::facts::{Facts, FactsError};
use crate::ids::Direction;
use crate::instance::{Instance, Outcome, Phase, StepRecord, StepState, Timer, TimerKind};
use crate::message::{Body, Message, MessageRef, Payload, Time, storable};

/// What led to the decision.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'a> {
    Message(&'a Message),
    Timer,
    Operator,
}

/// One decision in the making.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) now: Time,
    pub(super) next: Instance,
    pub(super) resend: Vec<Resend>,
    pub(super) keep_input: bool,
    /// The timer that led to it, once one was found due.
    pub(super) timer: Option<Uuid>,
    cause: Cause<'a>,
    send: Vec<Send>,
}

impl<'a> Run<'a> {
    pub(super) fn new(engine: &'a Engine, instance: &Instance, cause: Cause<'a>, now: Time) -> Self {
        // References to messages are compared with what the database stores.
        let now = storable(now).unwrap_or(now);
        let next = instance.clone();
        Self { engine, now, next, resend: Vec::new(), keep_input: false, timer: None, cause, send: Vec::new() }
    }

    /// The input was right and changes nothing, not even the version.
    pub(super) fn ignored(self, why: &'static str) -> Decision {
        Decision { next: self.next, send: Vec::new(), resend: Vec::new(), keep_input: false, note: Note::Ignored(why) }
    }

    /// The input was applied.
    pub(super) fn applied(mut self) -> Decision {
        self.set_alarm();
        Decision {
            next: self.next,
            send: self.send,
            resend: self.resend,
            keep_input: self.keep_input,
            note: Note::Applied,
        }
    }

    /// Counts the input: events that no message caused take their ids from the version.
    pub(super) fn begin(mut self) -> Self {
        self.next.version += 1;
        self
    }

    /// The message answers what was never asked of a step.
    pub(super) fn never_asked(&self, row: usize, message: &Message) -> Refusal {
        let (kind, step) = (message.kind.clone(), self.step(row).name);
        Refusal::NeverAsked { kind, step, epoch: message.epoch }
    }

    pub(super) fn step(&self, row: usize) -> &'static Step {
        &self.engine.definition.steps[row]
    }

    /// Sends every command whose turn it is: all rows above it on its side are settled.
    pub(super) fn advance(&mut self) -> Result<(), Refusal> {
        let Some(side) = self.next.phase.side() else { return Ok(()) };
        let mut above_settled = true;
        for (row, step) in self.engine.definition.steps.iter().enumerate().filter(|(_, s)| s.kind == side) {
            let record = &self.next.steps[row];
            if let (Start::Command { kind, data, .. }, StepState::Pending, true) =
                (step.start, record.state, above_settled)
            {
                self.command(row, Direction::Do, kind, data)?;
            }
            above_settled &= self.next.steps[row].is_settled();
        }
        Ok(())
    }

    /// Notes that a step is done, and that its event starts others.
    pub(super) fn done(&mut self, row: usize, event: &Message) {
        let order = self.next.steps.iter().filter_map(|s| s.done_as).max().map_or(0, |last| last + 1);
        let record = &mut self.next.steps[row];
        record.settle(StepState::Done);
        record.answer = Some(event.data.clone());
        record.done_as = Some(order);
        self.started_by(row, event.reference());
    }

    fn started_by(&mut self, row: usize, event: MessageRef) {
        let dependants: Vec<usize> = self.engine.definition.dependants(self.step(row).name).collect();
        for dependant in dependants {
            if self.next.steps[dependant].state == StepState::Pending {
                self.ask(dependant, StepState::Sent, event);
                self.keep_input = true;
            }
        }
    }

    /// Sends the command that does or undoes a step, and waits for its answer.
    pub(super) fn command(
        &mut self,
        row: usize,
        direction: Direction,
        kind: &'static str,
        data: DataFn,
    ) -> Result<(), Refusal> {
        let body = data(&self.facts())?;
        debug_assert_eq!(body.kind, kind, "the data function of a command makes its body");
        let (step, epoch) = (self.step(row).name, self.next.steps[row].epoch);
        let id = self.engine.ids.command(self.next.id, step, direction, epoch);
        let subject = self.next.subject.clone();
        let message = self.message(id, &subject, body).for_step(step, epoch);
        let state = match direction {
            Direction::Do => StepState::Sent,
            Direction::Undo => StepState::Undoing,
        };
        self.ask(row, state, message.reference());
        self.send.push(Send { message, queue: None });
        Ok(())
    }

    /// Sends the undo of a step.
    pub(super) fn undo(&mut self, row: usize, undo: Undo) -> Result<(), Refusal> {
        self.command(row, Direction::Undo, undo.kind, undo.data)
    }

    /// Sends a copy of the event that starts a step, as a new epoch, straight to the participant.
    pub(super) fn copy_of_starter(&mut self, row: usize, queue: &'static str, starter: &Message) {
        let (step, epoch) = (self.step(row).name, self.next.steps[row].epoch);
        let mut copy = starter.clone().for_step(step, epoch);
        copy.id = self.engine.ids.command(self.next.id, step, Direction::Do, epoch);
        // A copy of a copy still has the original as its cause.
        let is_copy = starter.step.as_deref() == Some(step);
        copy.causation_id = if is_copy { starter.causation_id } else { Some(starter.id) };
        copy.time = self.now;
        self.ask(row, StepState::Sent, copy.reference());
        self.send.push(Send { message: copy, queue: Some(queue) });
    }

    /// Waits again for the answer of a step that an operator counted as done; `false` if nobody did.
    pub(super) fn wait_again(&mut self, step: &str) -> bool {
        let Some(row) = self.engine.definition.index_of(step) else { return false };
        let record = &self.next.steps[row];
        let Some(request) = record.request.filter(|_| record.state == StepState::Skipped) else { return false };
        self.ask(row, StepState::Sent, request);
        true
    }

    fn ask(&mut self, row: usize, state: StepState, request: MessageRef) {
        self.next.steps[row].ask(state, Some(request), self.now);
        self.schedule_resend(row);
    }

    /// Sets when the request of a step is sent again.
    pub(super) fn schedule_resend(&mut self, row: usize) {
        let Some(direction) = self.next.steps[row].waiting() else { return };
        let timer = Timer { row, direction, kind: TimerKind::Resend, due: self.now };
        let jitter = self.next.timer_id(&self.engine.ids, &self.engine.definition, &timer);
        let record = &mut self.next.steps[row];
        record.resend_at = Some(self.now.saturating_add(self.engine.timings.resend.wait(record.resends, jitter)));
    }

    /// Whether every compensatable step is settled, for the first time.
    pub(super) fn is_ready(&self) -> bool {
        let mut rows = self.engine.definition.steps.iter().zip(&self.next.steps);
        self.next.phase == Phase::Running
            && rows.all(|(step, record)| step.kind != Kind::Compensatable || record.is_settled())
    }

    /// What lies ahead once it is ready: the result to tell, and whether the rule passes the pivot.
    pub(super) fn prospect(&self) -> Result<(Value, bool), FactsError> {
        Ok((self.result()?, (self.engine.definition.rule)(&self.facts())?))
    }

    /// Every compensatable step is done: says so, and waits for the pivot's word.
    pub(super) fn prepared(&mut self, result: Value, by_rule: bool) -> Result<(), Refusal> {
        self.next.phase = Phase::Prepared;
        let pivot = self.engine.definition.pivot();
        self.next.steps[pivot].ask(StepState::Sent, None, self.now);
        self.event(&SagaPrepared { definition: self.next.definition.clone(), result })?;
        if by_rule || self.next.granted { self.pass_pivot() } else { Ok(()) }
    }

    /// Passes the pivot: from here on there is no way back.
    pub(super) fn pass_pivot(&mut self) -> Result<(), Refusal> {
        let pivot = self.engine.definition.pivot();
        self.next.steps[pivot].settle(StepState::Done);
        self.next.phase = Phase::Completing;
        self.complete_or_go_on()
    }

    /// After the pivot: sends what is next, or ends.
    pub(super) fn complete_or_go_on(&mut self) -> Result<(), Refusal> {
        self.advance()?;
        if self.next.steps.iter().all(StepRecord::is_settled) {
            self.next.phase = Phase::Completed;
            let result = self.result()?;
            self.event(&SagaCompleted { definition: self.next.definition.clone(), result })?;
        }
        Ok(())
    }

    /// Says how a saga ended that did not complete.
    pub(super) fn ended(&mut self, outcome: Outcome, reason: String) -> Result<(), Refusal> {
        let definition = self.next.definition.clone();
        match outcome {
            Outcome::Rejected => {
                self.next.phase = Phase::Rejected;
                self.event(&SagaRejected { definition, reason })
            }
            Outcome::Cancelled => {
                self.next.phase = Phase::Cancelled;
                self.event(&SagaCancelled { definition, reason })
            }
        }
    }

    /// Sends an event of the saga's own.
    pub(super) fn event<P: Payload>(&mut self, payload: &P) -> Result<(), Refusal> {
        let id = match self.cause {
            Cause::Message(cause) => self.engine.ids.event_caused(cause.id, P::TYPE),
            Cause::Timer | Cause::Operator => {
                self.engine.ids.event_at(&self.next.id.to_string(), self.next.version, P::TYPE)
            }
        };
        let subject = self.next.subject.clone();
        let message = self.message(id, &subject, Body::of(payload)?).at_version(self.next.version);
        self.send.push(Send { message, queue: None });
        Ok(())
    }

    fn message(&self, id: Uuid, subject: &str, body: Body) -> Message {
        let mut message = Message::new(id, self.engine.source, subject, body, self.now);
        message.correlation_id = self.next.correlation_id;
        message.causation_id = match self.cause {
            Cause::Message(cause) => Some(cause.id),
            Cause::Timer | Cause::Operator => self.timer,
        };
        message.saga_id = Some(self.next.id);
        message.traceparent.clone_from(&self.next.traceparent);
        message
    }

    fn facts(&self) -> Facts<'_> {
        Facts::new(&self.engine.definition, &self.next)
    }

    /// What the definition tells of the outcome.
    fn result(&self) -> Result<Value, FactsError> {
        (self.engine.definition.result)(&self.facts())
    }

    /// While answers come in, the alarm moves only when something is due before it: a write per step would buy nothing.
    /// What waits for a person's word waits long: kept, the alarm would wake each such saga once for nothing.
    pub(super) fn set_alarm(&mut self) {
        let timers = self.next.timers(&self.engine.definition, &self.engine.timings);
        let due = timers.iter().map(|timer| timer.due).min();
        let is_kept = self.next.phase != Phase::Prepared;
        self.next.alarm = match (due, self.next.alarm) {
            (None, _) => None,
            (Some(due), Some(alarm)) if is_kept && alarm <= due && alarm > self.now => Some(alarm),
            (Some(due), _) => Some(due),
        };
    }
}
