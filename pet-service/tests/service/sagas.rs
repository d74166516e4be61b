//! What sagas ask for over the broker, and what they get.

use saga_contract::messages::{PetReleased, PetReservationRefused, PetReserved, PetSold, ReservePet};
use saga_contract::{Quantity, Reason};
use saga_runtime::core::{Direction, Payload};
use serde_json::json;
use uuid::Uuid;

use crate::running::{Running, Saga, but, count};

const FIRST: Saga = Saga { n: 1, pet: 12 };
const SECOND: Saga = Saga { n: 2, pet: 12 };

#[tokio::test]
async fn a_pet_is_reserved_given_back_reserved_again_and_sold() {
    let pets = Running::start().await;
    pets.given_pet(12).await;

    pets.command(&pets.reserve(FIRST)).await;
    let reserved = pets.answered(FIRST, 1).await.remove(0);
    assert_eq!((reserved.kind.as_str(), reserved.aggregate_version), (PetReserved::TYPE, Some(2)));
    assert_eq!(pets.status_of(12).await, "pending");
    assert_eq!(pets.delete(12).await.0, 409);

    pets.command(&pets.release(FIRST)).await;
    let released = pets.answered(FIRST, 2).await.remove(1);
    assert_eq!((released.kind.as_str(), released.aggregate_version), (PetReleased::TYPE, Some(3)));
    assert_eq!(pets.status_of(12).await, "available");

    pets.command(&pets.reserve(SECOND)).await;
    pets.answered(SECOND, 1).await;
    pets.event(&pets.approved(SECOND)).await;
    let sold = pets.answered(SECOND, 2).await.remove(1);
    assert_eq!((sold.kind.as_str(), sold.aggregate_version), (PetSold::TYPE, Some(5)));
    assert_eq!(pets.status_of(12).await, "sold");
    assert_eq!(pets.delete(12).await.1["type"], "urn:sagaforge:problem:pet_sold");
    pets.stop().await;
}

#[tokio::test]
async fn a_reservation_tells_the_price_of_the_moment() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    pets.put(json!({"id": 12, "name": "Miso", "photoUrls": [], "price": 700, "currency": "USD"})).await;
    pets.command(&pets.reserve(FIRST)).await;
    let event: PetReserved = pets.answered(FIRST, 1).await[0].payload().unwrap();
    assert_eq!((event.name.as_str(), event.price.amount(), event.price.currency().as_str()), ("Miso", 700, "USD"));

    let dearer = json!({"id": 12, "name": "Miso", "photoUrls": [], "price": 900, "status": "pending"});
    let (status, pet) = pets.put(dearer).await;
    assert_eq!((status.as_u16(), &pet["price"], &pet["status"]), (200, &json!(900), &json!("pending")));
    pets.stop().await;
}

#[tokio::test]
async fn the_same_request_many_times_has_one_effect() {
    let pets = Running::copies(2).await;
    pets.given_pet(12).await;
    let request = pets.reserve(FIRST);
    for _ in 0..10 {
        pets.command(&request).await;
    }
    // An operator's retry of what is done is another message with the same answer.
    let command: ReservePet = request.payload().unwrap();
    let retry = pets.request(FIRST, &command, Direction::Do, 1);
    pets.command(&retry).await;
    pets.handled(retry.id).await;
    pets.command(&pets.release(SECOND)).await;
    pets.answered(SECOND, 1).await;
    assert_eq!(pets.answers(FIRST).await.len(), 1, "answered again with the recorded answer");
    assert_eq!(pets.get("/pet/12").await.1["version"], 2);
    pets.stop().await;
}

#[tokio::test]
async fn a_step_that_is_asked_for_under_another_id_has_one_effect() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    pets.command(&pets.reserve(FIRST)).await;
    pets.answered(FIRST, 1).await;
    // Nobody looks for what a first request asks for: the key of its effect is the judge.
    let other = but(pets.reserve(FIRST), |m| m.id = Uuid::from_u128(74));
    pets.command(&other).await;
    pets.handled(other.id).await;
    assert_eq!(pets.answers(FIRST).await.len(), 1, "answered again with the recorded answer");
    assert_eq!(pets.get("/pet/12").await.1["version"], 2);
    pets.stop().await;
}

#[tokio::test]
async fn an_undo_that_overtakes_its_request_leaves_a_tombstone() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    pets.command(&pets.release(FIRST)).await;
    pets.answered(FIRST, 1).await;
    pets.command(&pets.reserve(FIRST)).await;
    let answers = pets.answered(FIRST, 2).await;
    assert_eq!((answers[0].kind.as_str(), answers[0].aggregate_version), (PetReleased::TYPE, None));
    assert_eq!(answers[1].payload::<PetReservationRefused>().unwrap().reason, Reason::CANCELLED);
    assert_eq!(pets.get("/pet/12").await.1["version"], 1);

    let command: ReservePet = pets.reserve(FIRST).payload().unwrap();
    pets.command(&pets.request(FIRST, &command, Direction::Do, 1)).await;
    assert_eq!(pets.answered(FIRST, 3).await[2].kind, PetReserved::TYPE, "an operator's retry passes");
    pets.stop().await;
}

#[tokio::test]
async fn unknown_and_deleted_pets_are_refused() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    pets.delete(12).await;
    pets.command(&pets.reserve(FIRST)).await;
    pets.command(&pets.reserve(Saga { n: 3, pet: 99 })).await;
    for saga in [FIRST, Saga { n: 3, pet: 99 }] {
        let answer = pets.answered(saga, 1).await.remove(0);
        assert_eq!(answer.payload::<PetReservationRefused>().unwrap().reason, Reason::PET_UNKNOWN);
    }
    pets.stop().await;
}

#[tokio::test]
async fn what_cannot_be_handled_is_parked_and_its_neighbours_pass() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    let malformed = but(pets.reserve(FIRST), |m| {
        m.data = json!({"petId": "twelve"});
        m.id = Uuid::from_u128(71);
    });
    let of_no_saga = but(pets.reserve(FIRST), |m| {
        m.saga_id = None;
        m.id = Uuid::from_u128(72);
    });
    let foreign = but(pets.reserve(FIRST), |m| {
        m.kind = "ORDER_CREATED".to_owned();
        m.id = Uuid::from_u128(73);
    });
    for message in [&malformed, &of_no_saga, &pets.reserve(FIRST), &foreign, &pets.reserve(SECOND)] {
        pets.command(message).await;
    }
    assert_eq!(pets.answered(FIRST, 1).await[0].kind, PetReserved::TYPE);
    assert_eq!(pets.answered(SECOND, 1).await[0].kind, PetReservationRefused::TYPE);
    assert_eq!(pets.parked(malformed.id).await.0, "malformed_data");
    assert_eq!(pets.parked(of_no_saga.id).await.0, "no_saga");
    assert_eq!(pets.parked(foreign.id).await.0, "unknown_type");
    pets.stop().await;
}

#[tokio::test]
async fn an_approval_for_a_pet_that_the_order_does_not_hold_is_parked() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    let approved = pets.approved(FIRST);
    pets.event(&approved).await;
    let (reason, detail) = pets.parked(approved.id).await;
    assert_eq!(reason, "pet_not_reserved");
    assert!(detail.contains("pet 12, which is available"), "{detail}");
    assert_eq!(pets.status_of(12).await, "available");
    pets.stop().await;
}

#[tokio::test]
async fn another_content_under_the_same_id_is_a_conflict() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    let request = pets.reserve(FIRST);
    pets.command(&request).await;
    pets.answered(FIRST, 1).await;
    let other = ReservePet { quantity: Quantity::new(2).unwrap(), ..request.payload().unwrap() };
    let forged = but(pets.request(FIRST, &other, Direction::Do, 0), |m| m.time = request.time);
    assert_eq!(forged.id, request.id);
    pets.command(&forged).await;
    assert_eq!(pets.parked(request.id).await.0, "conflict");
    let answers = pets.answers(FIRST).await;
    assert_eq!((answers.len(), count(&answers, PetReserved::TYPE)), (1, 1));
    pets.stop().await;
}
