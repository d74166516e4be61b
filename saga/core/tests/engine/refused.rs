//! A participant says no, and the system says no.

use saga_core::{Outcome, Phase, StepState};
use serde_json::json;

use crate::support::*;

#[test]
fn a_refusal_of_the_first_step_ends_the_saga_at_once() {
    an_order()
        .when(pet_refused())
        .then_sends(["SAGA_REJECTED"])
        .because("pet_taken")
        .then_it_is(Phase::Rejected)
        .with_step("create_order", StepState::Pending);
}

#[test]
fn a_refusal_of_the_order_undoes_what_runs_beside_it_and_then_the_pet() {
    an_order()
        .given([pet_reserved()])
        .when(order_refused())
        .then_sends(["RELEASE_INVENTORY"])
        .then_it_is(Phase::Compensating)
        .when(inventory_released())
        .then_sends(["RELEASE_PET"])
        .when(pet_released())
        .then_sends(["SAGA_REJECTED"])
        .because("order_id_taken")
        .then_it_is(Phase::Rejected);
}

#[test]
fn a_refusal_of_the_supplies_undoes_the_order_and_then_the_pet() {
    let story = an_order()
        .given([pet_reserved(), order_created()])
        .when(inventory_refused())
        .then_sends(["CLOSE_ORDER"])
        .because("out_of_stock");
    assert_eq!(story.saga().end.as_ref().map(|end| end.outcome), Some(Outcome::Rejected));
    story
        .when(order_rejected())
        .then_sends(["RELEASE_PET"])
        .when(pet_released())
        .then_sends(["SAGA_REJECTED"])
        .because("out_of_stock");
}

/// Any of the events that the table names says that a step is undone.
#[test]
fn an_undo_may_be_answered_by_each_of_its_events() {
    for undone in [order_rejected(), order_cancelled()] {
        let story = an_order().given([pet_reserved(), order_created(), inventory_refused()]);
        story.when(undone).then_sends(["RELEASE_PET"]).with_step("create_order", StepState::Undone);
    }
}

#[test]
fn a_refusal_that_overtakes_the_starters_event_undoes_all_that_may_have_been_started() {
    an_order()
        .when(inventory_refused())
        .then_sends(["CLOSE_ORDER"])
        .when(order_rejected())
        .then_sends(["RELEASE_PET"])
        .when(pet_released())
        .then_sends(["SAGA_REJECTED"]);
}

#[test]
fn a_refusal_in_a_row_of_commands_undoes_those_before_it_the_last_first() {
    an_errand()
        .given([first_done(), second_done()])
        .when(third_refused())
        .then_sends(["UNDO_SECOND"])
        .when(told("SECOND_UNDONE", Some("second"), json!({})))
        .then_sends(["UNDO_FIRST"])
        .when(told("FIRST_UNDONE", Some("first"), json!({})))
        .then_sends(["SAGA_REJECTED"])
        .because("refused");
}

#[test]
fn a_second_refusal_changes_neither_the_reason_nor_the_order() {
    let story = an_order().given([pet_reserved(), order_refused()]).when(inventory_refused());
    let story = story.then_ignores("its undo was sent").when(inventory_released()).then_sends(["RELEASE_PET"]);
    story.when(pet_released()).then_sends(["SAGA_REJECTED"]).because("order_id_taken");
}

#[test]
fn a_refusal_of_what_is_done_is_ignored() {
    let story = an_order().given([pet_reserved(), order_created()]);
    story.when(order_refused()).then_ignores("done already").when(pet_refused()).then_ignores("done already");
}

#[test]
fn a_foreign_participants_reason_is_cut_to_what_a_word_may_be() {
    let story = an_order().when(pet_refused().saying(json!({ "reason": "no".repeat(1000) })));
    assert_eq!(story.saga().end.as_ref().unwrap().reason.chars().count(), 200);
    an_order().when(pet_refused().saying(json!({ "reason": 7 }))).then_sends(["SAGA_REJECTED"]).because("refused");
}

#[test]
fn answers_that_do_not_add_up_are_a_rejection_and_not_a_stuck_saga() {
    let too_much = json!({ "price": i64::MAX });
    an_order()
        .given([pet_reserved().saying(too_much.clone()), order_created()])
        .when(inventory_reserved().saying(too_much))
        .then_sends(["RELEASE_INVENTORY"])
        .because("result_invalid");
}

#[test]
fn a_rule_that_cannot_be_computed_is_a_rejection_too() {
    let mut story = an_order();
    let why = || saga_core::FactsError::Invalid("no rate for this currency".to_owned());
    story.engine.definition = story.engine.definition.pass_pivot_when(move |_| Err(why()));
    story
        .given([pet_reserved(), order_created()])
        .when(inventory_reserved())
        .then_sends(["RELEASE_INVENTORY"])
        .because("result_invalid");
}

#[test]
fn an_answer_that_the_next_command_cannot_be_computed_from_is_a_rejection_too() {
    an_errand()
        .when(first_done().saying(json!({ "price": "a lot" })))
        .then_sends(["UNDO_FIRST"])
        .because("result_invalid");
}

#[test]
fn the_end_is_told_only_after_the_last_undo_was_answered() {
    let story = an_order().given([pet_reserved(), order_created(), inventory_refused(), order_rejected()]);
    let story = story.then_sends(["RELEASE_PET"]).then_it_is(Phase::Compensating);
    story.when(pet_released()).then_sends(["SAGA_REJECTED"]).when_delivered_again().then_ignores("has ended");
}

#[test]
fn a_late_refusal_leaves_nothing_to_undo() {
    an_order()
        .given([cancellation()])
        .then_sends(["RELEASE_INVENTORY"])
        .when(pet_refused())
        .then_sends([])
        .with_step("reserve_pet", StepState::Refused)
        .when(inventory_released())
        .then_sends(["SAGA_CANCELLED"]);
}

#[test]
fn an_undo_that_nobody_asked_for_is_set_aside() {
    let never = "which was never asked for";
    an_order().when(pet_released()).then_refuses(never);
    an_order().given([pet_reserved(), inventory_refused()]).when(pet_released()).then_refuses(never);
    let completing = an_order_for_a_pet().given([pet_reserved(), order_created(), granted()]);
    completing.when(order_cancelled()).then_refuses(never);
}

#[test]
fn an_answer_from_beyond_the_pivot_is_set_aside_before_it() {
    an_order().when(pet_sold()).then_refuses("PET_SOLD answers epoch 0 of step sell_pet, which was never asked for");
    an_order().given([pet_reserved(), order_refused()]).when(order_approved()).then_refuses("never asked for");
}
