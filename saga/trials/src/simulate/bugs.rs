//! Faults that tests build in, to see that the rules find them. None is in the code that is simulated:
//! each stands between it and its tables, or in the model of the shell.

use saga_core::{Decision, Engine, Input, Instance, Kind, Message, OperatorWord, Phase, Refusal, StepState, Time};
use uuid::Uuid;

/// A fault that is built in on purpose: it must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Participants and orchestrator forget what they handled: a message that comes again is handled again.
    NoDedupe,
    /// Participants forget an undo that came before what it undoes: the late request is carried out.
    NoTombstones,
    /// Participants remember an undo without its epoch: the late request of an operator's retry is carried out.
    TombstonesWithoutEpoch,
    /// A message is acknowledged before what it leads to is committed.
    AcksBeforeCommit,
    /// What a transaction sends is published before its commit, and also if that fails.
    PublishesBeforeCommit,
    /// A transaction whose outcome is unknown counts as committed.
    UnknownIsCommitted,
    /// A mark goes as its message is published, not as it is confirmed.
    UnmarksBeforeConfirm,
    /// A message that comes back, since no queue took it, counts as published.
    ReturnIsPublished,
    /// A message that the broker refuses counts as published.
    NackIsPublished,
    /// Nobody publishes what a dead copy left behind.
    NoSweep,
    /// A request that comes again is answered with a new message, not with the stored one.
    AnswersUnderNewIds,
    /// A request is sent again as a new message, not as the stored one.
    ResendsUnderNewIds,
    /// What was done first is undone first.
    UndoesInOrder,
    /// A step whose outcome is unknown is not undone.
    SkipsUnknownSteps,
    /// The end is told as the last undo is sent, not as it is answered.
    EndsBeforeUndone,
}

/// The same message under another id.
pub(super) fn renamed(message: &Message, n: u64) -> Message {
    let mut renamed = message.clone();
    renamed.id = Uuid::from_u128(message.id.as_u128() ^ u128::from(n));
    renamed
}

/// What the engine decides, with a fault of the orchestrator built in.
pub(super) fn decide(
    bug: Option<Bug>,
    engine: &Engine,
    saga: Option<&Instance>,
    input: Input<'_>,
    now: Time,
) -> Result<Decision, Refusal> {
    let Some(saga) = saga else { return engine.decide(saga, input, now) };
    if bug == Some(Bug::UndoesInOrder) {
        undoing_in_order(engine, saga, input, now)
    } else if bug == Some(Bug::SkipsUnknownSteps) {
        skipping_unknown(engine, saga, input, now)
    } else if bug == Some(Bug::EndsBeforeUndone) {
        ending_early(engine, saga, input, now)
    } else {
        engine.decide(Some(saga), input, now)
    }
}

/// Turns the order of completion round before the engine sees it, and back again.
fn undoing_in_order(engine: &Engine, saga: &Instance, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
    let last = saga.steps.iter().filter_map(|step| step.done_as).max().unwrap_or_default();
    let mut turned = saga.clone();
    turned.steps.iter_mut().for_each(|step| step.done_as = step.done_as.map(|place| last - place));
    let mut decision = engine.decide(Some(&turned), input, now)?;
    for (after, before) in decision.next.steps.iter_mut().zip(&saga.steps) {
        after.done_as = before.done_as.or(after.done_as);
    }
    Ok(decision)
}

/// As a saga turns around, the steps that wait for an answer count as refused.
fn skipping_unknown(engine: &Engine, saga: &Instance, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
    let decision = engine.decide(Some(saga), input, now)?;
    if saga.phase != Phase::Running || decision.next.phase != Phase::Compensating {
        return Ok(decision);
    }
    let mut sure = saga.clone();
    let rows = engine.definition.steps.iter().zip(&mut sure.steps);
    for (step, record) in rows.filter(|(step, _)| step.kind == Kind::Compensatable) {
        let speaks = matches!(input, Input::Message(message) if step.refused == Some(message.kind.as_str()));
        if !speaks && matches!(record.state, StepState::Sent | StepState::Pending) {
            record.state = StepState::Refused;
        }
    }
    let shorter = engine.decide(Some(&sure), input, now)?;
    Ok(if shorter.next.phase == saga.phase { decision } else { shorter })
}

/// The last undo counts as answered as soon as it is sent.
fn ending_early(engine: &Engine, saga: &Instance, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
    let mut decision = engine.decide(Some(saga), input, now)?;
    let undoing = decision.next.steps.iter().position(|step| step.state == StepState::Undoing);
    let Some(row) = undoing else { return Ok(decision) };
    let word = OperatorWord::Skip { step: engine.definition.steps[row].name.to_owned(), undone: true };
    let ended = engine.decide(Some(&decision.next), Input::Operator(&word), now)?;
    if ended.next.phase.is_end() {
        decision.next = ended.next;
        decision.send.extend(ended.send);
    }
    Ok(decision)
}
