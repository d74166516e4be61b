//! Giving a pet back, in time, too early and too late.

use saga_contract::messages::{PetReleased, PetReservationRefused, PetReserved};
use saga_contract::{PetStatus, Reason};
use saga_runtime::core::Payload;

use super::*;

#[test]
fn a_reserved_pet_is_given_back() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let answer = shop.answer(&shop.release(saga(1)));
    assert_eq!(answer.payload::<PetReleased>().unwrap().status, Some(PetStatus::Available));
    assert_eq!((answer.aggregate_version, answer.step.as_deref()), (Some(3), Some(steps::RESERVE_PET)));
    assert_eq!(shop.state(), State::Available);
}

#[test]
fn an_undo_that_overtakes_its_request_succeeds_and_the_late_request_is_refused() {
    let mut shop = Shop::new();
    let undone = shop.answer(&shop.release(saga(1)));
    assert_eq!(undone.payload::<PetReleased>().unwrap().status, None);
    assert_eq!(undone.aggregate_version, None, "nothing changed");

    let late = shop.answer(&shop.reserve(saga(1)));
    assert_eq!(late.payload::<PetReservationRefused>().unwrap().reason, Reason::CANCELLED);
    assert_eq!((shop.state(), shop.miso().version), (State::Available, 1));

    let other = shop.answer(&shop.reserve(saga(2)));
    assert_eq!(other.kind, PetReserved::TYPE, "the pet is free for others");
}

#[test]
fn an_undo_that_comes_twice_undoes_once() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    let first = shop.answer(&shop.release(saga(1)));
    shop.answer(&shop.reserve(saga(2)));
    let copy = but(shop.release(saga(1)), |m| m.id = Uuid::from_u128(99));
    assert_eq!(again(&shop.comes(&copy)), first.id);
    assert_eq!(shop.state(), State::Reserved(saga(2).holder()), "what another order holds stays with it");
}

#[test]
fn the_undo_of_a_refused_request_is_success() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    shop.answer(&shop.reserve(saga(2)));
    let answer = shop.answer(&shop.release(saga(2)));
    assert_eq!((answer.kind.as_str(), answer.aggregate_version), (PetReleased::TYPE, None));
    assert_eq!(shop.state(), State::Reserved(saga(1).holder()));
}

#[test]
fn a_retry_with_a_higher_epoch_passes_the_tombstone_and_old_messages_do_not_touch_it() {
    let mut shop = Shop::new();
    shop.answer(&shop.release(saga(1)));
    let retried = shop.answer(&shop.reserve_at(saga(1), 1));
    assert_eq!((retried.kind.as_str(), retried.epoch), (PetReserved::TYPE, 1));

    let copy = but(shop.release(saga(1)), |m| m.id = Uuid::from_u128(99));
    let stale = shop.answer(&copy);
    assert_eq!((stale.kind.as_str(), stale.aggregate_version), (PetReleased::TYPE, None));
    assert_eq!(shop.state(), State::Reserved(saga(1).holder()), "an older undo does not undo the retry");

    shop.answer(&shop.release_at(saga(1), 1));
    assert_eq!(shop.state(), State::Available);
}

#[test]
fn what_is_sold_is_not_given_back() {
    let mut shop = Shop::new();
    shop.answer(&shop.reserve(saga(1)));
    shop.answer(&shop.approved(saga(1)));
    let verdict = shop.comes(&shop.release(saga(1)));
    let (reason, detail) = parked(&verdict);
    assert_eq!(reason, "pet_sold");
    assert!(detail.contains("pet 12"), "{detail}");
    assert_eq!(shop.state(), State::Sold(saga(1).holder()));
}
