//! A later message of a batch sees what an earlier one changed.

use saga_contract::messages::{PetReleased, PetReservationRefused, PetReserved, PetSold};

use super::*;

#[test]
fn of_many_sagas_in_one_batch_one_gets_the_pet() {
    let mut shop = Shop::new();
    let kinds: Vec<String> = (1..=5).map(|n| shop.answer(&shop.reserve(saga(n))).kind).collect();
    assert_eq!(kinds[0], PetReserved::TYPE);
    assert!(kinds[1..].iter().all(|kind| kind == PetReservationRefused::TYPE), "{kinds:?}");
}

#[test]
fn a_whole_life_fits_into_one_batch() {
    let mut shop = Shop::new();
    let messages = [
        shop.reserve(saga(1)),
        shop.release(saga(1)),
        shop.reserve(saga(1)),
        shop.reserve(saga(2)),
        shop.approved(saga(2)),
    ];
    let answers: Vec<Message> = messages.iter().map(|message| shop.answer(message)).collect();
    let told: Vec<_> = answers.iter().map(|answer| (answer.kind.as_str(), answer.aggregate_version)).collect();
    assert_eq!(
        told,
        [
            (PetReserved::TYPE, Some(2)),
            (PetReleased::TYPE, Some(3)),
            (PetReservationRefused::TYPE, None),
            (PetReserved::TYPE, Some(4)),
            (PetSold::TYPE, Some(5)),
        ]
    );
}

#[test]
fn a_wrong_message_does_not_hold_its_neighbours_back() {
    let mut shop = Shop::new();
    let wrong = but(shop.reserve(saga(1)), |m| m.data = serde_json::Value::Null);
    parked(&shop.comes(&wrong));
    assert_eq!(shop.answer(&shop.reserve(saga(2))).kind, PetReserved::TYPE);
}
