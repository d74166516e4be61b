//! What an operator may do, and what is refused, with a text that helps.

use saga_core::{Direction, Phase, StepState};
use serde_json::json;
use time::Duration;

use crate::support::*;

fn prepared() -> Story {
    an_order().given([pet_reserved(), order_created(), inventory_reserved()])
}

fn completing() -> Story {
    prepared().given([granted()])
}

/// Undoing: the supplies are being released, the pet is still to come.
fn compensating() -> Story {
    an_order().given([pet_reserved(), order_refused()])
}

fn ended() -> [Story; 3] {
    let completed = completing().given([order_approved(), pet_sold(), inventory_committed()]);
    let cancelled = an_order_for_a_pet().given([cancellation(), order_cancelled(), pet_released()]);
    [completed, an_order().given([pet_refused()]), cancelled]
}

#[test]
fn a_retried_command_is_a_new_run_with_a_new_id() {
    let story = an_order().later(Duration::MINUTE).when(operator_retries("reserve_pet")).then_sends(["RESERVE_PET"]);
    let command = story.sent("RESERVE_PET");
    assert_eq!(command.id, ids().command(story.saga().id, "reserve_pet", Direction::Do, 1));
    assert_eq!((command.epoch, command.time), (1, story.now));
    assert_eq!(story.saga().steps[0].request, Some(command.reference()), "a resend sends the new one");
    assert_eq!(story.saga().steps[0].asked_at, Some(story.now), "and its ten minutes begin anew");
}

#[test]
fn a_retried_step_that_an_event_started_gets_a_copy_of_that_event_in_its_queue() {
    let story = an_order().given([pet_reserved()]);
    let event = story.saga().steps[1].request.unwrap();
    let story = story.when(operator_retries("create_order")).then_sends(["PET_RESERVED -> order.pet-events"]);
    let copy = story.sent("PET_RESERVED");
    assert_eq!(copy.id, ids().command(story.saga().id, "create_order", Direction::Do, 1));
    assert_eq!((copy.step.as_deref(), copy.epoch), (Some("create_order"), 1));
    assert_eq!((copy.causation_id, copy.data["price"].as_i64()), (Some(event.id), Some(29_900)));
    let story = story.when(operator_retries("create_order"));
    assert_eq!(story.sent("PET_RESERVED").causation_id, Some(event.id), "the original is the cause of each copy");
    assert_eq!(story.sent("PET_RESERVED").epoch, 2);
}

#[test]
fn a_retry_resends_the_copy() {
    let story = an_order().given([pet_reserved(), order_created(), operator_retries("reserve_inventory")]);
    let copy = story.sent("PET_RESERVED").reference();
    let story = story.later(Duration::seconds(5)).when(alarm());
    assert_eq!(story.decision().resend[0].message, copy);
}

#[test]
fn a_retried_undo_is_a_new_run_with_a_new_id() {
    let story = compensating().when(operator_retries("reserve_inventory")).then_sends(["RELEASE_INVENTORY"]);
    let undo = story.sent("RELEASE_INVENTORY");
    assert_eq!(undo.id, ids().command(story.saga().id, "reserve_inventory", Direction::Undo, 1));
}

#[test]
fn an_answer_to_a_run_that_was_never_asked_for_is_set_aside() {
    let story = an_order().when(pet_reserved().of_epoch(1));
    story.then_refuses("PET_RESERVED answers epoch 1 of step reserve_pet, which was never asked for");
}

#[test]
fn a_no_to_an_earlier_run_is_ignored_and_a_yes_counts() {
    let retried = || an_order().given([operator_retries("reserve_pet")]);
    retried()
        .when(pet_refused())
        .then_ignores("earlier epoch")
        .when(pet_refused().of_epoch(1))
        .then_sends(["SAGA_REJECTED"]);
    retried().when(pet_reserved()).with_step("reserve_pet", StepState::Done);
    let undoing = compensating().given([operator_retries("reserve_inventory")]);
    let undoing = undoing.when(inventory_released()).then_ignores("earlier epoch");
    undoing.when(inventory_released().of_epoch(1)).then_sends(["RELEASE_PET"]);
}

#[test]
fn after_the_pivot_a_retry_works_as_before_it() {
    completing().when(operator_retries("approve_order")).then_sends(["APPROVE_ORDER"]);
    let story = completing().given([order_approved()]).when(operator_retries("sell_pet"));
    story.then_sends(["ORDER_APPROVED -> pet.order-events"]).when(pet_sold().of_epoch(1)).then_sends([]);
}

#[test]
fn a_retry_takes_the_mark_away() {
    let marked = completing().later(Duration::minutes(10)).given([alarm()]).needing_intervention(true);
    marked.when(operator_retries("approve_order")).needing_intervention(false);
}

#[test]
fn a_retry_is_refused_where_nothing_is_awaited() {
    let nothing = "waits for no answer";
    an_order().when(operator_retries("create_order")).then_refuses(nothing);
    prepared().when(operator_retries("reserve_pet")).then_refuses(nothing);
    prepared().when(operator_retries("approval")).then_refuses("waits for a person, not for a participant");
    completing().when(operator_retries("sell_pet")).then_refuses(nothing);
    compensating().when(operator_retries("reserve_pet")).then_refuses("step reserve_pet waits for no answer");
    compensating().when(operator_retries("create_order")).then_refuses(nothing);
    for story in ended() {
        story.when(operator_retries("reserve_pet")).then_refuses(nothing);
    }
}

/// While undoing, a `do` without an answer is history.
#[test]
fn while_undoing_only_undos_can_be_retried_or_skipped() {
    let story = an_order().given([pet_reserved(), cancellation()]).with_step("create_order", StepState::Sent);
    let story = story.when(operator_retries("create_order")).then_refuses("waits for no answer");
    story.when(operator_skips("create_order")).then_refuses("waits for no answer");
}

#[test]
fn a_retry_without_the_event_that_started_the_step_says_what_is_missing() {
    let word = saga_core::OperatorWord::Retry { step: "create_order".to_owned(), starter: None };
    let story = an_order().given([pet_reserved()]);
    let refusal = story.engine.decide(Some(story.saga()), saga_core::Input::Operator(&word), story.now).unwrap_err();
    assert!(
        refusal.to_string().ends_with("the event of step reserve_pet, which starts create_order, is not kept here")
    );
}

#[test]
fn a_step_that_does_not_exist_is_refused_with_the_names_of_those_that_do() {
    for word in [operator_retries("sell_cat"), operator_skips("sell_cat")] {
        an_order().when(word).then_refuses("order_saga has no step sell_cat; its steps are reserve_pet, create_order");
    }
}

#[test]
fn a_cancellation_says_why_not() {
    compensating().when(operator_cancels()).then_refuses("is compensating: it is being undone already");
    completing().when(operator_cancels()).then_refuses("is completing: its pivot is behind: it can only go forward");
    for story in ended() {
        story.when(operator_cancels()).then_refuses("it has ended");
    }
}

#[test]
fn a_skipped_step_counts_as_done() {
    let story = an_order().given([pet_reserved(), inventory_reserved()]).when(operator_skips("create_order"));
    let story = story.then_sends(["SAGA_PREPARED"]).with_step("create_order", StepState::Skipped);
    let story = story.given([granted(), order_approved(), pet_sold()]).when(operator_skips("commit_inventory"));
    story.then_sends(["SAGA_COMPLETED"]);
}

#[test]
fn a_skipped_step_may_be_done_after_all() {
    let story = an_order().given([pet_reserved(), operator_skips("create_order")]).when(order_created());
    let story = story.with_step("create_order", StepState::Done).when(inventory_reserved());
    let story = story.then_sends(["SAGA_PREPARED"]);
    let story = story.given([granted(), order_approved(), operator_skips("sell_pet")]).when(pet_sold());
    story.with_step("sell_pet", StepState::Done).when(inventory_committed()).then_it_is(Phase::Completed);
}

/// Its result asks for the third answer first, and for the second only then.
#[test]
fn a_skipped_step_is_waited_for_again_once_it_shows_that_its_answer_is_needed() {
    let price = || json!({ "price": 1 });
    let story = an_errand_with_result().given([first_done()]);
    let request = story.saga().steps[1].request;
    let story = story.when(operator_skips("second")).then_sends(["DO_THIRD"]).with_step("second", StepState::Skipped);
    let story = story.later(Duration::MINUTE).when(third_done().saying(price())).then_sends([]);
    let story = story.with_step("second", StepState::Sent).then_it_is(Phase::Running);
    assert_eq!((story.saga().steps[1].request, story.saga().steps[1].asked_at), (request, Some(story.now)));
    let story = story.later(Duration::seconds(5)).when(alarm()).then_resends(["DO_SECOND -> second.commands"]);
    story.when(second_done().saying(price())).then_sends(["SAGA_PREPARED"]);
}

#[test]
fn a_no_to_a_skipped_step_changes_nothing() {
    an_order().given([pet_reserved(), operator_skips("create_order")]).when(order_refused()).then_ignores("skipped");
}

#[test]
fn a_skipped_undo_counts_as_undone() {
    let story = compensating().when(operator_skips_the_undo_of("reserve_inventory")).then_sends(["RELEASE_PET"]);
    story.when(operator_skips_the_undo_of("reserve_pet")).then_sends(["SAGA_REJECTED"]).then_it_is(Phase::Rejected);
}

#[test]
fn a_skip_is_refused_where_it_would_break_the_saga() {
    an_order().when(operator_skips("reserve_pet")).then_refuses("others start on the event of step reserve_pet");
    completing().when(operator_skips("approve_order")).then_refuses("retry it, or cancel the saga");
    prepared().when(operator_skips("approval")).then_refuses("waits for a person: grant it or cancel the saga");
    an_order().when(operator_skips("approval")).then_refuses("waits for no answer");
    let needed = an_order().given([pet_reserved(), order_created()]).when(operator_skips("reserve_inventory"));
    needed.then_refuses("cannot be counted as done: the answer of step reserve_inventory is not there");
    let others_are_out = an_order().given([pet_reserved()]).when(operator_skips("reserve_inventory"));
    others_are_out.then_refuses("cannot be counted as done: the answer of step reserve_inventory is not there");
    an_errand().when(operator_skips("first")).then_refuses("the answer of step first is not there");
    for story in ended() {
        story.when(operator_skips("reserve_pet")).then_refuses("waits for no answer");
    }
}

#[test]
fn a_grant_is_no_run_of_a_step() {
    let story = prepared().when(told("ORDER_APPROVAL_GRANTED", Some("approval"), json!({})).of_epoch(3));
    story.then_refuses("never asked for").then_it_is(Phase::Prepared);
}

#[test]
fn what_is_being_undone_is_not_counted_as_done_by_mistake_nor_the_other_way_round() {
    compensating().when(operator_skips("reserve_inventory")).then_refuses("it can be counted as undone, not as done");
    completing().when(operator_skips_the_undo_of("sell_pet")).then_refuses("waits for no answer");
    an_order().when(operator_skips_the_undo_of("reserve_pet")).then_refuses("is not being undone");
}
