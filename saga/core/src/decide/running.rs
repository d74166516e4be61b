//! Before the pivot: steps are done, a "no" turns the saga around.

use super::run::Run;
use super::{Answer, Decision, Refusal, compensating};
use crate::definition::Kind;
use crate::facts::FactsError;
use crate::instance::{Outcome, Phase, StepState};
use crate::message::Message;

/// An answer before the pivot.
pub(super) fn answer(run: Run<'_>, row: usize, answer: Answer, message: &Message) -> Result<Decision, Refusal> {
    match (run.step(row).kind, answer) {
        (Kind::Compensatable, Answer::Done) => done(run, row, message),
        (Kind::Compensatable, Answer::Refused) => refused(run, row, message),
        (Kind::Pivot, Answer::Done) => granted(run),
        (Kind::Pivot, Answer::Refused) => cancelled(run, message),
        (Kind::Retriable, Answer::Done | Answer::Refused | Answer::Undone)
        | (Kind::Compensatable | Kind::Pivot, Answer::Undone) => Err(run.never_asked(row, message)),
    }
}

fn done(mut run: Run<'_>, row: usize, message: &Message) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        // An answer may overtake the event that we hear its request from; and a participant may do
        // what an operator has given up waiting for.
        StepState::Pending | StepState::Sent | StepState::Skipped => {
            run = run.begin();
            run.done(row, message);
            match run.advance() {
                Ok(()) => go_on(run),
                Err(why) => does_not_add_up(run, &why),
            }
        }
        StepState::Done => Ok(run.ignored("the step is done already")),
        StepState::Refused => Ok(run.ignored("the step was refused")),
        StepState::Undoing | StepState::Undone => Ok(run.ignored("the step is being undone")),
    }
}

fn refused(run: Run<'_>, row: usize, message: &Message) -> Result<Decision, Refusal> {
    match run.next.steps[row].state {
        StepState::Pending | StepState::Sent => {
            let mut run = run.begin();
            run.next.steps[row].settle(StepState::Refused);
            compensating::turn_around(run, Outcome::Rejected, reason_of(message, "refused"))
        }
        StepState::Done => Ok(run.ignored("the step is done already")),
        StepState::Refused => Ok(run.ignored("the step was refused already")),
        StepState::Skipped => Ok(run.ignored("the step is skipped")),
        StepState::Undoing | StepState::Undone => Ok(run.ignored("the step is being undone")),
    }
}

/// The pivot's word. Before its time it is remembered.
fn granted(run: Run<'_>) -> Result<Decision, Refusal> {
    if run.next.granted {
        return Ok(run.ignored("the word was given already"));
    }
    let mut run = run.begin();
    run.next.granted = true;
    if run.next.phase == Phase::Prepared {
        run.pass_pivot()?;
    }
    Ok(run.applied())
}

fn cancelled(run: Run<'_>, message: &Message) -> Result<Decision, Refusal> {
    compensating::turn_around(run.begin(), Outcome::Cancelled, reason_of(message, "cancelled"))
}

/// Prepared, as soon as every compensatable step is settled.
pub(super) fn go_on(mut run: Run<'_>) -> Result<Decision, Refusal> {
    if !run.is_ready() {
        return Ok(run.applied());
    }
    match run.prospect() {
        Ok((result, by_rule)) => run.prepared(result, by_rule)?,
        Err(why) => return does_not_add_up(run, &why.into()),
    }
    Ok(run.applied())
}

/// Answers that do not add up (an overflow, two currencies) are the system's no: before the pivot
/// there is a way back. One that is only missing, since an operator counted its step as done, is waited for again.
fn does_not_add_up(mut run: Run<'_>, why: &Refusal) -> Result<Decision, Refusal> {
    if let Refusal::Facts(FactsError::NoAnswer(step)) = why
        && run.wait_again(step)
    {
        return Ok(run.applied());
    }
    compensating::turn_around(run, Outcome::Rejected, "result_invalid".to_owned())
}

/// The reason that an answer gives, a word. A foreign participant's may be any text.
fn reason_of(message: &Message, otherwise: &str) -> String {
    const LONGEST: usize = 200;
    let reason = message.data.get("reason").and_then(|reason| reason.as_str()).unwrap_or(otherwise);
    reason.chars().take(LONGEST).collect()
}
