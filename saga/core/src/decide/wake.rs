//! The alarm went off: whatever is due by now happens, in one decision.

use super::run::Run;
use super::{Decision, Refusal, Resend, compensating};
use crate::definition::Kind;
use crate::events::NeedsIntervention;
use crate::ids::Direction;
use crate::instance::{Outcome, Phase, Timer, TimerKind};

/// Handles every timer that is due.
pub(super) fn wake(run: Run<'_>) -> Result<Decision, Refusal> {
    let mut due = run.next.timers(&run.engine.definition, &run.engine.timings);
    due.retain(|timer| timer.due <= run.now);
    if due.is_empty() && run.next.alarm.is_none_or(|alarm| alarm > run.now) {
        return Ok(run.ignored("nothing is due"));
    }
    let mut run = run.begin();
    // What turns the saga around comes first: then there is nothing left to resend.
    if let Some(timer) = due.iter().find(|timer| ends(&run, timer)) {
        let (outcome, reason) = match timer.kind {
            TimerKind::Expiry => (Outcome::Cancelled, "reservation_expired"),
            TimerKind::Deadline | TimerKind::Resend => (Outcome::Rejected, "participant_timeout"),
        };
        run.timer = Some(run.next.timer_id(&run.engine.ids, &run.engine.definition, timer));
        return compensating::turn_around(run, outcome, reason.to_owned());
    }
    for timer in due {
        match timer.kind {
            TimerKind::Resend => resend(&mut run, timer.row),
            TimerKind::Deadline => needs_intervention(&mut run, &timer)?,
            TimerKind::Expiry => {}
        }
    }
    // The alarm that went off is spent, whatever was due.
    run.next.alarm = None;
    Ok(run.applied())
}

fn ends(run: &Run<'_>, timer: &Timer) -> bool {
    let before_pivot = matches!(run.next.phase, Phase::Running | Phase::Prepared);
    match timer.kind {
        TimerKind::Expiry => before_pivot,
        TimerKind::Deadline => before_pivot && run.step(timer.row).kind == Kind::Compensatable,
        TimerKind::Resend => false,
    }
}

fn resend(run: &mut Run<'_>, row: usize) {
    let step = run.step(row);
    let record = &run.next.steps[row];
    let queue = match record.waiting() {
        Some(Direction::Do) => step.queue(),
        Some(Direction::Undo) => step.undo.map(|undo| undo.queue),
        None => None,
    };
    if let (Some(message), Some(queue)) = (record.request, queue) {
        run.resend.push(Resend { message, queue });
        run.next.steps[row].resends += 1;
        run.schedule_resend(row);
    }
}

/// Marks the saga, and says so, once for each request: of those that are overdue at once it names the first.
fn needs_intervention(run: &mut Run<'_>, timer: &Timer) -> Result<(), Refusal> {
    let was_told = std::mem::replace(&mut run.next.steps[timer.row].overdue, true);
    if was_told || run.timer.is_some() {
        return Ok(());
    }
    run.timer = Some(run.next.timer_id(&run.engine.ids, &run.engine.definition, timer));
    run.next.needs_intervention = true;
    let (definition, step) = (run.next.definition.clone(), run.step(timer.row).name.to_owned());
    run.event(&NeedsIntervention { definition, step, direction: timer.direction.as_str().to_owned() })
}
