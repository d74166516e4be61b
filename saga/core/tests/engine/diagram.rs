//! The picture is drawn by the code, and pinned here.

use saga_core::{Definition, mermaid};

use crate::support::*;

#[test]
fn steps_side_by_side_are_drawn_side_by_side() {
    insta::assert_snapshot!(mermaid(&order(0)));
}

#[test]
fn commands_in_a_row_are_drawn_in_a_row() {
    insta::assert_snapshot!(mermaid(&errand()));
}

#[test]
fn a_saga_of_a_pivot_alone_goes_from_its_start_to_its_ends() {
    let pivot = vec![errand_steps().remove(3)].leak();
    let definition = Definition::new("short", 1, "SHORT_REQUESTED", pivot, |message| Ok(message.id)).unwrap();
    let picture = mermaid(&definition);
    assert!(picture.contains("start -->|at once| s1"), "{picture}");
    assert!(picture.contains("s1 -->|GO_GIVEN| completed"), "{picture}");
}

/// A step that starts late on the event of an early one does not hide who its neighbours wait for.
#[test]
fn a_command_between_a_starter_and_its_dependant_still_waits_for_the_starter() {
    let mut steps = order_steps();
    steps.insert(1, errand_steps().remove(2));
    let definition = Definition::new("mixed", 1, "ORDER_REQUESTED", steps.leak(), |message| Ok(message.id)).unwrap();
    let picture = mermaid(&definition);
    assert!(picture.contains("s1 -->|DO_THIRD| s2"), "{picture}");
    assert!(picture.contains("s2 -->|THIRD_DONE| s5"), "{picture}");
}
