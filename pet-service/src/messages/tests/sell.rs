//! Selling a pet, once its order is approved.

use saga_contract::messages::PetSold;
use saga_contract::{PetStatus, steps};

use super::*;

#[test]
fn a_pet_is_sold_to_the_approved_order_that_holds_it() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let request = shop.approved(saga(1));
    let answer = shop.answer(&request);
    let event: PetSold = answer.payload().unwrap();
    assert_eq!((event.status, event.order), (PetStatus::Sold, saga(1).order()));
    assert_eq!((answer.aggregate_version, answer.causation_id), (Some(3), Some(request.id)));
    assert_eq!(shop.state(), State::Sold(saga(1).holder()));
}

#[test]
fn the_epoch_of_an_event_counts_only_for_its_own_step() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let event = shop.approved(saga(1));
    assert_eq!((event.step.as_deref(), event.epoch), (Some(steps::APPROVE_ORDER), 3));
    let answer = shop.answer(&event);
    assert_eq!((answer.step.as_deref(), answer.epoch), (Some(steps::SELL_PET), 0));

    let retried = shop.approved_for(saga(1), Uuid::from_u128(98), steps::SELL_PET, 1);
    assert_eq!(again(&shop.comes(&retried)), answer.id, "done already means answering again");
}

#[test]
fn an_operators_copy_for_this_step_is_answered_in_its_epoch() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let answer = shop.answer(&shop.approved_for(saga(1), Uuid::from_u128(98), steps::SELL_PET, 2));
    assert_eq!((answer.step.as_deref(), answer.epoch), (Some(steps::SELL_PET), 2));
}

#[test]
fn a_pet_that_the_order_does_not_hold_is_not_sold_and_somebody_is_told() {
    let mut shop = Shop::new();
    let never_reserved = shop.comes(&shop.approved(saga(1)));
    assert_eq!(parked(&never_reserved).0, "pet_not_reserved");
    assert!(parked(&never_reserved).1.ends_with("which is available"), "{never_reserved:?}");

    shop.answer(&shop.reserve(saga(2)));
    let held_by_another = shop.comes(&shop.approved(saga(1)));
    let expected = format!("reserved by order {}", saga(2).order());
    assert!(parked(&held_by_another).1.ends_with(&expected), "{held_by_another:?}");

    let unknown = shop.comes(&shop.approved(Saga { n: 1, pet: 13 }));
    assert!(parked(&unknown).1.ends_with("which is unknown"), "{unknown:?}");
    assert_eq!(shop.state(), State::Reserved(saga(2).holder()));
}

#[test]
fn a_parked_approval_works_once_it_is_replayed_in_order() {
    let mut shop = Shop::new();
    let approved = shop.approved(saga(1));
    parked(&shop.comes(&approved));
    shop.answer(&shop.reserve(saga(1)));
    shop.answer(&approved);
    assert_eq!(shop.state(), State::Sold(saga(1).holder()));
}
