//! A saga starts once, when its start message is consumed, whatever else was there before.

use saga_core::{Definition, Engine, Input, Message, Phase, Refusal, StepState};
use serde_json::json;
use uuid::{Uuid, uuid};

use crate::support::*;

const OTHER: Uuid = uuid!("6f9619ff-8b86-5011-842d-00c04fc964ff");

fn requested(items: u32) -> What {
    told("ORDER_REQUESTED", None, json!({ "order": OTHER, "items": items }))
}

fn nothing_yet() -> Story {
    a_story(engine(order(0)))
}

#[test]
fn it_starts_when_its_request_is_consumed_and_sends_the_first_command() {
    let story = nothing_yet().when(requested(2)).then_sends(["RESERVE_PET"]).then_it_is(Phase::Running);
    let (command, saga) = (story.sent("RESERVE_PET"), story.saga());
    assert_eq!(command.id, ids().command(saga.id, "reserve_pet", saga_core::Direction::Do, 0));
    assert_eq!((command.step.as_deref(), command.epoch, &command.subject), (Some("reserve_pet"), 0, &saga.subject));
    assert_eq!((command.correlation_id, command.saga_id), (ids().correlation(saga.id), Some(saga.id)));
    assert_eq!(story.saga().definition_version, 1);
}

#[test]
fn what_it_sends_was_caused_by_the_request_and_belongs_to_its_trace() {
    let engine = engine(order(0));
    let mut request = start_message(&engine, OTHER);
    request.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let decision = engine.decide(None, Input::Message(&request), NOON).unwrap();
    assert_eq!(decision.send[0].message.causation_id, Some(request.id));
    assert_eq!(decision.send[0].message.traceparent, request.traceparent);
}

#[test]
fn starting_twice_is_once() {
    let story = nothing_yet().given([requested(2)]);
    let story = story.when_delivered_again().then_ignores("started already");
    story.given([pet_reserved()]).when(requested(2)).then_ignores("started already");
}

#[test]
fn a_step_whose_condition_does_not_hold_is_no_part_of_the_run() {
    let story = nothing_yet().when(requested(0));
    story.with_step("reserve_inventory", StepState::Skipped).with_step("commit_inventory", StepState::Skipped);
}

#[test]
fn a_message_for_a_saga_not_yet_known_is_put_off() {
    let story = nothing_yet().when(pet_reserved().for_saga(OTHER)).then_refuses("no saga 6f9619ff");
    assert!(story.saga.is_none());
    for input in [Input::Wake, Input::Operator(&saga_core::OperatorWord::Cancel { reason: String::new() })] {
        let refusal = engine(order(0)).decide(None, input, NOON);
        assert!(matches!(refusal, Err(Refusal::UnknownSaga(_))), "{refusal:?}");
    }
}

#[test]
fn a_message_of_no_saga_cannot_be_placed() {
    nothing_yet().when(pet_reserved()).then_refuses("PET_RESERVED belongs to a saga and carries no sagaid");
}

#[test]
fn a_request_that_names_another_saga_than_its_content_is_not_believed() {
    nothing_yet().when(requested(2).for_saga(OTHER)).then_refuses("do all processes have the same salt");
}

/// It would be lost: the saga that it names goes on, and its own never starts.
#[test]
fn a_request_that_names_a_saga_which_is_already_there_is_not_taken_for_its_repetition() {
    let story = an_order();
    let there = story.saga().id;
    story.when(requested(2).for_saga(there)).then_refuses("do all processes have the same salt");
}

#[test]
fn a_request_that_cannot_be_read_starts_nothing() {
    let unreadable = told("ORDER_REQUESTED", None, json!({ "order": "the usual" }));
    let story = nothing_yet().when(unreadable).then_refuses("data of ORDER_REQUESTED does not fit its schema");
    assert!(story.saga.is_none());
}

#[test]
fn a_message_that_is_not_in_the_table_is_refused_by_name() {
    an_order().when(told("PET_VACCINATED", None, json!({}))).then_refuses("PET_VACCINATED is no message of order_saga");
}

#[test]
fn a_saga_whose_steps_before_the_pivot_do_not_apply_is_prepared_at_once() {
    let pivot_and_last = errand_steps().split_off(3).leak();
    let definition = Definition::new("short", 1, "SHORT_REQUESTED", pivot_and_last, |message| Ok(message.id)).unwrap();
    let engine = engine(definition);
    let decision = engine.decide(None, Input::Message(&start_message(&engine, OTHER)), NOON).unwrap();
    assert_eq!(decision.next.phase, Phase::Prepared);
    assert_eq!(decision.send[0].message.kind, saga_core::SAGA_PREPARED);
}

fn start_message(engine: &Engine, order: Uuid) -> Message {
    let data = json!({ "order": order, "items": 2 });
    let body = saga_core::Body { kind: engine.definition.starts_on, version: 1, data };
    Message::new(OTHER, "somebody", order.to_string(), body, NOON)
}
