//! The way forward: the answers come, in any order, and the saga completes.

use saga_core::{Phase, SAGA_PREPARED, StepState};
use serde_json::{Value, json};

use crate::support::*;

/// Every order of some inputs.
fn orders_of(inputs: &[What]) -> Vec<Vec<What>> {
    if inputs.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let (mut rest, first) = (inputs.to_vec(), inputs[at].clone());
        rest.remove(at);
        orders_of(&rest).into_iter().map(move |tail| [vec![first.clone()], tail].concat())
    };
    (0..inputs.len()).flat_map(first).collect()
}

#[test]
fn an_order_goes_through() {
    an_order()
        .when(pet_reserved())
        .then_sends([])
        .with_step("create_order", StepState::Sent)
        .with_step("reserve_inventory", StepState::Sent)
        .when(order_created())
        .then_sends([])
        .then_it_is(Phase::Running)
        .when(inventory_reserved())
        .then_sends(["SAGA_PREPARED"])
        .then_it_is(Phase::Prepared)
        .when(granted())
        .then_sends(["APPROVE_ORDER"])
        .then_it_is(Phase::Completing)
        .when(order_approved())
        .then_sends([])
        .when(pet_sold())
        .then_sends([])
        .when(inventory_committed())
        .then_sends(["SAGA_COMPLETED"])
        .then_it_is(Phase::Completed);
}

#[test]
fn a_step_that_does_not_apply_is_not_waited_for() {
    an_order_for_a_pet()
        .given([pet_reserved()])
        .when(order_created())
        .then_sends(["SAGA_PREPARED"])
        .given([granted(), order_approved()])
        .when(pet_sold())
        .then_sends(["SAGA_COMPLETED"]);
}

#[test]
fn before_the_pivot_the_answers_may_come_in_any_order() {
    for answers in orders_of(&[pet_reserved(), order_created(), inventory_reserved()]) {
        let (last, first) = answers.split_last().unwrap();
        let story = first.iter().fold(an_order(), |story, answer| story.when(answer.clone()).then_sends([]));
        story.when(last.clone()).then_sends(["SAGA_PREPARED"]).then_it_is(Phase::Prepared);
    }
}

#[test]
fn after_the_pivot_the_answers_may_come_in_any_order() {
    let prepared = || an_order().given([pet_reserved(), order_created(), inventory_reserved(), granted()]);
    for answers in orders_of(&[order_approved(), pet_sold(), inventory_committed()]) {
        let (last, first) = answers.split_last().unwrap();
        let story = first.iter().fold(prepared(), |story, answer| story.when(answer.clone()).then_sends([]));
        story.when(last.clone()).then_sends(["SAGA_COMPLETED"]).then_it_is(Phase::Completed);
    }
}

#[test]
fn an_answer_that_overtakes_its_starters_event_counts() {
    an_order()
        .when(order_created())
        .with_step("create_order", StepState::Done)
        .with_step("reserve_pet", StepState::Sent)
        .when(pet_reserved())
        .with_step("create_order", StepState::Done)
        .with_step("reserve_inventory", StepState::Sent);
}

/// A resend of the event needs its bytes, which are another process's.
#[test]
fn an_event_that_starts_steps_here_is_kept() {
    assert!(an_order().when(pet_reserved()).decision().keep_input);
    assert!(!an_order().given([pet_reserved()]).when(order_created()).decision().keep_input);
    let answered = an_order().given([order_created(), inventory_reserved()]);
    assert!(!answered.when(pet_reserved()).decision().keep_input, "nobody is left to send it to");
}

#[test]
fn every_answer_counts_once() {
    let path = [pet_reserved(), order_created(), inventory_reserved(), granted()];
    let path = path.into_iter().chain([order_approved(), pet_sold(), inventory_committed()]);
    path.fold(an_order(), |story, input| {
        let story = story.given([input.clone()]).when_delivered_again().then_ignores("");
        story.when(input).then_ignores("")
    });
}

#[test]
fn below_the_limit_the_pivot_is_passed_by_rule() {
    let by_rule = |limit| {
        let story = a_story(engine(order(limit)));
        let start = told("ORDER_REQUESTED", None, json!({ "order": uuid::Uuid::max(), "items": 1 }));
        story.given([start, pet_reserved(), order_created()]).when(inventory_reserved())
    };
    by_rule(34_901).then_sends(["SAGA_PREPARED", "APPROVE_ORDER"]).then_it_is(Phase::Completing);
    by_rule(34_900).then_sends(["SAGA_PREPARED"]).then_it_is(Phase::Prepared);
    by_rule(0).then_sends(["SAGA_PREPARED"]).then_it_is(Phase::Prepared);
}

#[test]
fn a_grant_before_it_is_prepared_is_remembered() {
    an_order()
        .when(granted())
        .then_sends([])
        .then_it_is(Phase::Running)
        .given([pet_reserved(), order_created()])
        .when(inventory_reserved())
        .then_sends(["SAGA_PREPARED", "APPROVE_ORDER"])
        .then_it_is(Phase::Completing);
}

#[test]
fn prepared_and_completed_tell_the_result_that_the_definition_computes() {
    let story = an_order().given([pet_reserved(), order_created()]).when(inventory_reserved());
    let result = json!({ "definition": "order_saga", "result": { "total": 34_900 } });
    assert_eq!(story.sent(SAGA_PREPARED).data, result);
    let story = story.given([granted(), order_approved(), pet_sold()]).when(inventory_committed());
    assert_eq!(story.sent("SAGA_COMPLETED").data, result);
    assert_eq!(story.sent("SAGA_COMPLETED").aggregate_version, Some(story.saga().version));
}

#[test]
fn a_saga_without_a_result_tells_none() {
    let story = an_errand().given([first_done(), second_done()]).when(third_done());
    assert_eq!(story.sent(SAGA_PREPARED).data["result"], Value::Null);
}

#[test]
fn commands_in_a_row_wait_for_each_other() {
    an_errand()
        .when(first_done())
        .then_sends(["DO_SECOND"])
        .when(second_done())
        .then_sends(["DO_THIRD"])
        .when(third_done())
        .then_sends(["SAGA_PREPARED"])
        .when(go())
        .then_sends(["DO_LAST"])
        .when(last_done())
        .then_sends(["SAGA_COMPLETED"]);
}

#[test]
fn a_command_is_told_what_its_predecessors_answered() {
    let story = an_errand().when(first_done().saying(json!({ "price": 42 })));
    assert_eq!(story.sent("DO_SECOND").data, json!({ "price": 42 }));
}

#[test]
fn after_the_end_nothing_changes() {
    let path = [pet_reserved(), order_created(), granted(), order_approved(), pet_sold()];
    let completed = path.iter().cloned().fold(an_order_for_a_pet(), |story, input| story.given([input]));
    let late = [cancellation(), pet_refused(), pet_released(), order_cancelled()];
    path.into_iter().chain(late).fold(completed, |story, input| story.when(input).then_ignores("has ended"));
}
