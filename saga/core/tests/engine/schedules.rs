//! Any schedule whatever: answers, duplicates, late and early and lost messages, alarms, grants,
//! cancellations, an operator's words. The laws of `laws.rs` hold at each decision, those of
//! `support/world.rs` at the end.

use proptest::prelude::*;
use saga_core::{Definition, Phase};

use crate::support::world::{Happening, Plan, World};
use crate::support::{errand, errand_with_result, order};

fn plans() -> impl Strategy<Value = Plan> {
    // Mostly nobody refuses; else each row may.
    let refusals = prop_oneof![3 => Just(0_u8), 2 => (0..3_u32).prop_map(|row| 1 << row), 1 => any::<u8>()];
    (0..3_u32, refusals, any::<bool>()).prop_map(|(items, refusals, grant_in_the_end)| Plan {
        items,
        refusals,
        grant_in_the_end,
    })
}

fn messages_and_alarms() -> BoxedStrategy<Happening> {
    let at = any::<usize>;
    prop_oneof![
        12 => at().prop_map(Happening::Deliver),
        4 => at().prop_map(Happening::DeliverACopy),
        1 => at().prop_map(Happening::Lose),
        2 => (0..120_i64).prop_map(Happening::Wait),
        1 => (120..2_000_i64).prop_map(Happening::Wait),
        3 => Just(Happening::Wake),
    ]
    .boxed()
}

fn with_people() -> BoxedStrategy<Happening> {
    prop_oneof![
        20 => messages_and_alarms(),
        1 => Just(Happening::Grant),
        1 => Just(Happening::Cancel),
        2 => any::<usize>().prop_map(Happening::Retry),
    ]
    .boxed()
}

fn with_operators_who_skip() -> BoxedStrategy<Happening> {
    prop_oneof![
        12 => with_people(),
        1 => Just(Happening::OperatorCancels),
        2 => any::<usize>().prop_map(Happening::Skip),
    ]
    .boxed()
}

fn definitions() -> impl Strategy<Value = Definition> {
    prop_oneof![Just(order(0)), Just(order(i64::MAX)), Just(errand()), Just(errand_with_result())]
}

fn run(definition: Definition, plan: Plan, schedule: &[Happening]) -> Phase {
    let mut world = World::new(definition, plan);
    schedule.iter().for_each(|happening| world.happens(*happening));
    world.comes_to_an_end()
}

fn schedules(of: BoxedStrategy<Happening>) -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(of, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_messages_and_alarms_do_the_saga_ends_and_the_counts_agree(
        definition in definitions(), plan in plans(), schedule in schedules(messages_and_alarms()),
    ) {
        let end = run(definition, plan, &schedule);
        prop_assert!(end.is_end());
    }

    #[test]
    fn whatever_people_say_meanwhile(
        definition in definitions(), plan in plans(), schedule in schedules(with_people()),
    ) {
        let end = run(definition, plan, &schedule);
        prop_assert!(end.is_end());
    }

    #[test]
    fn whatever_operators_skip(
        definition in definitions(), plan in plans(), schedule in schedules(with_operators_who_skip()),
    ) {
        let end = run(definition, plan, &schedule);
        prop_assert!(end.is_end());
    }
}

/// The schedules above would prove little if all of them ended alike.
#[test]
fn undisturbed_each_plan_has_the_end_that_it_should() {
    let plan = Plan { items: 2, refusals: 0, grant_in_the_end: true };
    assert_eq!(run(order(0), plan, &[]), Phase::Completed);
    assert_eq!(run(errand(), plan, &[]), Phase::Completed);
    assert_eq!(run(order(i64::MAX), Plan { grant_in_the_end: false, ..plan }, &[]), Phase::Completed);
    assert_eq!(run(order(0), Plan { grant_in_the_end: false, ..plan }, &[]), Phase::Cancelled, "it expires");
    for row in 0..3 {
        let refused = Plan { refusals: 1 << row, ..plan };
        assert_eq!(run(order(0), refused, &[]), Phase::Rejected, "row {row}");
        assert_eq!(run(errand(), refused, &[]), Phase::Rejected, "row {row}");
    }
    assert_eq!(run(order(0), plan, &[Happening::Cancel]), Phase::Cancelled);
}
