//! POST and GET: what a client is told of its order, and when.

use std::time::Duration;

use order_service::store::{Filter, list};
use reqwest::StatusCode;
use saga_contract::Reason;
use saga_core::Outcome;
use saga_runtime::{Secret, Transaction, store};
use serde_json::json;
use uuid::Uuid;

use crate::support::{PRICE, Shop, told};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_once_its_saga_is_prepared() {
    let shop = Shop::open().await;
    let body = json!({
        "petId": 12, "quantity": 1, "shipDate": "2026-11-30T10:00:00+02:00", "status": "delivered", "complete": true,
        "items": [{"sku": "toy-ball", "quantity": 1}, {"sku": "TOY-BALL", "quantity": 2}],
        "customerEmail": "Ann@Example.com", "total": 1,
    });
    let placing = shop.placing(shop.post(&body));
    let requested = shop.sends("ORDER_REQUESTED").await;
    let saga = shop.saga(&requested);
    assert_eq!(saga.order.items.len(), 1);
    assert_eq!((requested.aggregate_version, requested.subject), (Some(1), saga.order.order.to_string()));
    assert_eq!(requested.correlation_id, shop.ids.correlation(requested.saga_id.unwrap()));
    let number = saga.order.order_id.get();
    assert_eq!(shop.get(number).await.body["state"], "requested", "it is found from the first moment");
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 0, "no order exists before its pet is reserved");

    shop.hand_over(&saga.pet_reserved()).await;
    let created = shop.sends("ORDER_CREATED").await;
    assert_eq!((created.step.as_deref(), created.aggregate_version), (Some("create_order"), Some(2)));
    let pending = shop.get(number).await.body;
    assert_eq!((&pending["state"], pending.get("status"), pending.get("total")), (&json!("pending"), None, None));
    assert!(!placing.is_finished(), "somebody may still refuse");

    shop.hand_over(&saga.prepared()).await;
    let answer = placing.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let expected = json!({
        "id": number, "petId": 12, "quantity": 1, "shipDate": "2026-11-30T08:00:00Z", "status": "placed",
        "complete": false, "items": [{"sku": "TOY-BALL", "quantity": 3}], "userId": saga.order.user_id,
        "uuid": saga.order.order, "sagaId": requested.saga_id, "state": "placed", "total": PRICE, "currency": "EUR",
    });
    assert_eq!(answer.body, expected);
    assert_eq!(shop.get(number).await.body, expected);
    let stored =
        shop.count("SELECT count(*) FROM journal WHERE convert_from(body, 'UTF8') ILIKE '%ann@example%'").await;
    assert_eq!(stored, 0, "no message names a person");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_order_is_told_so_once_all_is_undone() {
    let shop = Shop::open().await;
    let placing = shop.placing(shop.post(&json!({"petId": 12, "items": [{"sku": "TOY", "quantity": 900}]})));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    let number = saga.order.order_id.get();
    shop.hand_over(&saga.pet_reserved()).await;
    shop.sends("ORDER_CREATED").await;
    shop.hand_over(&saga.close(Outcome::Rejected, &Reason::OUT_OF_STOCK)).await;
    shop.sends("ORDER_REJECTED").await;
    assert_eq!(shop.get(number).await.body["state"], "rejected");
    assert!(!placing.is_finished(), "the pet is still on its way back");

    shop.hand_over(&saga.rejected(&Reason::OUT_OF_STOCK)).await;
    let answer = placing.await.unwrap();
    assert_eq!((answer.status, &answer.body["reason"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("out_of_stock")));
    assert_eq!(answer.body["type"], "urn:sagaforge:problem:order_rejected");
    assert_eq!((&answer.body["id"], &answer.body["state"]), (&json!(number), &json!("rejected")));
    let found = shop.get(number).await.body;
    assert_eq!(
        (&found["state"], &found["reason"], found.get("status")),
        (&json!("rejected"), &json!("out_of_stock"), None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_pet_is_a_conflict_and_its_request_is_no_order() {
    let shop = Shop::open().await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.rejected(&Reason::PET_TAKEN)).await;
    let answer = placing.await.unwrap();
    assert_eq!((answer.status, &answer.body["reason"]), (StatusCode::CONFLICT, &json!("pet_taken")));
    let found = shop.get(saga.order.order_id.get()).await;
    assert_eq!((found.status, &found.body["state"]), (StatusCode::OK, &json!("rejected")));
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_while_its_client_waits_is_a_conflict() {
    let shop = Shop::open().await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    let cancelling = shop.cancelling(saga.order.order_id.get());
    shop.sends("ORDER_CANCELLATION_REQUESTED").await;
    shop.hand_over(&saga.cancelled(&Reason::CANCELLED_BY_CUSTOMER)).await;
    assert_eq!(cancelling.await.unwrap().status, StatusCode::OK);
    let answer = placing.await.unwrap();
    assert_eq!((answer.status, &answer.body["state"]), (StatusCode::CONFLICT, &json!("cancelled")));
    assert_eq!(answer.body["reason"], "cancelled_by_customer");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_deadline_or_without_waiting_the_client_is_told_where_to_look() {
    let shop = Shop::with(1, Duration::from_millis(50)).await;
    let late = told(shop.post(&json!({"petId": 12}))).await;
    let is_async = told(shop.post(&json!({"petId": 13})).header("Prefer", "respond-async")).await;
    for answer in [late, is_async] {
        let id = answer.body["id"].as_i64().unwrap();
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::ACCEPTED, &json!("requested")));
        assert_eq!(answer.location, Some(format!("/api/v3/store/order/{id}")));
        let found = shop.client.get(format!("{}{}", shop.copies[0].url, answer.location.unwrap()));
        assert_eq!(told(found).await.body["id"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_overtakes_is_answered_as_placed() {
    let shop = Shop::open().await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.sends("ORDER_CREATED").await;
    shop.hand_over(&saga.approve()).await;
    let answer = placing.await.unwrap();
    assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("placed")));
    assert_eq!(shop.get(saga.order.order_id.get()).await.body["state"], "approved");
    shop.hand_over(&saga.prepared()).await;
    shop.counts("SELECT count(*) FROM inbox WHERE type = 'SAGA_PREPARED'", 1).await;
    assert_eq!(shop.get(saga.order.order_id.get()).await.body["state"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_by_customer_and_state_newest_first() {
    let shop = Shop::with(1, Duration::from_millis(20)).await;
    let order = |pet: i64, email: &str| {
        shop.post(&json!({"petId": pet, "customerEmail": email})).header("Prefer", "respond-async")
    };
    for (pet, email) in [(1, "ann@example.com"), (2, "bob@example.com"), (3, "ann@example.com")] {
        assert_eq!(told(order(pet, email)).await.status, StatusCode::ACCEPTED);
    }
    let list = async |query: &[(&str, &str)]| {
        let answer = told(shop.client.get(shop.url("/store/orders")).query(query)).await;
        let pets = answer.body.as_array().map(|orders| orders.iter().map(|o| o["petId"].as_i64().unwrap()).collect());
        (answer.status, pets.unwrap_or_else(Vec::new), answer.body)
    };
    let ok = StatusCode::OK;
    let (status, pets, body) = list(&[("customer", " ANN@example.com")]).await;
    assert_eq!((status, pets), (ok, vec![3, 1]));
    let user = body[0]["userId"].as_str().unwrap();
    assert_eq!(list(&[("userId", user), ("state", "requested")]).await.1, [3, 1]);
    assert_eq!(list(&[("state", "placed")]).await.1, [0i64; 0]);
    assert_eq!(list(&[]).await.1, [3, 2, 1]);
    assert_eq!(list(&[("skip", "1"), ("limit", "1")]).await.1, [2]);
    assert_eq!(list(&[("userId", user), ("customer", "bob@example.com")]).await.1, [0i64; 0]);
    assert_eq!(list(&[("skip", "10000")]).await.1, [0i64; 0]);
    for wrong in [
        ("limit", "0"),
        ("limit", "101"),
        ("skip", "-1"),
        ("skip", "10001"),
        ("state", "sold"),
        ("userId", "ann"),
        ("customer", " "),
    ] {
        assert_eq!(list(&[wrong]).await.0, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
}

/// A request of one customer, ninety-nine of others, and so on.
const MANY: &str = "
    INSERT INTO requests (order_id, number, user_id, idempotency_key, request_hash, pet, pet_id, items, saga_id,
                          created_at, version)
    SELECT gen_random_uuid(), n, CASE WHEN n % 100 = 1 THEN $1 ELSE gen_random_uuid() END, n::text, sha256('asked'),
           gen_random_uuid(), n, '[]', gen_random_uuid(), now() + n * interval '1 s', 1
    FROM generate_series(1, 2000) AS n";
/// How many requests the connection has read; what it read before the transaction may be counted, too.
const READ: &str = "
    SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'requests'";

#[tokio::test(flavor = "multi_thread")]
async fn one_customers_orders_are_listed_without_reading_those_of_others() {
    let shop = Shop::open().await;
    let (owner, user) = (shop.database.connect().await, Uuid::max());
    assert_eq!(owner.execute(MANY, &[&user]).await.unwrap(), 2_000);
    let pool = store::connect("DATABASE_URL", &Secret::new(&shop.database.app_url), "test", 2).unwrap();
    // Whatever the database knows of the table.
    for statistics in ["", "ANALYZE requests"] {
        owner.batch_execute(statistics).await.unwrap();
        let mut client = pool.get().await.unwrap();
        let transaction = Transaction::begin(&mut client).await.unwrap();
        let read = async || store::query(&transaction, READ, &[]).await.unwrap()[0].get::<_, i64>(0);
        let before = read().await;
        let all = list(&transaction, &Filter { user: Some(user), limit: 100, ..Filter::default() }).await.unwrap();
        let numbers: Vec<i64> = all.iter().map(|request| request.number.get()).collect();
        assert_eq!(numbers, (0..20).rev().map(|n| n * 100 + 1).collect::<Vec<i64>>());
        let page = Filter { user: Some(user), skip: 3, limit: 5, ..Filter::default() };
        assert_eq!(list(&transaction, &page).await.unwrap(), all[3..8]);
        let read = read().await - before;
        assert!(read <= 40, "{read} were read for twenty, and for a page of them");
    }
}
