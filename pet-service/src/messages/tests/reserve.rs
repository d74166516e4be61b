//! Reserving a pet.

use saga_contract::messages::{PetReservationRefused, PetReserved};
use saga_contract::{Currency, Item, Items, Money, PetStatus, Quantity, Reason, steps};
use saga_runtime::core::Payload;

use super::*;

#[test]
fn an_available_pet_is_reserved_and_all_that_others_need_is_told() {
    let mut shop = Shop::new();
    let item = Item { sku: "FOOD-CAT-2KG".parse().unwrap(), quantity: Quantity::new(2).unwrap() };
    let command = ReservePet { items: Items::new(vec![item]).unwrap(), ..shop.reserve_command(saga(1)) };
    let request = shop.command(saga(1), &command, Direction::Do, 0);
    let answer = shop.answer(&request);
    let event: PetReserved = answer.payload().unwrap();
    assert_eq!((event.name.as_str(), event.status), ("Miso", PetStatus::Pending));
    assert_eq!(event.price, Money::new(25_000, Currency::EUR).unwrap());
    assert_eq!((event.order, event.order_id, event.user_id), (command.order, command.order_id, command.user_id));
    assert_eq!((event.items, event.quantity), (command.items, Quantity::ONE));
    assert_eq!(shop.state(), State::Reserved(saga(1).holder()));
}

#[test]
fn the_answer_belongs_to_the_saga_the_step_and_the_version() {
    let mut shop = Shop::new();
    let request = shop.reserve(saga(1));
    let answer = shop.answer(&request);
    assert_eq!(answer.id, shop.ids.event_caused(request.id, PetReserved::TYPE));
    assert_eq!((answer.saga_id, answer.causation_id), (request.saga_id, Some(request.id)));
    assert_eq!(answer.correlation_id, request.correlation_id);
    assert_eq!((answer.step.as_deref(), answer.epoch), (Some(steps::RESERVE_PET), 0));
    assert_eq!((answer.aggregate_version, shop.miso().version), (Some(2), 2));
    assert_eq!((answer.subject.clone(), answer.source.as_str()), (shop.miso().id.to_string(), "pet-service"));
}

#[test]
fn a_pet_that_another_order_holds_is_refused() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let answer = shop.answer(&shop.reserve(saga(2)));
    assert_eq!(answer.payload::<PetReservationRefused>().unwrap().reason, Reason::PET_TAKEN);
    assert_eq!(answer.aggregate_version, None, "nothing changed");
    assert_eq!(shop.state(), State::Reserved(saga(1).holder()));
}

#[test]
fn a_pet_that_nobody_knows_is_refused() {
    let mut shop = Shop::new();
    let answer = shop.answer(&shop.reserve(Saga { n: 1, pet: 13 }));
    assert_eq!(answer.payload::<PetReservationRefused>().unwrap().reason, Reason::PET_UNKNOWN);
    assert_eq!(answer.aggregate_version, None);
}

#[test]
fn the_same_request_under_another_id_is_answered_again() {
    let mut shop = Shop::new();
    let first = shop.answer(&shop.reserve(saga(1)));
    assert_eq!(again(&shop.comes(&shop.reserve_at(saga(1), 1))), first.id, "done once is done in every epoch");
    let refused = shop.answer(&shop.reserve(saga(2)));
    let copy = but(shop.reserve(saga(2)), |m| m.id = Uuid::from_u128(99));
    assert_eq!(again(&shop.comes(&copy)), refused.id);
    assert_eq!(shop.miso().version, 2);
}

#[test]
fn a_refused_request_is_decided_anew_when_an_operator_retries_it() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    shop.answer(&shop.reserve(saga(2)));
    shop.answer(&shop.release(saga(1)));
    let answer = shop.answer(&shop.reserve_at(saga(2), 1));
    assert_eq!((answer.kind.as_str(), answer.epoch), (PetReserved::TYPE, 1));
    assert_eq!(shop.state(), State::Reserved(saga(2).holder()));
}

#[test]
fn more_than_one_of_a_pet_is_refused() {
    let mut shop = Shop::new();
    let command = ReservePet { quantity: Quantity::new(2).unwrap(), ..shop.reserve_command(saga(1)) };
    let answer = shop.answer(&shop.command(saga(1), &command, Direction::Do, 0));
    assert_eq!(answer.payload::<PetReservationRefused>().unwrap().reason.as_str(), "one_of_a_kind");
}
