//! On the way back: one undo at a time, until all is undone.

use super::run::Run;
use super::{Answer, Decision, Refusal};
use crate::definition::{Kind, Start, Step};
use crate::events::End;
use crate::instance::{Instance, Outcome, Phase, StepState};
use crate::message::Message;

/// Stops going forward and starts undoing.
pub(super) fn turn_around(mut run: Run<'_>, outcome: Outcome, reason: String) -> Result<Decision, Refusal> {
    run.next.phase = Phase::Compensating;
    run.next.end = Some(End { outcome, reason });
    let pivot = run.engine.definition.pivot();
    if run.next.steps[pivot].waiting().is_some() {
        run.next.steps[pivot].settle(StepState::Refused);
    }
    undo_next(run)
}

/// An answer while undoing.
pub(super) fn answer(run: Run<'_>, row: usize, answer: Answer, message: &Message) -> Result<Decision, Refusal> {
    match (run.step(row).kind, answer) {
        (Kind::Compensatable, Answer::Done) => done(run, row, message),
        (Kind::Compensatable, Answer::Refused) => refused(run, row),
        (Kind::Compensatable, Answer::Undone) => undone(run, row, message),
        (Kind::Pivot, Answer::Done | Answer::Refused | Answer::Undone) => {
            Ok(run.ignored("the saga is being undone already"))
        }
        (Kind::Retriable, Answer::Done | Answer::Refused | Answer::Undone) => Err(run.never_asked(row, message)),
    }
}

/// A late "done": its undo is still to come, and now we know what it undoes.
fn done(run: Run<'_>, row: usize, message: &Message) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        StepState::Pending | StepState::Sent | StepState::Skipped => {
            let mut run = run.begin();
            run.done(row, message);
            undo_next(run)
        }
        StepState::Done => Ok(run.ignored("the step is done already")),
        StepState::Refused => Ok(run.ignored("the step was refused")),
        StepState::Undoing => Ok(run.ignored("its undo is on the way")),
        StepState::Undone => Ok(run.ignored("the step is undone already")),
    }
}

/// A late "no": there is nothing to undo.
fn refused(run: Run<'_>, row: usize) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        StepState::Pending | StepState::Sent => {
            let mut run = run.begin();
            run.next.steps[row].settle(StepState::Refused);
            undo_next(run)
        }
        StepState::Done => Ok(run.ignored("the step is done already")),
        StepState::Refused => Ok(run.ignored("the step was refused already")),
        StepState::Skipped => Ok(run.ignored("the step is skipped")),
        StepState::Undoing | StepState::Undone => Ok(run.ignored("its undo was sent")),
    }
}

fn undone(run: Run<'_>, row: usize, message: &Message) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        StepState::Undoing => {
            let mut run = run.begin();
            run.next.steps[row].settle(StepState::Undone);
            run.next.look_at_mark();
            undo_next(run)
        }
        StepState::Undone => Ok(run.ignored("the step is undone already")),
        StepState::Pending | StepState::Sent | StepState::Done | StepState::Refused | StepState::Skipped => {
            Err(run.never_asked(row, message))
        }
    }
}

/// Sends the next undo, or ends the saga when nothing is left to undo.
pub(super) fn undo_next(mut run: Run<'_>) -> Result<Decision, Refusal> {
    if run.next.steps.iter().any(|record| record.state == StepState::Undoing) {
        return Ok(run.applied());
    }
    let next = next_to_undo(run.engine.definition.steps, &run.next);
    match next.and_then(|row| run.step(row).undo.map(|undo| (row, undo))) {
        Some((row, undo)) => run.undo(row, undo)?,
        None => {
            if let Some(End { outcome, reason }) = run.next.end.clone() {
                run.ended(outcome, reason)?;
            }
        }
    }
    Ok(run.applied())
}

/// Unknown outcomes first, the last row of the table first; then what is done, the last done
/// first; and the starter of others only after its dependants.
fn next_to_undo(steps: &[Step], instance: &Instance) -> Option<usize> {
    let open: Vec<usize> = (0..steps.len()).filter(|row| needs_undo(steps, instance, *row)).collect();
    let free = |row: &usize| !open.iter().any(|other| steps[*other].starter() == Some(steps[*row].name));
    let unknown_first = |row: &usize| match instance.steps[*row].done_as {
        None => (1, u32::try_from(*row).unwrap_or(u32::MAX)),
        Some(order) => (0, order),
    };
    open.iter().copied().filter(free).max_by_key(unknown_first)
}

/// Whether something may have happened that is not undone yet.
fn needs_undo(steps: &[Step], instance: &Instance, row: usize) -> bool {
    if steps[row].kind != Kind::Compensatable {
        return false;
    }
    match instance.steps[row].state {
        StepState::Sent | StepState::Done => true,
        StepState::Pending => may_have_been_started(steps, instance, row),
        // An operator counted it as done; what really became of it is unknown.
        StepState::Skipped => steps[row].applies(&instance.start),
        StepState::Refused | StepState::Undoing | StepState::Undone => false,
    }
}

/// Whether a request was sent that may lead, perhaps unseen by us, to the event that starts a step.
fn may_have_been_started(steps: &[Step], instance: &Instance, row: usize) -> bool {
    let Start::Event { of, .. } = steps[row].start else { return false };
    let Some(starter) = steps.iter().position(|step| step.name == of) else { return false };
    match instance.steps[starter].state {
        StepState::Sent | StepState::Done | StepState::Undoing | StepState::Undone => true,
        StepState::Pending => may_have_been_started(steps, instance, starter),
        StepState::Refused | StepState::Skipped => false,
    }
}
