//! After the pivot: everything left must succeed, and nothing turns the saga around.

use super::run::Run;
use super::{Answer, Decision, Refusal};
use crate::definition::Kind;
use crate::instance::StepState;
use crate::message::Message;

/// An answer after the pivot.
pub(super) fn answer(run: Run<'_>, row: usize, answer: Answer, message: &Message) -> Result<Decision, Refusal> {
    match (run.step(row).kind, answer) {
        (Kind::Retriable, Answer::Done) => done(run, row, message),
        (Kind::Compensatable, Answer::Done) => Ok(run.ignored("the step is done already")),
        (Kind::Compensatable, Answer::Refused) => Ok(run.ignored("the pivot is behind: nothing can be refused")),
        (Kind::Pivot, Answer::Done) => Ok(run.ignored("the word was given already")),
        (Kind::Pivot, Answer::Refused) => Ok(run.ignored("the pivot is behind: it is too late to cancel")),
        (Kind::Retriable, Answer::Refused | Answer::Undone) | (Kind::Compensatable | Kind::Pivot, Answer::Undone) => {
            Err(run.never_asked(row, message))
        }
    }
}

fn done(run: Run<'_>, row: usize, message: &Message) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        StepState::Pending | StepState::Sent | StepState::Skipped => {
            let mut run = run.begin();
            run.done(row, message);
            run.next.look_at_mark();
            run.complete_or_go_on()?;
            Ok(run.applied())
        }
        StepState::Done => Ok(run.ignored("the step is done already")),
        StepState::Refused | StepState::Undoing | StepState::Undone => {
            Ok(run.ignored("the pivot is behind: nothing can be refused or undone"))
        }
    }
}
