//! What an operator may do to a saga, and what is refused with a reason.

use super::run::Run;
use super::{Decision, OperatorWord, Refusal, compensating, running};
use crate::definition::{Kind, Start};
use crate::facts::FactsError;
use crate::ids::Direction;
use crate::instance::{Outcome, Phase, StepState};
use crate::message::Message;

/// Applies an operator's word.
pub(super) fn operator(run: Run<'_>, word: &OperatorWord) -> Result<Decision, Refusal> {
    match word {
        OperatorWord::Cancel { reason } => cancel(run, reason),
        OperatorWord::Retry { step, starter } => retry(run, step, starter.as_deref()),
        OperatorWord::Skip { step, undone } => skip(run, step, *undone),
    }
}

fn cancel(run: Run<'_>, reason: &str) -> Result<Decision, Refusal> {
    match run.next.phase {
        Phase::Running | Phase::Prepared => {
            compensating::turn_around(run.begin(), Outcome::Cancelled, reason.to_owned())
        }
        Phase::Compensating => refuse(&run, "it is being undone already"),
        Phase::Completing => refuse(&run, "its pivot is behind: it can only go forward"),
        Phase::Completed | Phase::Rejected | Phase::Cancelled => refuse(&run, "it has ended"),
    }
}

fn retry(run: Run<'_>, step: &str, starter: Option<&Message>) -> Result<Decision, Refusal> {
    let row = row_of(&run, step)?;
    let Some(direction) = run.next.steps[row].waiting().filter(|direction| is_awaited(&run, *direction)) else {
        return refuse(&run, &format!("step {step} waits for no answer"));
    };
    if run.step(row).kind == Kind::Pivot {
        return refuse(&run, &format!("step {step} waits for a person, not for a participant"));
    }
    let mut run = run.begin();
    run.next.steps[row].epoch += 1;
    match (direction, run.step(row).start, run.step(row).undo) {
        (Direction::Do, Start::Command { kind, data, .. }, _) => run.command(row, Direction::Do, kind, data)?,
        (Direction::Do, Start::Event { queue, of }, _) => match starter {
            Some(starter) => run.copy_of_starter(row, queue, starter),
            None => return refuse(&run, &format!("the event of step {of}, which starts {step}, is not kept here")),
        },
        (Direction::Undo, _, Some(undo)) => run.undo(row, undo)?,
        (Direction::Do, Start::Wait, _) | (Direction::Undo, _, None) => {
            return refuse(&run, &format!("step {step} cannot be run again"));
        }
    }
    run.next.look_at_mark();
    Ok(run.applied())
}

fn skip(run: Run<'_>, step: &str, undone: bool) -> Result<Decision, Refusal> {
    let row = row_of(&run, step)?;
    let awaited = run.next.steps[row].waiting().filter(|direction| is_awaited(&run, *direction));
    match awaited {
        Some(Direction::Undo) if !undone => {
            refuse(&run, &format!("step {step} is being undone: it can be counted as undone, not as done"))
        }
        Some(Direction::Do) if undone => refuse(&run, &format!("step {step} is not being undone")),
        Some(Direction::Undo) => {
            let mut run = run.begin();
            run.next.steps[row].settle(StepState::Undone);
            run.next.look_at_mark();
            compensating::undo_next(run)
        }
        Some(Direction::Do) if run.step(row).kind == Kind::Pivot => {
            refuse(&run, &format!("step {step} waits for a person: grant it or cancel the saga"))
        }
        Some(Direction::Do) if starts_others(&run, row) => {
            refuse(&run, &format!("others start on the event of step {step}: retry it, or cancel the saga"))
        }
        Some(Direction::Do) => skip_do(run.begin(), row),
        None => refuse(&run, &format!("step {step} waits for no answer")),
    }
}

fn skip_do(mut run: Run<'_>, row: usize) -> Result<Decision, Refusal> {
    let request = run.next.steps[row].request;
    run.next.steps[row].settle(StepState::Skipped);
    run.next.look_at_mark();
    if run.next.phase == Phase::Completing {
        run.complete_or_go_on()?;
        return Ok(run.applied());
    }
    // Whether its answer is needed may show only once others are there: then it is waited for again.
    run.next.steps[row].request = request;
    run.advance()?;
    let name = run.step(row).name;
    match run.prospect() {
        // Without an answer that the rest needs, the word is refused and the saga lives: it may still get it.
        Err(why) if run.is_ready() || why == FactsError::NoAnswer(name) => {
            refuse(&run, &format!("step {name} cannot be counted as done: {why}"))
        }
        Ok(_) | Err(_) => running::go_on(run),
    }
}

/// While undoing, only undos are awaited.
fn is_awaited(run: &Run<'_>, direction: Direction) -> bool {
    !run.next.phase.is_end() && (run.next.phase == Phase::Compensating) == (direction == Direction::Undo)
}

fn starts_others(run: &Run<'_>, row: usize) -> bool {
    let dependants = run.engine.definition.dependants(run.step(row).name);
    dependants.into_iter().any(|dependant| run.next.steps[dependant].state == StepState::Pending)
}

fn row_of(run: &Run<'_>, step: &str) -> Result<usize, Refusal> {
    let known = || run.engine.definition.steps.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
    run.engine
        .definition
        .index_of(step)
        .ok_or_else(|| Refusal::Word(format!("{} has no step {step}; its steps are {}", run.next.definition, known())))
}

fn refuse(run: &Run<'_>, why: &str) -> Result<Decision, Refusal> {
    Err(Refusal::Word(format!("saga {} is {}: {why}", run.next.id, run.next.phase.as_str())))
}
