//! The same request again, at once, later, or not quite the same.

use std::time::Duration;

use reqwest::StatusCode;
use saga_contract::Reason;
use serde_json::{Value, json};

use crate::support::{Shop, told};

const KEY: &str = "0fc74411-5f1b-4c2a-8d3e-00112233aabb";

fn keyed(shop: &Shop, key: &str, body: &Value) -> reqwest::RequestBuilder {
    shop.post(body).header("Idempotency-Key", key)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_three_times_is_one_order_and_one_answer() {
    let shop = Shop::open().await;
    let body = json!({"petId": 12, "customerEmail": "ann@example.com"});
    let same = json!({"petId": 12, "customerEmail": " Ann@example.com", "quantity": 1, "complete": true});
    let one = shop.placing(keyed(&shop, "cart-17", &body));
    let two = shop.placing(keyed(&shop, "\"cart-17\"", &same));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.hand_over(&saga.prepared()).await;
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!((one.status, &one), (StatusCode::OK, &two));

    shop.hand_over(&saga.approve()).await;
    shop.sends("ORDER_APPROVED").await;
    let later = told(keyed(&shop, "cart-17", &body)).await;
    assert_eq!(later, one, "the same answer, though the order has gone on");
    assert_eq!(shop.sent("ORDER_REQUESTED").await.len(), 1);
    assert_eq!(shop.count("SELECT count(*) FROM requests").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_repeated_and_a_202_is_not() {
    let shop = Shop::with(1, Duration::from_millis(50)).await;
    let body = json!({"petId": 12});
    assert_eq!(told(keyed(&shop, KEY, &body)).await.status, StatusCode::ACCEPTED);
    assert_eq!(told(keyed(&shop, KEY, &body)).await.status, StatusCode::ACCEPTED);
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.rejected(&Reason::PET_TAKEN)).await;
    shop.counts("SELECT count(*) FROM requests WHERE state = 'rejected'", 1).await;
    let (one, two) = (told(keyed(&shop, KEY, &body)).await, told(keyed(&shop, KEY, &body)).await);
    assert_eq!((one.status, &one), (StatusCode::CONFLICT, &two));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_checked_and_kept_apart() {
    let shop = Shop::with(1, Duration::from_millis(20)).await;
    let ann = json!({"petId": 12, "customerEmail": "ann@example.com"});
    let bob = json!({"petId": 12, "customerEmail": "bob@example.com"});
    let guest = json!({"petId": 12});
    let status = async |key: &str, body: &Value| {
        let told = told(keyed(&shop, key, body)).await;
        (told.status.as_u16(), told.body["uuid"].as_str().map(str::to_owned))
    };
    let (accepted, anns) = status("cart", &ann).await;
    assert_eq!(accepted, 202);
    assert_ne!(status("cart", &bob).await.1, anns, "keys are per customer");
    assert_eq!(status("cart", &json!({"petId": 13, "customerEmail": "ann@example.com"})).await.0, 422, "another body");
    assert_eq!(status("cart", &guest).await.0, 400, "a guest's key is a UUID");
    assert_eq!(status(KEY, &guest).await, status(&KEY.to_uppercase(), &guest).await);
    assert_eq!(status("id:7", &ann).await.0, 400);
    assert_eq!(status("drawn:7", &ann).await.0, 400);
    assert_eq!(status("\"open", &ann).await.0, 400);
    assert_eq!(status(&"k".repeat(256), &ann).await.0, 400);
    let twice = keyed(&shop, "a", &ann).header("Idempotency-Key", "b");
    assert_eq!(told(twice).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_id_belongs_to_who_took_it() {
    let shop = Shop::with(1, Duration::from_millis(20)).await;
    let guest = json!({"id": 77, "petId": 12});
    let first = told(shop.post(&guest)).await;
    assert_eq!((first.status, &first.body["id"]), (StatusCode::ACCEPTED, &json!(77)));
    assert_eq!(told(shop.post(&guest)).await.body, first.body, "a guest who repeats it repeats the order");
    for (key, body) in [
        (None, json!({"id": 77, "petId": 13})),
        (None, json!({"id": 77, "petId": 12, "customerEmail": "ann@example.com"})),
        (Some(KEY), guest.clone()),
    ] {
        let request = shop.post(&body);
        let request = if let Some(key) = key { request.header("Idempotency-Key", key) } else { request };
        let told = told(request).await;
        assert_eq!(told.status, StatusCode::CONFLICT, "{key:?} {body}: {told:?}");
        assert_eq!(told.body["type"], "urn:sagaforge:problem:order_id_taken");
    }
    let keyed_id = told(keyed(&shop, KEY, &json!({"id": 78, "petId": 12}))).await;
    assert_eq!(keyed_id.body["id"], 78, "a client's id is the public id with a key, too");
    assert_eq!(shop.count("SELECT count(*) FROM requests").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_key_and_id_every_request_is_another_order_under_the_next_free_id() {
    let shop = Shop::with(1, Duration::from_millis(20)).await;
    assert_eq!(told(shop.post(&json!({"id": 1002, "petId": 1}))).await.body["id"], 1002);
    let mut ids = Vec::new();
    for id in [None, Some(0), Some(-3)] {
        ids.push(told(shop.post(&json!({"id": id, "petId": 12}))).await.body["id"].as_i64().unwrap());
    }
    assert_eq!(ids, [1001, 1003, 1004]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_under_one_key_are_one_order() {
    let shop = Shop::open().await;
    let body = json!({"petId": 12});
    let placing: Vec<_> = (0..50).map(|_| shop.placing(keyed(&shop, KEY, &body))).collect();
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.hand_over(&saga.prepared()).await;
    let mut answers = Vec::new();
    for placing in placing {
        answers.push(placing.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK && answer == &answers[0]));
    assert_eq!(shop.sent("ORDER_REQUESTED").await.len(), 1);
}
