//! The catalogue over HTTP, and the events that tell of it.

use saga_contract::PetNumber;
use saga_contract::messages::{PetCreated, PetDeleted, PetUpdated};
use saga_runtime::core::{Message, Payload};
use serde_json::{Value, json};

use crate::running::{Running, Saga};

#[tokio::test]
async fn a_pet_comes_is_changed_and_leaves() {
    let pets = Running::start().await;
    let miso = json!({
        "id": 12, "name": "Miso", "category": {"id": 1, "name": "Cats"}, "photoUrls": ["https://example.org/miso.jpg"],
        "tags": [{"id": 3, "name": "shy"}, {"name": "grey"}], "status": "available", "price": 25_000, "currency": "EUR",
    });
    let (status, born) = pets.post(miso.clone()).await;
    assert_eq!(status, 200);
    let mut expected = miso;
    expected["uuid"] = json!(pets.names.pet(PetNumber::new(12).unwrap()));
    expected["version"] = json!(1);
    assert_eq!(born, expected);
    assert_eq!(pets.get("/pet/12").await, (200.try_into().unwrap(), born.clone()));

    let renamed = json!({"id": 12, "name": "Mochi", "photoUrls": []});
    let (status, changed) = pets.put(renamed).await;
    assert_eq!((status.as_u16(), &changed["version"]), (200, &json!(2)));
    assert_eq!((&changed["category"], &changed["tags"]), (&Value::Null, &json!([])), "PUT replaces");
    assert_eq!((&changed["price"], &changed["currency"]), (&json!(25_000), &json!("EUR")), "but what it does not know");

    assert_eq!(pets.delete(12).await.0, 200);
    for (status, problem) in [pets.get("/pet/12").await, pets.delete(12).await, pets.put(born.clone()).await] {
        assert_eq!((status.as_u16(), &problem["type"]), (404, &json!("urn:sagaforge:problem:pet_unknown")));
    }
    let (status, problem) = pets.post(json!({"id": 12, "name": "Miso", "photoUrls": []})).await;
    assert_eq!((status.as_u16(), &problem["type"]), (409, &json!("urn:sagaforge:problem:pet_exists")));
    told(&pets, &pets.journal().await);
    pets.stop().await;
}

/// Each change was told once, under the id that anybody can compute.
fn told(pets: &Running, journal: &[Message]) {
    let subject = pets.names.pet(PetNumber::new(12).unwrap()).to_string();
    let kinds = [PetCreated::TYPE, PetUpdated::TYPE, PetDeleted::TYPE];
    assert_eq!(journal.len(), kinds.len());
    for ((event, kind), version) in journal.iter().zip(kinds).zip(1..) {
        assert_eq!((event.kind.as_str(), event.aggregate_version), (kind, Some(version)));
        assert_eq!((event.id, event.correlation_id), (pets.ids.event_at(&subject, version, kind), event.id));
        assert_eq!(
            (event.subject.as_str(), event.source.as_str(), event.saga_id),
            (subject.as_str(), "pet-service", None)
        );
    }
    let deleted: PetDeleted = journal[2].payload().unwrap();
    assert_eq!((deleted.name.as_str(), deleted.price.amount()), ("Mochi", 25_000));
}

#[tokio::test]
async fn an_update_that_changes_nothing_tells_nobody() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    let same = json!({"id": 12, "name": "Pet 12", "photoUrls": [], "status": "available"});
    for _ in 0..3 {
        let (status, pet) = pets.put(same.clone()).await;
        assert_eq!((status.as_u16(), &pet["version"], &pet["price"]), (200, &json!(1), &json!(25_000)));
    }
    assert_eq!(pets.journal().await.len(), 1, "PET_CREATED alone");
    pets.stop().await;
}

#[tokio::test]
async fn a_pet_without_an_id_gets_a_free_one() {
    let pets = Running::start().await;
    let nameless = json!({"name": "Miso", "photoUrls": []});
    let (_, first) = pets.post(nameless.clone()).await;
    let (_, second) = pets.post(json!({"id": 0, "name": "Miso", "photoUrls": []})).await;
    let (first, second) = (first["id"].as_i64().unwrap(), second["id"].as_i64().unwrap());
    assert!(second > first && first > 1_000_000, "{first} {second}");

    for taken in second + 1..second + 40 {
        pets.given_pet(taken).await;
    }
    let (status, third) = pets.post(nameless).await;
    assert_eq!(status, 200);
    assert!(third["id"].as_i64().unwrap() >= second + 40, "{third}");
    pets.stop().await;
}

#[tokio::test]
async fn only_orders_say_where_a_pet_stands() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    for status in ["pending", "sold"] {
        let new = pets.post(json!({"id": 13, "name": "M", "photoUrls": [], "status": status})).await;
        let old = pets.put(json!({"id": 12, "name": "M", "photoUrls": [], "status": status})).await;
        for (code, problem) in [new, old] {
            assert_eq!((code.as_u16(), &problem["type"]), (409, &json!("urn:sagaforge:problem:status_follows_orders")));
        }
    }
    let saga = Saga { n: 1, pet: 12 };
    pets.command(&pets.reserve(saga)).await;
    pets.answered(saga, 1).await;
    let freed = pets.put(json!({"id": 12, "name": "M", "photoUrls": [], "status": "available"})).await;
    assert_eq!(freed.0, 409, "a client cannot free a reserved pet");
    let (code, problem) = pets.delete(12).await;
    assert_eq!((code.as_u16(), &problem["type"]), (409, &json!("urn:sagaforge:problem:pet_reserved")));
    assert_eq!(pets.get("/pet/13").await.0, 404, "nothing was made");
    pets.stop().await;
}

#[tokio::test]
async fn pets_are_found_by_status_page_by_page() {
    let pets = Running::start().await;
    for id in 1..=7 {
        pets.given_pet(id).await;
    }
    for (n, pet) in [(1, 2), (2, 4), (3, 6)] {
        pets.command(&pets.reserve(Saga { n, pet })).await;
        pets.answered(Saga { n, pet }, 1).await;
    }
    pets.event(&pets.approved(Saga { n: 3, pet: 6 })).await;
    pets.answered(Saga { n: 3, pet: 6 }, 2).await;
    pets.delete(7).await;
    for (query, expected) in [
        ("", vec![1, 3, 5]),
        ("?status=available", vec![1, 3, 5]),
        ("?status=pending", vec![2, 4]),
        ("?status=sold&status=pending", vec![2, 4, 6]),
        ("?status=sold,available&x=y", vec![1, 3, 5, 6]),
        ("?status=sold,available,pending&skip=2&limit=3", vec![3, 4, 5]),
        ("?skip=3", vec![]),
        ("?status=sold,available,pending&after=3&skip=1&limit=2", vec![5, 6]),
        ("?after=9223372036854775807", vec![]),
    ] {
        assert_eq!(ids(&pets.get(&format!("/pet/findByStatus{query}")).await.1), expected, "{query}");
    }
    assert_eq!(walk(&pets, "/api/v3/pet/findByStatus?status=available,sold&limit=3").await, [1, 3, 5, 6]);
    pets.stop().await;
}

/// All ids along the header `Link`.
async fn walk(pets: &Running, first: &str) -> Vec<i64> {
    let (mut path, mut found) = (first.to_owned(), Vec::new());
    loop {
        let answer = pets.client.get(format!("{}{path}", pets.urls[0])).send().await.unwrap();
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        found.extend(ids(&answer.json().await.unwrap()));
        let Some(link) = link else { return found };
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        path = next.unwrap().to_owned();
    }
}

#[tokio::test]
async fn the_feed_says_where_every_pet_stands_and_stood_last() {
    let pets = Running::start().await;
    for id in 1..=3 {
        pets.given_pet(id).await;
    }
    pets.delete(2).await;
    pets.command(&pets.reserve(Saga { n: 1, pet: 3 })).await;
    pets.answered(Saga { n: 1, pet: 3 }, 1).await;
    let (_, feed) = pets.get("/pet/feed?limit=2").await;
    let (_, rest) = pets.get("/pet/feed?after=2").await;
    let told = |pet: &Value| (pet["id"].clone(), pet["status"].clone(), pet["version"].clone());
    let all: Vec<_> = feed.as_array().unwrap().iter().chain(rest.as_array().unwrap()).map(told).collect();
    let expected = [(1, "available", 1), (2, "deleted", 2), (3, "pending", 2)];
    assert_eq!(all, expected.map(|(id, status, version)| (json!(id), json!(status), json!(version))));
    assert_eq!(feed[0]["uuid"], json!(pets.names.pet(PetNumber::MIN)));
    assert_eq!(pets.get("/pet/feed?after=3").await.1, json!([]));
    pets.stop().await;
}

fn ids(pets: &Value) -> Vec<i64> {
    pets.as_array().unwrap().iter().map(|pet| pet["id"].as_i64().unwrap()).collect()
}
