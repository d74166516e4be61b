//! A person changes their mind: at once before the pivot, never after it.

use saga_core::{Phase, StepState};
use serde_json::json;

use crate::support::*;

/// Undos in their order, each with its answer.
type Undos = Vec<(&'static str, What)>;

/// Every moment before the pivot, and the undos that a cancellation then leads to.
fn moments() -> Vec<(&'static str, Vec<What>, Undos)> {
    let inventory = || ("RELEASE_INVENTORY", inventory_released());
    let order = || ("CLOSE_ORDER", order_cancelled());
    let pet = || ("RELEASE_PET", pet_released());
    vec![
        ("the pet is asked for", vec![], vec![inventory(), order(), pet()]),
        ("the pet is reserved", vec![pet_reserved()], vec![inventory(), order(), pet()]),
        ("the order is there", vec![pet_reserved(), order_created()], vec![inventory(), order(), pet()]),
        ("the supplies are there", vec![pet_reserved(), inventory_reserved()], vec![order(), inventory(), pet()]),
        ("the order is there first", vec![order_created()], vec![inventory(), order(), pet()]),
        (
            "it is prepared, the order last",
            vec![pet_reserved(), inventory_reserved(), order_created()],
            vec![order(), inventory(), pet()],
        ),
        (
            "it is prepared, the supplies last",
            vec![pet_reserved(), order_created(), inventory_reserved()],
            vec![inventory(), order(), pet()],
        ),
    ]
}

#[test]
fn before_the_pivot_a_cancellation_starts_undoing_at_once() {
    for (moment, before, undos) in moments() {
        for (word, reason) in [(cancellation(), "changed_my_mind"), (operator_cancels(), "asked_by_phone")] {
            let mut story = an_order().given(before.clone()).when(word).then_it_is(Phase::Compensating);
            for (undo, answer) in undos.clone() {
                assert_eq!(story.decision().send.len(), 1, "{moment}: one undo at a time");
                assert_eq!(story.sent(undo).data["reason"], reason, "{moment}");
                story = story.when(answer);
            }
            story.then_sends(["SAGA_CANCELLED"]).because(reason).then_it_is(Phase::Cancelled);
        }
    }
}

#[test]
fn after_the_pivot_it_is_too_late() {
    let mut story = an_order().given([pet_reserved(), order_created(), inventory_reserved(), granted()]);
    for answer in [order_approved(), pet_sold()] {
        story = story.when(cancellation()).then_ignores("too late to cancel");
        story = story.when(operator_cancels()).then_refuses("its pivot is behind: it can only go forward");
        story = story.given([answer]);
    }
    story.when(inventory_committed()).then_it_is(Phase::Completed).when(cancellation()).then_ignores("has ended");
}

#[test]
fn a_grant_and_a_cancellation_race_and_the_first_one_wins() {
    let prepared = || an_order_for_a_pet().given([pet_reserved(), order_created()]);
    prepared().given([granted()]).when(cancellation()).then_ignores("too late").then_it_is(Phase::Completing);
    prepared().given([cancellation()]).when(granted()).then_ignores("undone").then_it_is(Phase::Compensating);
}

#[test]
fn a_remembered_grant_does_not_stand_in_the_way_of_a_cancellation() {
    an_order().given([granted()]).when(cancellation()).then_sends(["RELEASE_INVENTORY"]);
}

#[test]
fn cancelling_twice_is_once() {
    let story = an_order().given([pet_reserved(), cancellation()]);
    let story = story.when(cancellation().saying(json!({ "reason": "another" }))).then_ignores("undone already");
    assert_eq!(story.saga().end.as_ref().unwrap().reason, "changed_my_mind");
}

#[test]
fn a_cancelled_pivot_waits_for_nobody() {
    let story = an_order_for_a_pet().given([pet_reserved(), order_created()]).with_step("approval", StepState::Sent);
    story.when(cancellation()).with_step("approval", StepState::Refused);
    an_order().when(cancellation()).with_step("approval", StepState::Pending);
}

/// The participant's own tombstone refuses what comes after its undo.
#[test]
fn late_answers_while_undoing_are_noted_and_never_bring_it_forward() {
    an_order()
        .given([pet_reserved(), cancellation()])
        .then_sends(["RELEASE_INVENTORY"])
        .when(order_created())
        .then_sends([])
        .with_step("create_order", StepState::Done)
        .when(inventory_refused())
        .then_ignores("its undo was sent")
        .when(inventory_reserved())
        .then_ignores("its undo is on the way")
        .when(inventory_released())
        .then_sends(["CLOSE_ORDER"])
        .when(inventory_reserved())
        .then_ignores("undone already")
        .when(inventory_released())
        .then_ignores("undone already");
}

#[test]
fn a_late_starter_is_undone_after_what_it_started() {
    an_order()
        .given([cancellation()])
        .when(pet_reserved())
        .then_sends([])
        .with_step("reserve_pet", StepState::Done)
        .when(inventory_released())
        .then_sends(["CLOSE_ORDER"])
        .when(order_cancelled())
        .then_sends(["RELEASE_PET"]);
}

#[test]
fn a_row_of_commands_is_undone_only_as_far_as_it_was_asked() {
    an_errand()
        .given([first_done()])
        .when(told("GO_DENIED", None, json!({})))
        .then_sends(["UNDO_SECOND"])
        .with_step("third", StepState::Pending)
        .when(told("SECOND_UNDONE", Some("second"), json!({})))
        .then_sends(["UNDO_FIRST"]);
}
