//! Messages that no answer can be given to.

use saga_contract::messages::{OrderCreated, PetReserved};
use serde_json::json;

use super::*;

#[test]
fn data_of_another_shape_is_parked() {
    let mut shop = Shop::new();
    for (field, value) in [("petId", json!(0)), ("pet", json!("miso")), ("quantity", json!(0)), ("items", json!(7))] {
        let mut message = shop.reserve(saga(1));
        message.data[field] = value;
        let verdict = shop.comes(&message);
        assert_eq!(parked(&verdict).0, "malformed_data", "{field}");
    }
    let without = but(shop.approved(saga(1)), |m| m.data = json!({}));
    assert_eq!(parked(&shop.comes(&without)).0, "malformed_data");
}

#[test]
fn a_newer_version_waits_for_a_newer_program() {
    let mut shop = Shop::new();
    let newer = but(shop.reserve(saga(1)), |m| m.schema_version = 2);
    assert_eq!(parked(&shop.comes(&newer)).0, "newer_version");
}

#[test]
fn a_request_of_no_saga_is_parked() {
    let mut shop = Shop::new();
    for message in [shop.reserve(saga(1)), shop.release(saga(1)), shop.approved(saga(1))] {
        let verdict = shop.comes(&but(message, |m| m.saga_id = None));
        assert_eq!(parked(&verdict).0, "no_saga");
    }
    assert_eq!(shop.miso().version, 1);
}

#[test]
fn what_is_for_others_is_parked() {
    let mut shop = Shop::new();
    for kind in [OrderCreated::TYPE, PetReserved::TYPE, "reserve_pet", ""] {
        let foreign = but(shop.reserve(saga(1)), |m| m.kind = kind.to_owned());
        assert_eq!(parked(&shop.comes(&foreign)).0, "unknown_type", "{kind}");
    }
}

#[test]
fn an_id_that_is_not_the_pets_shows_that_salts_differ() {
    let mut shop = Shop::new();
    let command = ReservePet { pet: Uuid::from_u128(7), ..shop.reserve_command(saga(1)) };
    let verdict = shop.comes(&shop.command(saga(1), &command, Direction::Do, 0));
    let (reason, detail) = parked(&verdict);
    assert_eq!(reason, "malformed_data");
    assert!(detail.contains("salt"), "{detail}");
    assert_eq!(shop.state(), State::Available);
}
