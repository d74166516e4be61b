//! Recorded ids: what the Python package uuid-forge 0.1.1 made of the same calls, namespaces and salt.

use saga_contract::{DEFAULT_DOMAIN, Names, PetNumber, order_saga_id};
use saga_core::{Direction, Ids};
use uuid::{Uuid, uuid};

use crate::samples::salt;

const ALICE: Uuid = uuid!("f9ede48f-44c5-5fdb-b836-fdcb1cc71bb2");
const ORDER: Uuid = uuid!("33047e9e-ad11-5c90-b071-57f244b9c1d7");
const SAGA: Uuid = uuid!("9c6b46f5-84b7-57cb-b0e0-cccc75568eb1");
const RESERVE: Uuid = uuid!("8bd72a96-e44e-557a-94aa-37fc22366a7e");

fn names() -> Names {
    Names::new(&salt(), DEFAULT_DOMAIN)
}

fn ids() -> Ids {
    Ids::new(&salt(), DEFAULT_DOMAIN)
}

#[test]
fn a_customer_is_known_by_their_address_however_it_is_spelled() {
    for spelling in ["alice@example.com", " Alice@Example.COM\n"] {
        assert_eq!(names().user(spelling).unwrap(), ALICE, "{spelling:?}");
    }
    assert_eq!(names().user("o'brien@example.com").unwrap(), uuid!("42412ff0-b49e-547c-920d-6f89e7b101b2"));
    assert_eq!(names().user("ZOË@example.com").unwrap(), uuid!("5c986d4c-cc09-5910-9c5a-3bbbc4415e6d"));
    assert!(names().user(" ").is_err());
}

#[test]
fn a_guest_is_known_by_the_key_of_the_request() {
    let guest = names().guest("6f9619ff-8b86-d011-b42d-00c04fc964ff");
    assert_eq!(guest, uuid!("893d848d-a19c-5d4d-829f-077ad33fb085"));
    assert_eq!(names().guest("id:17"), uuid!("2ded164b-aa4c-5bde-9d8f-3e623fbd0bd1"));
}

#[test]
fn a_pet_is_known_by_its_public_number() {
    assert_eq!(names().pet(PetNumber::new(7).unwrap()), uuid!("22753016-6045-51fd-a0ae-11615a4d4f19"));
    assert_eq!(names().pet(PetNumber::MAX), uuid!("6b3d42d6-4e03-5816-96ba-90df37e5be06"));
}

#[test]
fn an_order_is_known_by_its_customer_and_key_and_its_saga_by_both() {
    assert_eq!(names().order(ALICE, "checkout-42"), ORDER);
    assert_eq!(names().order(ALICE, "it's \"42\" \\ 1"), uuid!("a6b2f54c-4cd9-53c5-a85f-983465f714ac"));
    assert_eq!(order_saga_id(&ids(), ALICE, ORDER), SAGA);
}

#[test]
fn the_engine_computes_the_ids_of_the_sagas_messages_alike() {
    let ids = ids();
    assert_eq!(ids.correlation(SAGA), uuid!("c33885cd-0db3-50bd-a704-8af2615c6dc4"));
    assert_eq!(ids.command(SAGA, "reserve_pet", Direction::Do, 0), RESERVE);
    let undo = ids.command(SAGA, "reserve_pet", Direction::Undo, 1);
    assert_eq!(undo, uuid!("ec6f66a1-14ea-578c-bd76-4d7b57e9dd16"));
    let timer = ids.timer(SAGA, "reserve_pet", Direction::Do, "resend", 0, 2);
    assert_eq!(timer, uuid!("89b67f42-fa20-548b-9fb0-be38d762bcf4"));
}

#[test]
fn the_engine_computes_the_ids_of_events_and_edits_alike() {
    let ids = ids();
    assert_eq!(ids.event_caused(RESERVE, "PET_RESERVED"), uuid!("9b6105a7-e223-5240-a4a5-461a6f328ef5"));
    let requested = ids.event_at(&ORDER.to_string(), 1, "ORDER_REQUESTED");
    assert_eq!(requested, uuid!("ce5e527e-db34-57aa-8ecf-0fb31328ef25"));
    assert_eq!(ids.event_at("FOOD-CAT-2KG", 3, "STOCK_SET"), uuid!("bf23be9b-d862-5a49-9cb1-eea4ec8bed93"));
    assert_eq!(ids.edit(RESERVE, 1), uuid!("791607f1-a0a3-5963-8fd5-12fd59241c76"));
}

#[test]
fn another_salt_or_domain_makes_other_ids() {
    let other = idforge::Salt::new("another-salt-of-the-contract").unwrap();
    assert_ne!(Names::new(&other, DEFAULT_DOMAIN).user("alice@example.com").unwrap(), ALICE);
    assert_ne!(Names::new(&salt(), "shop.example").user("alice@example.com").unwrap(), ALICE);
}
