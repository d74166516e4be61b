//! What happens at the same time: however it goes, it goes one way.

use saga_contract::messages::{PetDeleted, PetReservationRefused, PetReserved};
use saga_runtime::core::Payload;
use saga_runtime::testing::eventually;
use serde_json::json;

use crate::running::{Running, SOON, Saga, count};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_sagas_that_want_one_pet_at_once_one_gets_it() {
    let pets = Running::copies(2).await;
    pets.given_pet(12).await;
    let requests: Vec<_> = (1..=100).map(|n| pets.reserve(Saga { n, pet: 12 })).collect();
    for request in &requests {
        pets.command(request).await;
    }
    let all = async || {
        let journal = pets.journal().await;
        let answers = count(&journal, PetReserved::TYPE) + count(&journal, PetReservationRefused::TYPE);
        (answers >= 100).then_some(journal)
    };
    let journal = eventually("a hundred sagas are answered", SOON, all).await;
    assert_eq!(count(&journal, PetReserved::TYPE), 1);
    assert_eq!(count(&journal, PetReservationRefused::TYPE), 99);
    assert_eq!(pets.get("/pet/12").await.1["version"], 2);
    pets.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pet_is_deleted_or_reserved_and_never_both() {
    const PETS: i64 = 60;
    let pets = Running::copies(2).await;
    for id in 1..=PETS {
        pets.given_pet(id).await;
    }
    let saga = |id: i64| Saga { n: id.unsigned_abs().into(), pet: id };
    let requests: Vec<_> = (1..=PETS).map(|id| pets.reserve(saga(id))).collect();
    let reserving = async {
        for request in &requests {
            pets.command(request).await;
        }
    };
    // From the other end, so that they meet.
    let deleting = futures_util::future::join_all((1..=PETS).rev().map(|id| pets.delete(id)));
    let ((), deleted) = tokio::join!(reserving, deleting);
    for (id, (deleted, _)) in (1..=PETS).rev().zip(deleted) {
        let answer = pets.answered(saga(id), 1).await.remove(0);
        let expected = if answer.kind == PetReserved::TYPE { 409 } else { 200 };
        assert_eq!(deleted, expected, "pet {id}: {}", answer.kind);
    }
    let journal = pets.journal().await;
    assert_eq!(count(&journal, PetReserved::TYPE) + count(&journal, PetDeleted::TYPE), PETS as usize);
    pets.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_that_get_the_same_requests_do_each_once() {
    const PETS: i64 = 30;
    let pets = Running::copies(2).await;
    for id in 1..=PETS {
        pets.given_pet(id).await;
    }
    let saga = |id: i64| Saga { n: id.unsigned_abs().into(), pet: id };
    let requests: Vec<_> = (1..=PETS).map(|id| pets.reserve(saga(id))).collect();
    for request in requests.iter().cycle().take(requests.len() * 4) {
        pets.command(request).await;
    }
    for id in 1..=PETS {
        pets.answered(saga(id), 1).await;
    }
    eventually("each that came again is met", SOON, async || pets.duplicates().await >= requests.len() as u64 * 3)
        .await;
    let journal = pets.journal().await;
    assert_eq!(count(&journal, PetReserved::TYPE), PETS as usize);
    let changed = pets.sql.query_one("SELECT count(*) FROM pets WHERE version <> 2", &[]).await.unwrap();
    assert_eq!(changed.get::<_, i64>(0), 0);
    pets.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_clients_that_add_one_id_at_once_one_succeeds() {
    let pets = Running::copies(2).await;
    let add = |n: usize| {
        let request = pets.client.post(format!("{}/api/v3/pet", pets.urls[n % 2]));
        request.json(&json!({"id": 7, "name": format!("Pet {n}"), "photoUrls": []})).send()
    };
    let answers = futures_util::future::join_all((0..20).map(add)).await;
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 19, "{statuses:?}");
    assert_eq!(pets.journal().await.len(), 1);
    pets.stop().await;
}
