//! Given what a service remembers, when a message comes, then this is told and this changes.

use proptest::prelude::*;
use saga_contract::messages::{
    InventoryCommitted, InventoryRefused, InventoryReleased, InventoryReserved, OrderApproved, PetReserved,
    ReleaseInventory,
};
use saga_contract::steps::{COMMIT_INVENTORY, RESERVE_INVENTORY, RESERVE_PET};
use saga_contract::{
    Currency, Item, Items, Money, OrderNumber, PetNumber, PetStatus, Quantity, Reason, TOPOLOGY, processes,
};
use saga_runtime::core::{Body, MessageType, Payload};
use saga_runtime::{Output, Verdict};
use uuid::Uuid;

use super::*;
use crate::domain::{Pet, Pets, Stock, Warehouse};

mod histories;

/// When all tests take place.
pub(super) fn noon() -> Time {
    time::macros::datetime!(2026-11-20 12:00 UTC)
}

fn ids() -> Ids {
    Ids::new(&idforge::Salt::new("inventory tests").unwrap(), "petstore.example")
}

pub(super) fn eur(amount: i64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

fn order_of(saga: u128) -> Uuid {
    Uuid::from_u128(saga + 1_000)
}

fn items(lines: &[(&str, i64)]) -> Items {
    let line =
        |(sku, quantity): &(&str, i64)| Item { sku: sku.parse().unwrap(), quantity: Quantity::new(*quantity).unwrap() };
    Items::new(lines.iter().map(line).collect()).unwrap()
}

fn message<P: Payload>(id: u128, saga: u128, subject: Uuid, payload: &P) -> Message {
    let body = Body::of(payload).unwrap();
    let mut message = Message::new(Uuid::from_u128(id), "test", subject.to_string(), body, noon());
    message.saga_id = Some(Uuid::from_u128(saga));
    message
}

/// PET_RESERVED of a saga's own pet, as pet-service tells it at version 2.
pub(super) fn pet_reserved(id: u128, saga: u128, lines: &[(&str, i64)]) -> Message {
    let pet = Uuid::from_u128(saga + 2_000);
    let event = PetReserved {
        pet,
        pet_id: PetNumber::new(12).unwrap(),
        name: "Miso".to_owned(),
        status: PetStatus::Pending,
        price: eur(10_000),
        order: order_of(saga),
        order_id: OrderNumber::new(1001).unwrap(),
        user_id: Uuid::from_u128(3),
        quantity: Quantity::ONE,
        items: items(lines),
        ship_date: None,
    };
    message(id, saga, pet, &event).for_step(RESERVE_PET, 0).at_version(2)
}

pub(super) fn release(id: u128, saga: u128, epoch: u32) -> Message {
    let command = ReleaseInventory { order: order_of(saga) };
    message(id, saga, order_of(saga), &command).for_step(RESERVE_INVENTORY, epoch)
}

pub(super) fn approved(id: u128, saga: u128, lines: &[(&str, i64)]) -> Message {
    let event = OrderApproved {
        order: order_of(saga),
        order_id: OrderNumber::new(1001).unwrap(),
        pet: Uuid::from_u128(saga + 2_000),
        pet_id: PetNumber::new(12).unwrap(),
        user_id: Uuid::from_u128(3),
        items: items(lines),
        total: eur(10_500),
    };
    message(id, saga, order_of(saga), &event).for_step("approve_order", 0).at_version(4)
}

pub(super) fn shop(supplies: &[(&str, i64)]) -> Inventory {
    let supply = |(sku, on_hand): &(&str, i64)| Stock {
        on_hand: *on_hand,
        version: 1,
        ..Stock::unset(sku.parse().unwrap(), eur(250))
    };
    let warehouse = Warehouse::new(supplies.iter().map(supply), std::collections::BTreeMap::new());
    let pets = [(0, Pets::default())].into_iter().collect();
    Inventory { warehouse, pets, ..Inventory::default() }
}

/// The read model, of which one generation is live.
fn pets(shop: &Inventory) -> &Pets {
    shop.pets.get(0).unwrap()
}

pub(super) fn deliver(inventory: &mut Inventory, message: &Message) -> Verdict {
    match Request::read(message) {
        Ok(request) => inventory.decide(request, answers(&ids(), noon())).expect("answers are JSON"),
        Err(parked) => parked,
    }
}

fn output(verdict: Verdict) -> Output {
    match verdict {
        Verdict::Done(output) => output,
        other @ (Verdict::PutOff { .. } | Verdict::Park { .. }) => panic!("{other:?}"),
    }
}

/// The one answer that goes out.
fn told(verdict: Verdict) -> Message {
    let mut output = output(verdict);
    assert!(output.resend.is_empty(), "{output:?}");
    assert_eq!(output.send.len(), 1, "{output:?}");
    output.send.remove(0).message
}

fn parked(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Park { reason, .. } => reason,
        other @ (Verdict::PutOff { .. } | Verdict::Done(_)) => panic!("{other:?}"),
    }
}

pub(super) fn levels(inventory: &Inventory, sku: &str) -> (i64, i64, i64) {
    let stock = inventory.warehouse.supply(&sku.parse().unwrap()).unwrap();
    (stock.on_hand, stock.reserved, stock.taken)
}

#[test]
fn a_reserved_pet_with_supplies_reserves_them_and_tells_prices() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let cause = pet_reserved(1, 7, &[("TOY-BALL", 2)]);
    let answer = told(deliver(&mut shop, &cause));
    let event: InventoryReserved = answer.payload().unwrap();
    assert_eq!((event.order, event.total), (order_of(7), eur(500)));
    assert_eq!(answer.id, ids().event_caused(cause.id, "INVENTORY_RESERVED"));
    assert_eq!((answer.source.as_str(), answer.subject), ("inventory-service", order_of(7).to_string()));
    assert_eq!((answer.causation_id, answer.saga_id), (Some(cause.id), cause.saga_id));
    assert_eq!((answer.step.as_deref(), answer.epoch, answer.aggregate_version), (Some(RESERVE_INVENTORY), 0, Some(1)));
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 2, 2));
    let pet = Pet { status: Some(PetStatus::Pending), version: 2 };
    assert_eq!(pets(&shop).get(&Uuid::from_u128(2_007)), Some(&pet));
}

#[test]
fn a_reserved_pet_without_supplies_is_read_and_leaves_no_effect() {
    let mut shop = shop(&[]);
    assert_eq!(deliver(&mut shop, &pet_reserved(1, 7, &[])), Verdict::send(vec![]));
    assert_eq!(pets(&shop).counts().pending, 1);
    assert!(shop.effects.get(Uuid::from_u128(7), RESERVE_INVENTORY).is_none());
    let again = deliver(&mut shop, &pet_reserved(2, 7, &[]));
    assert_eq!(again, Verdict::no_news());
}

#[test]
fn a_refusal_names_the_supply_and_carries_no_version() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let cause = pet_reserved(1, 7, &[("TOY-BALL", 900)]);
    let answer = told(deliver(&mut shop, &cause));
    let event: InventoryRefused = answer.payload().unwrap();
    assert_eq!((event.reason, event.sku), (Reason::OUT_OF_STOCK, Some("TOY-BALL".parse().unwrap())));
    assert_eq!(answer.aggregate_version, None);
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 0, 0));
    let again = output(deliver(&mut shop, &pet_reserved(2, 7, &[("TOY-BALL", 900)])));
    assert_eq!(again.resend, vec![answer.reference().into()], "the same answer, not a new decision");
}

#[test]
fn the_same_request_under_another_id_is_answered_again_without_effect() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let first = told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    for copy in [2, 3] {
        let again = output(deliver(&mut shop, &pet_reserved(copy, 7, &[("TOY-BALL", 2)])));
        assert_eq!((again.send, again.resend), (vec![], vec![first.reference().into()]));
    }
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 2, 2));
}

#[test]
fn an_undo_before_its_do_leaves_a_tombstone_and_the_late_do_is_refused() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let answer = told(deliver(&mut shop, &release(1, 7, 0)));
    let released: InventoryReleased = answer.payload().unwrap();
    assert!(released.items.is_empty());
    assert_eq!((answer.step.as_deref(), answer.aggregate_version), (Some(RESERVE_INVENTORY), None));
    let late = told(deliver(&mut shop, &pet_reserved(2, 7, &[("TOY-BALL", 2)])));
    let refused: InventoryRefused = late.payload().unwrap();
    assert_eq!((refused.reason, late.aggregate_version), (Reason::CANCELLED, None));
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 0, 0));
    let effect = shop.effects.get(Uuid::from_u128(7), RESERVE_INVENTORY).unwrap();
    assert_eq!(effect.answer, answer.reference(), "the tombstone stays as it was");
    assert_eq!(pets(&shop).counts().pending, 1, "the pet's news counts nevertheless");
}

#[test]
fn an_undo_puts_back_once_and_answers_again_after() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    let answer = told(deliver(&mut shop, &release(2, 7, 0)));
    let released: InventoryReleased = answer.payload().unwrap();
    assert_eq!((released.items, answer.aggregate_version), (items(&[("TOY-BALL", 2)]), Some(2)));
    let again = output(deliver(&mut shop, &release(3, 7, 0)));
    assert_eq!(again.resend, vec![answer.reference().into()]);
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 0, 0));
}

/// An operator's copy of PET_RESERVED, made out to the step.
fn retry(id: u128, saga: u128, lines: &[(&str, i64)], epoch: u32) -> Message {
    pet_reserved(id, saga, lines).for_step(RESERVE_INVENTORY, epoch)
}

#[test]
fn a_retry_does_what_was_refused_or_undone_and_never_what_is_done() {
    let mut shop = shop(&[("TOY-BALL", 1)]);
    told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    shop.warehouse.stock(Stock { on_hand: 5, version: 2, ..Stock::unset("TOY-BALL".parse().unwrap(), eur(250)) });
    let known = shop.pets.clone();
    let answer = told(deliver(&mut shop, &retry(2, 7, &[("TOY-BALL", 2)], 1)));
    assert_eq!((answer.kind.as_str(), answer.epoch, answer.aggregate_version), ("INVENTORY_RESERVED", 1, Some(1)));
    assert_eq!(shop.pets, known, "a copy does not disturb the read model");
    let again = output(deliver(&mut shop, &retry(3, 7, &[("TOY-BALL", 2)], 2)));
    assert_eq!(again.resend, vec![answer.reference().into()]);
    let stale = told(deliver(&mut shop, &release(4, 7, 0)));
    assert_eq!((stale.kind.as_str(), stale.aggregate_version), ("INVENTORY_RELEASED", None), "older than the retry");
    assert_eq!(levels(&shop, "TOY-BALL"), (5, 2, 2));
    told(deliver(&mut shop, &release(5, 7, 1)));
    assert_eq!(levels(&shop, "TOY-BALL"), (5, 0, 0));
    let anew = told(deliver(&mut shop, &retry(6, 7, &[("TOY-BALL", 2)], 2)));
    assert_eq!((anew.kind.as_str(), anew.aggregate_version), ("INVENTORY_RESERVED", Some(3)));
}

#[test]
fn the_epoch_of_another_step_is_not_this_ones() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let cause = pet_reserved(1, 7, &[("TOY-BALL", 2)]).for_step(RESERVE_PET, 3);
    assert_eq!(told(deliver(&mut shop, &cause)).epoch, 0, "reserve_pet was tried again, reserve_inventory was not");
}

#[test]
fn an_approved_order_takes_its_supplies_out_of_the_store() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    let answer = told(deliver(&mut shop, &approved(2, 7, &[("TOY-BALL", 2)])));
    let committed: InventoryCommitted = answer.payload().unwrap();
    assert_eq!((committed.items, answer.aggregate_version), (items(&[("TOY-BALL", 2)]), Some(2)));
    assert_eq!(answer.step.as_deref(), Some(COMMIT_INVENTORY));
    assert_eq!(levels(&shop, "TOY-BALL"), (10, 0, 2));
    let again = output(deliver(&mut shop, &approved(3, 7, &[("TOY-BALL", 2)])));
    assert_eq!(again.resend, vec![answer.reference().into()]);
    assert_eq!(parked(deliver(&mut shop, &release(4, 7, 0))), "already_committed");
    assert_eq!(levels(&shop, "TOY-BALL"), (10, 0, 2));
}

#[test]
fn an_approved_order_without_supplies_is_ignored() {
    let mut shop = shop(&[]);
    assert_eq!(deliver(&mut shop, &approved(1, 7, &[])), Verdict::ignored("the order has no supplies"));
}

#[test]
fn an_approval_that_overtakes_its_reservation_waits_for_it() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    let early = deliver(&mut shop, &approved(1, 7, &[("TOY-BALL", 2)]));
    assert!(matches!(early, Verdict::PutOff { .. }), "{early:?}");
    told(deliver(&mut shop, &pet_reserved(2, 7, &[("TOY-BALL", 2)])));
    assert_eq!(told(deliver(&mut shop, &approved(1, 7, &[("TOY-BALL", 2)]))).kind, "INVENTORY_COMMITTED");
}

#[test]
fn a_request_without_a_saga_is_parked_and_changes_nothing() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    for mut message in [pet_reserved(1, 7, &[("TOY-BALL", 2)]), release(2, 7, 0), approved(3, 7, &[("TOY-BALL", 2)])] {
        message.saga_id = None;
        assert_eq!(parked(deliver(&mut shop, &message)), "no_saga", "{}", message.kind);
    }
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 0, 0));
    assert_eq!(pets(&shop).counts().pending, 0);
}

#[test]
fn data_of_another_shape_and_other_types_are_parked() {
    let mut shop = shop(&[]);
    let mut shapeless = pet_reserved(1, 7, &[]);
    shapeless.data = serde_json::json!({ "pet": 12 });
    assert_eq!(parked(deliver(&mut shop, &shapeless)), "malformed_data");
    let mut newer = pet_reserved(2, 7, &[]);
    newer.schema_version = 2;
    assert_eq!(parked(deliver(&mut shop, &newer)), "newer_version");
    let mut unknown = pet_reserved(3, 7, &[]);
    unknown.kind = "PET_PAINTED".to_owned();
    assert_eq!(parked(deliver(&mut shop, &unknown)), "unknown_type");
    for version in [0, i64::MAX as u64 + 1] {
        assert_eq!(parked(deliver(&mut shop, &pet_reserved(4, 7, &[]).at_version(version))), "malformed_data");
    }
}

#[test]
fn a_release_that_names_another_order_is_parked() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    let foreign = message(2, 7, order_of(8), &ReleaseInventory { order: order_of(8) });
    assert_eq!(parked(deliver(&mut shop, &foreign)), "other_order");
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 2, 2));
}

#[test]
fn a_parked_request_is_no_news_of_its_pet_either() {
    let mut shop = shop(&[("TOY-BALL", 12)]);
    told(deliver(&mut shop, &pet_reserved(1, 7, &[("TOY-BALL", 2)])));
    told(deliver(&mut shop, &release(2, 7, 0)));
    let known = shop.pets.clone();
    let mut foreign = retry(3, 7, &[("TOY-BALL", 2)], 1).at_version(5);
    foreign.data["order"] = serde_json::json!(order_of(8));
    assert_eq!(parked(deliver(&mut shop, &foreign)), "other_order");
    assert_eq!(shop.pets, known);
}

#[test]
fn pet_events_without_a_version_change_nothing() {
    let mut shop = shop(&[]);
    let mut event = pet_reserved(1, 7, &[]);
    event.aggregate_version = None;
    assert_eq!(deliver(&mut shop, &event), Verdict::no_news());
    assert_eq!(pets(&shop), &Pets::default());
}

#[test]
fn every_pet_event_moves_the_pet() {
    let of_kind = |kind: &str, version: u64, status: Option<&str>| {
        let mut event = pet_reserved(u128::from(version), 7, &[]).at_version(version);
        event.kind = kind.to_owned();
        event.data["status"] = serde_json::json!(status);
        event
    };
    let mut shop = shop(&[]);
    let mut counts = |event: Message| {
        output(deliver(&mut shop, &event));
        let counts = pets(&shop).counts();
        (counts.available, counts.pending, counts.sold)
    };
    assert_eq!(counts(of_kind("PET_CREATED", 1, Some("available"))), (1, 0, 0));
    assert_eq!(counts(of_kind("PET_RESERVED", 2, Some("pending"))), (0, 1, 0));
    assert_eq!(counts(of_kind("PET_RELEASED", 3, Some("available"))), (1, 0, 0));
    assert_eq!(counts(of_kind("PET_RELEASED", 4, None)), (1, 0, 0), "an empty undo");
    assert_eq!(counts(of_kind("PET_RESERVED", 5, Some("pending"))), (0, 1, 0));
    assert_eq!(counts(of_kind("PET_SOLD", 6, Some("sold"))), (0, 0, 1));
    assert_eq!(counts(of_kind("PET_UPDATED", 7, Some("available"))), (1, 0, 0));
    assert_eq!(counts(of_kind("PET_DELETED", 8, Some("available"))), (0, 0, 0));
    assert_eq!(counts(of_kind("PET_UPDATED", 7, Some("available"))), (0, 0, 0), "late");
}

#[test]
fn only_news_of_pets_may_wait() {
    let queues = TOPOLOGY.queues.iter().filter(|queue| queue.consumer == processes::INVENTORY_SERVICE);
    let names: Vec<&str> = queues.map(|queue| queue.name).collect();
    let taken = |kind: &&MessageType| TOPOLOGY.takers(kind).any(|queue| names.contains(&queue.name));
    let messages = Messages::new(ids());
    let (hurried, patient): (Vec<&str>, Vec<&str>) =
        TOPOLOGY.types.iter().filter(taken).map(|kind| kind.name).partition(|kind| messages.hurries(kind));
    assert_eq!(hurried, ["RELEASE_INVENTORY", "PET_RESERVED", "ORDER_APPROVED"]);
    assert_eq!(patient, ["PET_CREATED", "PET_UPDATED", "PET_DELETED", "PET_RELEASED", "PET_SOLD"]);
}
