//! Nobody answers: resends, timeouts, expiry, and the mark.

use saga_core::{Phase, StepState};
use serde_json::json;
use time::Duration;

use crate::support::*;

const SECOND: Duration = Duration::SECOND;
const MINUTE: Duration = Duration::MINUTE;

/// Wakes a story whenever its alarm is due, until it sends something new; gives the seconds since
/// noon of each wake, and what went out again at each.
fn woken(mut story: Story) -> (Story, Vec<(Duration, usize)>) {
    let mut wakes = Vec::new();
    loop {
        story.now = story.saga().alarm.expect("a live saga has an alarm");
        story = story.when(alarm());
        wakes.push((story.now - NOON, story.decision().resend.len()));
        if !story.decision().send.is_empty() {
            return (story, wakes);
        }
    }
}

fn prepared() -> Story {
    an_order().given([pet_reserved(), order_created()]).later(MINUTE).given([inventory_reserved()])
}

#[test]
fn after_five_seconds_the_same_command_goes_straight_into_the_participants_queue() {
    let story = an_order();
    let command = story.sent("RESERVE_PET").reference();
    let story = story.with_alarm_after(5 * SECOND).later(5 * SECOND).when(alarm());
    let story = story.then_sends([]).then_resends(["RESERVE_PET -> pet.commands"]);
    assert_eq!(story.decision().resend[0].message, command);
}

#[test]
fn a_step_started_by_an_event_gets_that_event_again() {
    let story = an_order().later(SECOND).given([pet_reserved()]).later(5 * SECOND).when(alarm());
    story.then_resends(["PET_RESERVED -> order.pet-events", "PET_RESERVED -> inventory.pet-events"]);
}

#[test]
fn an_undo_without_an_answer_goes_out_again_too() {
    let story = an_order().given([pet_reserved(), order_refused()]).later(5 * SECOND).when(alarm());
    story.then_resends(["RELEASE_INVENTORY -> inventory.commands"]);
}

/// Full jitter between the first wait and a bound that doubles up to a minute.
#[test]
fn it_is_resent_ever_more_seldom_and_given_up_after_ten_minutes() {
    let (story, wakes) = woken(an_order());
    let (end, resends) = wakes.split_last().unwrap();
    let mut before = Duration::ZERO;
    for (attempt, (at, count)) in (0_u32..).zip(resends) {
        let bound = MINUTE.min(SECOND * (5_i32 << attempt.min(4)));
        assert!((5 * SECOND..=bound).contains(&(*at - before)), "resend {attempt} after {}", *at - before);
        assert_eq!(*count, 1);
        before = *at;
    }
    assert!(resends.len() >= 10, "{} resends", resends.len());
    assert_eq!(*end, (10 * MINUTE, 0));
    story.then_sends(["RELEASE_INVENTORY"]).because("participant_timeout");
}

#[test]
fn an_unknown_outcome_before_the_pivot_is_undone_and_rejected() {
    let (story, _) = woken(an_order().given([pet_reserved(), order_created()]));
    story
        .then_it_is(Phase::Compensating)
        .when(inventory_released())
        .when(order_rejected())
        .when(pet_released())
        .then_sends(["SAGA_REJECTED"])
        .because("participant_timeout");
}

#[test]
fn an_early_alarm_does_nothing() {
    let story = an_order().later(4 * SECOND).when(alarm()).then_ignores("nothing is due");
    let ended = story.given([pet_refused()]).later(MINUTE).when(alarm());
    ended.then_ignores("nothing is due").then_it_is(Phase::Rejected);
}

#[test]
fn an_alarm_that_the_answers_came_before_is_set_anew() {
    let story = an_order().later(SECOND).given([pet_reserved(), order_created()]);
    let story = story.with_alarm_after(5 * SECOND).later(4 * SECOND).when(alarm());
    story.then_sends([]).then_resends([]).with_alarm_after(6 * SECOND);
}

#[test]
fn what_waits_for_a_word_is_not_woken_for_the_answers_that_came() {
    let story = an_order().given([pet_reserved(), order_created()]).later(SECOND).given([inventory_reserved()]);
    let story = story.with_alarm_after(30 * MINUTE + SECOND).later(4 * SECOND).when(alarm());
    story.then_ignores("nothing is due");
}

#[test]
fn a_prepared_saga_expires_after_half_an_hour_and_is_cancelled() {
    let story =
        prepared().later(30 * MINUTE - SECOND).when(alarm()).then_ignores("nothing is due").then_it_is(Phase::Prepared);
    story
        .later(SECOND)
        .when(alarm())
        .then_sends(["RELEASE_INVENTORY"])
        .because("reservation_expired")
        .when(inventory_released())
        .when(order_cancelled())
        .when(pet_released())
        .then_sends(["SAGA_CANCELLED"])
        .because("reservation_expired");
}

#[test]
fn what_a_timer_led_to_names_it_as_its_cause() {
    let story = prepared().later(30 * MINUTE).when(alarm());
    let (saga, undo) = (story.saga(), story.sent("RELEASE_INVENTORY"));
    let timer = ids().timer(saga.id, "approval", saga_core::Direction::Do, "expiry", 0, 0);
    assert_eq!(undo.causation_id, Some(timer));
}

#[test]
fn after_the_pivot_it_is_tried_for_ever_and_marked_once() {
    let (story, wakes) = woken(prepared().given([granted()]));
    assert_eq!(wakes.last().unwrap().0, 11 * MINUTE);
    let story = story.then_sends(["SAGA_NEEDS_INTERVENTION"]).needing_intervention(true);
    assert_eq!(story.sent("SAGA_NEEDS_INTERVENTION").data["step"], "approve_order");
    assert_eq!(story.sent("SAGA_NEEDS_INTERVENTION").data["direction"], "do");
    let mut story = story;
    for _ in 0..50 {
        story.now = story.saga().alarm.unwrap();
        story = story.when(alarm()).then_sends([]).then_resends(["APPROVE_ORDER -> order.commands"]);
    }
    story.needing_intervention(true).when(order_approved()).needing_intervention(false).then_it_is(Phase::Completing);
}

#[test]
fn an_undo_that_is_not_answered_is_tried_for_ever_and_marked_once() {
    let (story, _) = woken(an_order().given([pet_reserved(), order_refused()]));
    let story = story.then_sends(["SAGA_NEEDS_INTERVENTION"]).needing_intervention(true);
    assert_eq!(story.sent("SAGA_NEEDS_INTERVENTION").data["direction"], "undo");
    let story =
        story.later(MINUTE).when(alarm()).then_sends([]).then_resends(["RELEASE_INVENTORY -> inventory.commands"]);
    story.when(inventory_released()).then_sends(["RELEASE_PET"]).needing_intervention(false);
}

#[test]
fn a_late_answer_of_another_step_is_no_progress_of_a_stuck_undo() {
    let (story, _) = woken(an_order().given([pet_reserved(), cancellation()]));
    let story = story.when(order_created()).with_step("create_order", StepState::Done).needing_intervention(true);
    story.later(MINUTE).when(alarm()).then_sends([]);
}

#[test]
fn the_mark_comes_back_when_the_next_step_does_not_answer_either() {
    let (story, _) = woken(prepared().given([granted()]));
    let marked = story.sent("SAGA_NEEDS_INTERVENTION").id;
    let (story, _) = woken(story.given([order_approved()]));
    let story = story.then_sends(["SAGA_NEEDS_INTERVENTION"]).needing_intervention(true);
    assert_ne!(story.sent("SAGA_NEEDS_INTERVENTION").id, marked, "another event, another id");
}

#[test]
fn the_mark_is_told_once_for_each_step_and_stays_until_all_have_answered() {
    let story = prepared().given([granted(), order_approved()]).later(5 * MINUTE);
    let (story, _) = woken(story.when(operator_retries("commit_inventory")));
    let first = story.sent("SAGA_NEEDS_INTERVENTION").clone();
    let (story, _) = woken(story.needing_intervention(true));
    let second = story.sent("SAGA_NEEDS_INTERVENTION").clone();
    assert_eq!((&first.data["step"], &second.data["step"]), (&json!("sell_pet"), &json!("commit_inventory")));
    assert!(first.id != second.id && first.causation_id != second.causation_id, "each has a cause of its own");
    let story = tells_nothing_more(story.when(inventory_committed()).needing_intervention(true));
    story.when(pet_sold()).then_sends(["SAGA_COMPLETED"]).needing_intervention(false);
}

#[test]
fn of_two_steps_that_are_overdue_at_once_one_is_told_and_both_keep_the_mark() {
    let (story, _) = woken(prepared().given([granted(), order_approved()]));
    let story = story.then_sends(["SAGA_NEEDS_INTERVENTION"]);
    assert_eq!(story.sent("SAGA_NEEDS_INTERVENTION").data["step"], "sell_pet");
    let story = tells_nothing_more(story.when(inventory_committed()).needing_intervention(true));
    story.when(pet_sold()).then_sends(["SAGA_COMPLETED"]).needing_intervention(false);
}

fn tells_nothing_more(mut story: Story) -> Story {
    for _ in 0..10 {
        story.now = story.saga().alarm.unwrap();
        story = story.when(alarm()).then_sends([]);
    }
    story
}

#[test]
fn an_ended_saga_has_no_alarm() {
    assert_eq!(an_order().when(pet_refused()).saga().alarm, None);
}

#[test]
fn a_wait_without_end_is_not_an_overflow() {
    let mut story = an_order_for_a_pet();
    story.engine.timings.step_timeout = Duration::MAX;
    story.engine.timings.pivot_ttl = Duration::MAX;
    let story = story.given([pet_reserved(), order_created()]).then_it_is(Phase::Prepared);
    assert!(story.saga().alarm.is_some(), "as late as a time can be told");
}

#[test]
fn a_time_finer_than_the_database_stores_is_cut_to_what_it_stores() {
    let story =
        an_order().given([pet_reserved()]).later(Duration::nanoseconds(1_999)).when(operator_retries("create_order"));
    let (copy, row) = (story.sent("PET_RESERVED"), &story.saga().steps[1]);
    assert_eq!(copy.time, NOON + Duration::microseconds(1));
    assert_eq!(row.request, Some(copy.reference()));
}
