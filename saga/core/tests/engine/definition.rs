//! A table that cannot be run is not accepted, and says why.

use saga_core::{Condition, Definition, DefinitionError, Facts, FactsError, Kind, Start, Step, Undo};

use crate::support::*;

type Change = fn(&mut Vec<Step>);

/// What is found wrong with the order saga's table after a change.
fn fault_after(change: Change) -> DefinitionError {
    let mut steps = order_steps();
    change(&mut steps);
    Definition::new("changed", 1, "ORDER_REQUESTED", steps.leak(), |message| Ok(message.id)).unwrap_err()
}

const SOMETIMES: Condition = |_| true;

#[test]
fn both_tables_of_these_tests_are_accepted() {
    for definition in [order(0), errand()] {
        assert!(definition.steps.iter().any(|step| step.kind == Kind::Pivot));
    }
}

#[test]
fn each_fault_has_a_name() {
    let faults: [(Change, DefinitionError); 20] = [
        (Vec::clear, DefinitionError::Empty("changed")),
        (|steps| steps[1].name = "reserve_pet", DefinitionError::StepTwice("reserve_pet")),
        (|steps| steps[1].done = "PET_RESERVED", DefinitionError::AnswerTwice("PET_RESERVED")),
        (|steps| steps[1].refused = Some("ORDER_CREATED"), DefinitionError::AnswerTwice("ORDER_CREATED")),
        (|steps| undo_of(&mut steps[0]).undone = &["ORDER_REFUSED"], DefinitionError::AnswerTwice("ORDER_REFUSED")),
        (|steps| steps[0].done = "ORDER_REQUESTED", DefinitionError::AnswerTwice("ORDER_REQUESTED")),
        (|steps| steps.truncate(3), DefinitionError::Pivots { saga: "changed", found: 0 }),
        (|steps| steps[4].kind = Kind::Pivot, DefinitionError::Pivots { saga: "changed", found: 2 }),
        (|steps| steps[4].kind = Kind::Compensatable, DefinitionError::WrongSide("approve_order")),
        (|steps| steps[0].kind = Kind::Retriable, DefinitionError::WrongSide("reserve_pet")),
        (|steps| steps[0].undo = None, DefinitionError::UndoMismatch("reserve_pet")),
        (|steps| steps[4].undo = steps[0].undo, DefinitionError::AnswerTwice("PET_RELEASED")),
        (|steps| undo_of(&mut steps[0]).undone = &[], DefinitionError::NeverUndone("reserve_pet")),
        (|steps| steps[0].start = Start::Wait, DefinitionError::WaitMismatch("reserve_pet")),
        (|steps| steps[3].start = steps[0].start, DefinitionError::WaitMismatch("approval")),
        (|steps| steps[3].condition = Some(SOMETIMES), DefinitionError::ConditionalPivot("approval")),
        (|steps| steps[4].refused = Some("NO"), DefinitionError::RetriableRefused("approve_order")),
        (|steps| steps[1].start = after("walk_dog"), no_starter("create_order", "walk_dog")),
        (|steps| steps[5].start = after("reserve_pet"), no_starter("sell_pet", "reserve_pet")),
        (|steps| steps[0].condition = Some(SOMETIMES), no_starter("create_order", "reserve_pet")),
    ];
    for (change, expected) in faults {
        assert_eq!(fault_after(change), expected);
    }
}

#[test]
fn a_step_that_is_not_compensatable_may_have_no_undo() {
    let fault = fault_after(|steps| {
        steps[4].undo = steps[0].undo;
        undo_of(&mut steps[4]).undone = &["NOT_APPROVED"];
    });
    assert_eq!(fault, DefinitionError::UndoMismatch("approve_order"));
}

#[test]
fn a_step_cannot_be_started_by_one_below_it() {
    let fault = fault_after(|steps| steps.swap(0, 1));
    assert_eq!(fault, no_starter("create_order", "reserve_pet"));
}

fn undo_of(step: &mut Step) -> &mut Undo {
    step.undo.as_mut().expect("a compensatable step")
}

fn after(of: &'static str) -> Start {
    Start::Event { of, queue: "a.queue" }
}

fn no_starter(step: &'static str, of: &'static str) -> DefinitionError {
    DefinitionError::NoStarter { step, of }
}

#[test]
fn it_takes_its_start_and_every_answer_of_the_table() {
    let takes = order(0).takes();
    assert_eq!(takes.len(), 16);
    for kind in ["ORDER_REQUESTED", "PET_RESERVED", "ORDER_CANCELLED", "ORDER_CANCELLATION_REQUESTED", "PET_SOLD"] {
        assert!(takes.contains(kind), "{kind}");
    }
    assert!(!takes.contains("RESERVE_PET"), "a command is for its participant");
}

#[test]
fn an_order_awaits_all_answers_on_its_side_of_the_pivot_before_anything_comes_of_them() {
    let awaited = |story: &Story| story.engine.definition.awaited(story.saga());
    let story = an_order();
    assert_eq!(awaited(&story), ["PET_RESERVED", "ORDER_CREATED", "INVENTORY_RESERVED"]);
    let story = story.given([inventory_reserved()]);
    assert_eq!(awaited(&story), ["PET_RESERVED", "ORDER_CREATED"]);
    let story = story.given([pet_reserved(), order_created()]);
    assert_eq!(awaited(&story), [""; 0], "it waits for a person's word");
    let story = story.given([granted()]);
    assert_eq!(awaited(&story), ["ORDER_APPROVED", "PET_SOLD", "INVENTORY_COMMITTED"]);
    let story = story.given([order_approved(), pet_sold(), inventory_committed()]);
    assert_eq!(awaited(&story), [""; 0]);
    assert_eq!(awaited(&an_order_for_a_pet()), ["PET_RESERVED", "ORDER_CREATED"]);
}

#[test]
fn what_is_being_undone_awaits_each_answer_by_itself() {
    let story = an_order().given([pet_reserved(), inventory_refused()]);
    assert_eq!(story.engine.definition.awaited(story.saga()), [""; 0]);
}

#[test]
fn commands_in_a_row_go_out_as_soon_as_what_stands_above_them_is_answered() {
    let awaited = |story: &Story| story.engine.definition.awaited(story.saga());
    assert_eq!(awaited(&an_errand()), ["FIRST_DONE"]);
    assert_eq!(awaited(&an_errand().given([first_done()])), ["SECOND_DONE"]);
}

#[test]
fn its_steps_are_found_by_name_and_row() {
    let definition = order(0);
    assert_eq!(definition.step("sell_pet").and_then(Step::queue), Some("pet.order-events"));
    assert_eq!(definition.step("approval").and_then(Step::queue), None);
    assert_eq!(definition.index_of("sell_pet"), Some(5));
    assert!(definition.step("sell_cat").is_none());
    assert_eq!(definition.dependants("reserve_pet").collect::<Vec<_>>(), [1, 2]);
    assert_eq!(definition.pivot(), 3);
    assert_eq!(format!("{definition:?}"), "Definition { name: \"order_saga\", version: 1, .. }");
}

/// A command that asks for an answer which is not there, or not as it should be, is not sent.
#[test]
fn facts_that_are_missing_or_malformed_are_errors_by_name() {
    fn asks(name: &'static str) -> impl Fn(&Facts<'_>) -> Result<bool, FactsError> {
        move |facts| facts.answer::<saga_core::SagaRejected>(name).map(|_| true)
    }
    for (step, expected) in [
        ("sell_pet", FactsError::NoAnswer("sell_pet").to_string()),
        ("sell_cat", FactsError::NoAnswer("sell_cat").to_string()),
        ("reserve_pet", "data of SAGA_REJECTED does not fit its schema".to_owned()),
    ] {
        let definition = order(0).pass_pivot_when(move |facts| {
            let error = asks(step)(facts).unwrap_err().to_string();
            assert!(error.contains(&expected), "{error}");
            Ok(false)
        });
        let story = a_story(engine(definition));
        let start = told("ORDER_REQUESTED", None, serde_json::json!({ "order": uuid::Uuid::nil(), "items": 0 }));
        story.given([start, pet_reserved()]).when(order_created()).then_sends(["SAGA_PREPARED"]);
    }
}
