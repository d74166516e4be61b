//! Each rule can fail: tables of a run that holds them all are tampered with, one way after the other.

use std::collections::BTreeSet;

use order_service::domain::{End, Order};
use saga_contract::Reason;
use saga_contract::queues::ORDER_COMMANDS;
use saga_core::Outcome;

use super::*;
use crate::simulate::book::{After, Key};
use crate::simulate::broker::Letter;
use crate::simulate::process::sending;
use crate::simulate::{START, Settings};

/// A way to tamper.
type Tamper = fn(&mut World);

/// A run in which every rule holds.
fn world() -> World {
    let mut world = World::new(Settings { seed: 3, sagas: 120, ..Settings::default() }).unwrap();
    world.run().unwrap();
    assert_eq!(check(&world), []);
    world
}

/// The rules that do not hold, as far as their first words.
fn broken_by(tamper: Tamper) -> BTreeSet<String> {
    let mut world = world();
    tamper(&mut world);
    let first_words = |rule: &str| rule.split(' ').take(3).collect::<Vec<_>>().join(" ");
    check(&world).iter().map(|broken| first_words(broken.rule)).collect()
}

fn saga_in(world: &World, phase: Phase) -> Instance {
    world.sagas.tables.all().find(|saga| saga.phase == phase).unwrap().clone()
}

/// A saga that completed and has supplies, and its order.
fn completed_with_items(world: &World) -> (Request, Instance) {
    let (request, saga) = completed(world).find(|(request, _)| !request.items.is_empty()).unwrap();
    (request.clone(), saga.clone())
}

fn set_saga(world: &mut World, saga: Instance) {
    world.sagas.change([(saga.id, saga)].into(), saga_runtime::Output::default());
}

fn set_order(world: &mut World, request: Request) {
    world.orders.tables.requests.insert(request.order, request);
}

#[test]
fn a_saga_that_never_ends_and_one_that_leaves_an_alarm_are_found() {
    let unfinished = broken_by(|world| {
        let saga = saga_in(world, Phase::Cancelled);
        set_saga(world, Instance { phase: Phase::Compensating, ..saga });
    });
    assert!(unfinished.contains("every saga reaches"), "{unfinished:?}");
    let alarmed = broken_by(|world| {
        let saga = saga_in(world, Phase::Rejected);
        set_saga(world, Instance { alarm: Some(START), ..saga });
    });
    assert_eq!(alarmed, ["every saga reaches".to_owned()].into());
    let marked = broken_by(|world| {
        let saga = saga_in(world, Phase::Cancelled);
        set_saga(world, Instance { phase: Phase::Compensating, needs_intervention: true, ..saga });
    });
    assert!(marked.contains("every saga reaches"), "nothing is in its way: {marked:?}");
    let skipped = broken_by(|world| {
        let saga = saga_in(world, Phase::Cancelled);
        world.skips.add(saga.id, 0, Direction::Undo);
        set_saga(world, Instance { phase: Phase::Compensating, needs_intervention: true, ..saga });
    });
    assert!(!skipped.contains("every saga reaches"), "a person looks after it: {skipped:?}");
}

#[test]
fn a_pet_that_nobody_holds_rightly_is_found() {
    let reserved_for_nobody = broken_by(|world| {
        let (request, _) = completed_with_items(world);
        let pet = world.pets.tables.pets.get_mut(&request.pet_number).unwrap();
        if let PetState::Sold(to) = pet.state {
            pet.state = PetState::Reserved(to);
        }
    });
    assert!(reserved_for_nobody.contains("a pet is"), "{reserved_for_nobody:?}");
    let sold_to_nobody = broken_by(|world| {
        let rejected = saga_in(world, Phase::Rejected);
        let pets = world.pets.tables.pets.values_mut();
        for pet in pets {
            if let PetState::Sold(to) = &mut pet.state {
                to.saga = rejected.id;
                break;
            }
        }
    });
    assert_eq!(sold_to_nobody, ["a pet is".to_owned()].into());
}

#[test]
fn two_orders_for_one_pet_are_found() {
    let broken = broken_by(|world| {
        let (sold, _) = completed_with_items(world);
        let loser = world.orders.tables.requests.values().find(|request| request.end.is_some()).unwrap();
        let life = Order { state: OrderState::Placed, total: None, reason: None };
        let loser = Request { pet_number: sold.pet_number, end: None, life: Some(life), ..loser.clone() };
        set_order(world, loser);
    });
    assert!(broken.contains("a pet has"), "{broken:?}");
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    let below_zero = broken_by(|world| world.inventory.tables.stock.values_mut().next().unwrap().on_hand = -1);
    assert_eq!(below_zero, ["stock never goes".to_owned()].into());
    let lost = broken_by(|world| world.inventory.tables.stock.values_mut().next().unwrap().taken += 1);
    assert_eq!(lost, ["the units taken".to_owned()].into());
    let left_aside = broken_by(|world| {
        let reservations = world.inventory.tables.reservations.values_mut();
        reservations.for_each(|reservation| reservation.state = ReservationState::Reserved);
    });
    assert_eq!(left_aside, ["stock never goes".to_owned()].into());
}

#[test]
fn steps_and_effects_against_the_end_are_found() {
    let step = broken_by(|world| {
        let mut saga = saga_in(world, Phase::Completed);
        saga.steps[0].state = StepState::Undone;
        set_saga(world, saga);
    });
    assert_eq!(step, ["the steps of".to_owned()].into());
    let done_twice = broken_by(|world| {
        let journal = &world.pets.book.journal;
        let sold = journal.values().find(|sent| sent.letter.kind == "PET_SOLD").unwrap();
        let mut again = (*sold.letter).clone();
        again.id = Uuid::from_u128(1);
        world.pets.change(Default::default(), sending(vec![again]));
    });
    for rule in ["for each step,", "a step is", "a message leads", "what was sent"] {
        assert!(done_twice.contains(rule), "{rule}: {done_twice:?}");
    }
    let forgotten = broken_by(|world| world.inventory.tables.effects = Default::default());
    assert_eq!(forgotten, ["for each step,".to_owned()].into());
}

#[test]
fn an_order_that_is_not_where_its_saga_is_and_an_answer_that_changed_are_found() {
    let other_reason = broken_by(|world| {
        let requests = world.orders.tables.requests.values();
        let request = requests.into_iter().find(|request| request.end.is_some()).unwrap().clone();
        let end = End { outcome: Outcome::Rejected, reason: Reason::from("another".to_owned()) };
        set_order(world, Request { end: Some(end), ..request });
    });
    assert_eq!(other_reason, ["an order is".to_owned(), "a client is".to_owned()].into());
    let unanswered = broken_by(|world| drop(world.orders.tables.told.pop_first()));
    assert_eq!(unanswered, ["a client is".to_owned()].into());
}

#[test]
fn a_read_model_that_differs_is_found() {
    let broken = broken_by(|world| world.inventory.tables.pets.values_mut().next().unwrap().version += 1);
    assert_eq!(broken, ["the read model".to_owned()].into());
}

#[test]
fn what_is_left_lying_is_found() {
    let unpublished = broken_by(|world| {
        let output = saga_runtime::Output::default();
        let message = world.pets.book.journal.values().next().unwrap().letter.reference();
        let output = saga_runtime::Output { resend: vec![message.into()], ..output };
        world.pets.change(Default::default(), output);
    });
    assert_eq!(unpublished, ["nothing is left".to_owned()].into());
    let put_off = broken_by(|world| {
        let (letter, mut after) = (requested(world), After::default());
        world.orders.book.put_off(ORDER_COMMANDS, letter, 0, START, &mut after);
    });
    assert_eq!(put_off, ["nothing is left".to_owned()].into());
    let parked = broken_by(|world| {
        let (letter, mut after) = (requested(world), After::default());
        world.orders.book.park(ORDER_COMMANDS, letter, "odd".to_owned(), &mut after);
    });
    assert_eq!(parked, ["nothing is left".to_owned()].into());
}

fn requested(world: &World) -> Letter {
    world.orders.book.journal.values().next().unwrap().letter.clone()
}

#[test]
fn a_message_that_was_lost_and_one_that_nobody_sent_are_found() {
    let lost = broken_by(|world| drop(world.sagas.book.inbox.pop_last()));
    assert_eq!(lost, ["what was sent".to_owned()].into());
    let made_up = broken_by(|world| drop(world.orders.book.journal.pop_first()));
    assert!(made_up.contains("what was handled"), "{made_up:?}");
}

#[test]
fn a_request_that_was_made_twice_is_found() {
    let twice = broken_by(|world| {
        let journal = &world.sagas.book.journal;
        let command = journal.values().find(|sent| sent.letter.kind == "RESERVE_PET").unwrap();
        let mut again = (*command.letter).clone();
        (again.id, again.causation_id) = (Uuid::from_u128(1), None);
        world.sagas.change(Default::default(), sending(vec![again]));
    });
    assert!(twice.contains("a step is"), "{twice:?}");
}

#[test]
fn a_message_that_was_sent_again_later_is_found() {
    let twice = broken_by(|world| {
        let mut again = (*requested(world)).clone();
        again.time += time::Duration::SECOND;
        world.orders.change(Default::default(), sending(vec![again]));
    });
    assert!(twice.contains("a message is"), "{twice:?}");
}

/// Where a command or an event of a saga lies in the orchestrator's journal.
fn row_of(world: &World, kind: &str, saga: Uuid) -> Option<(Key, u64)> {
    let is_it = |sent: &Sent| sent.letter.kind == kind && sent.letter.saga_id == Some(saga);
    let mut journal = world.sagas.book.journal.iter();
    journal.find(|(_, sent)| is_it(sent)).map(|(key, sent)| (*key, sent.row))
}

#[test]
fn an_undo_out_of_order_and_an_end_before_the_last_undo_are_found() {
    let out_of_order = broken_by(|world| {
        let saga = saga_in(world, Phase::Cancelled).id;
        let (first, one) = row_of(world, "CLOSE_ORDER", saga).unwrap();
        let (last, other) = row_of(world, "RELEASE_PET", saga).unwrap();
        world.sagas.book.journal.get_mut(&first).unwrap().row = other;
        world.sagas.book.journal.get_mut(&last).unwrap().row = one;
    });
    assert!(out_of_order.contains("what was done"), "{out_of_order:?}");
    let too_early = broken_by(|world| {
        let saga = saga_in(world, Phase::Cancelled).id;
        let (_, asked) = row_of(world, "RELEASE_PET", saga).unwrap();
        let (end, _) = row_of(world, "SAGA_CANCELLED", saga).unwrap();
        world.sagas.book.journal.get_mut(&end).unwrap().row = asked;
    });
    assert_eq!(too_early, ["the end is".to_owned()].into());
}
