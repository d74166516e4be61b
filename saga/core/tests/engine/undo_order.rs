//! The order of undoing: unknown steps first, last row of the table first; then the done ones in
//! reverse order of completion; the starter of others after its dependants.

use crate::support::*;

/// The undos of a saga, in the order in which they are sent.
fn undone_after(story: Story) -> Vec<String> {
    let (mut story, mut undos) = (story, Vec::new());
    while let Some(send) = story.decision().send.first().filter(|send| send.message.step.is_some()) {
        let step = story.engine.definition.step(send.message.step.as_ref().unwrap()).unwrap();
        let answer = step.undo.unwrap().undone[0];
        let epoch = send.message.epoch;
        undos.push(send.message.kind.clone());
        story = story.when(told(answer, Some(step.name), serde_json::json!({})).of_epoch(epoch));
    }
    assert!(story.saga().phase.is_end());
    undos
}

const INVENTORY: &str = "RELEASE_INVENTORY";
const ORDER: &str = "CLOSE_ORDER";
const PET: &str = "RELEASE_PET";

#[test]
fn unknown_steps_come_first_and_of_them_the_last_row_first() {
    assert_eq!(undone_after(an_order().given([pet_reserved()]).when(cancellation())), [INVENTORY, ORDER, PET]);
    let order_done = an_order().given([pet_reserved(), order_created()]).when(cancellation());
    assert_eq!(undone_after(order_done), [INVENTORY, ORDER, PET]);
    let supplies_done = an_order().given([pet_reserved(), inventory_reserved()]).when(cancellation());
    assert_eq!(undone_after(supplies_done), [ORDER, INVENTORY, PET]);
}

#[test]
fn done_steps_are_undone_in_reverse_order_of_completion() {
    for (last, first_undo) in [(inventory_reserved(), INVENTORY), (order_created(), ORDER)] {
        let both = if first_undo == ORDER { inventory_reserved() } else { order_created() };
        let story = an_order().given([pet_reserved(), both, last]).when(cancellation());
        assert_eq!(undone_after(story)[0], first_undo);
    }
    let row = an_errand().given([first_done(), second_done(), third_done()]);
    assert_eq!(undone_after(row.when(operator_cancels())), ["UNDO_THIRD", "UNDO_SECOND", "UNDO_FIRST"]);
}

/// By completion alone the pet would be first: its event came last.
#[test]
fn a_starter_comes_after_its_dependants_even_when_it_was_done_last() {
    let story = an_order().given([order_created(), inventory_reserved(), pet_reserved()]).when(cancellation());
    assert_eq!(undone_after(story), [INVENTORY, ORDER, PET]);
}

#[test]
fn a_step_started_by_an_event_is_unknown_once_a_request_for_that_event_was_sent() {
    assert_eq!(undone_after(an_order().when(cancellation())), [INVENTORY, ORDER, PET]);
    assert_eq!(undone_after(an_order_for_a_pet().when(cancellation())), [ORDER, PET]);
}

#[test]
fn but_not_when_its_starter_refused() {
    assert!(undone_after(an_order().when(pet_refused())).is_empty());
    let late = an_order().given([order_created()]).when(pet_refused());
    assert_eq!(undone_after(late), [ORDER], "an order that is there is undone nevertheless");
}

#[test]
fn what_refused_is_not_undone() {
    assert_eq!(undone_after(an_order().given([pet_reserved()]).when(order_refused())), [INVENTORY, PET]);
    assert_eq!(undone_after(an_order().given([pet_reserved()]).when(inventory_refused())), [ORDER, PET]);
}

#[test]
fn what_an_operator_counted_as_done_is_unknown_and_is_undone() {
    let story = an_order().given([pet_reserved(), operator_skips("create_order")]).when(inventory_refused());
    assert_eq!(undone_after(story), [ORDER, PET]);
}

#[test]
fn an_undo_is_asked_for_once_and_belongs_to_the_run_of_the_step_that_it_undoes() {
    let story = an_order().given([pet_reserved(), operator_retries("create_order")]).when(inventory_refused());
    let undo = story.sent(ORDER);
    assert_eq!((undo.step.as_deref(), undo.epoch), (Some("create_order"), 1));
    assert_eq!(undo.id, ids().command(story.saga().id, "create_order", saga_core::Direction::Undo, 1));
    assert_eq!(undone_after(story), [ORDER, PET]);
}
