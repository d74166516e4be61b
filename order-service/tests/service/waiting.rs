//! Clients at any copy are answered, whichever copy consumed the outcome.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use saga_contract::Reason;
use serde_json::json;

use crate::support::{PATIENCE, Shop, told};

const KEY: &str = "0fc74411-5f1b-4c2a-8d3e-00112233aabb";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_wait_at_either_copy() {
    let shop = Shop::with(2, PATIENCE).await;
    let body = json!({"petId": 12});
    let at = |copy: usize| {
        let url = shop.copies[copy].at("/store/order");
        shop.placing(shop.client.post(url).header("Idempotency-Key", KEY).json(&body))
    };
    let (one, two) = (at(0), at(1));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.sends("ORDER_CREATED").await;
    shop.hand_over(&saga.prepared()).await;
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!((one.status, &one), (StatusCode::OK, &two));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_copy_hears_of_it_long_before_it_would_have_looked() {
    let shop = Shop::with(2, PATIENCE).await;
    let mut slowest = Duration::ZERO;
    // Either copy may consume each outcome; both have a client that waits for it.
    for pet in 1..=10 {
        let body = json!({"petId": pet, "customerEmail": "ann@example.com"});
        let key = format!("order-{pet}");
        let waiting: Vec<_> = (0..2)
            .map(|copy| {
                let url = shop.copies[copy].at("/store/order");
                shop.placing(shop.client.post(url).header("Idempotency-Key", &key).json(&body))
            })
            .collect();
        shop.counts("SELECT count(*) FROM requests", pet).await;
        let saga = shop.saga(shop.sent("ORDER_REQUESTED").await.last().unwrap());
        shop.hand_over(&saga.rejected(&Reason::PET_TAKEN)).await;
        shop.counts("SELECT count(*) FROM requests WHERE state = 'rejected'", pet).await;
        let committed = Instant::now();
        for client in waiting {
            assert_eq!(client.await.unwrap().status, StatusCode::CONFLICT);
        }
        slowest = slowest.max(committed.elapsed());
    }
    assert!(
        slowest < order_service::waiters::LOOK_EVERY / 2,
        "{slowest:?}: nobody rang, they were only found by looking"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_waiters_are_found_by_looking() {
    let shop = Shop::with(1, PATIENCE).await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    shop.sends("ORDER_REQUESTED").await;
    // Somebody else's transaction, of which nobody is told.
    let db = shop.database.connect().await;
    db.batch_execute("UPDATE requests SET state = 'rejected', reason = 'pet_taken', version = 2").await.unwrap();
    assert_eq!(placing.await.unwrap().status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_for_notifications_is_made_again() {
    let shop = Shop::with(2, PATIENCE).await;
    let db = shop.database.connect().await;
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order-service waiters'
                     AND datname = current_database()";
    shop.counts(listening, 2).await;
    let killed = db.execute(&listening.replace("count(*)", "pg_terminate_backend(pid)"), &[]).await.unwrap();
    assert_eq!(killed, 2);
    shop.counts(&format!("{listening} AND query LIKE '%LISTEN%'"), 2).await;
    let (_, told) = shop.placed(12).await;
    assert_eq!(told.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_clients_than_may_wait_are_told_to_come_again() {
    let shop = Shop::with(1, PATIENCE).await;
    let waiting: Vec<_> = (1..=200).map(|pet| shop.placing(shop.post(&json!({"petId": pet})))).collect();
    shop.counts("SELECT count(*) FROM requests", 200).await;
    let answer = shop.post(&json!({"petId": 999})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(shop.count("SELECT count(*) FROM requests").await, 200, "nothing was taken that cannot be waited for");
    let is_async = told(shop.post(&json!({"petId": 999})).header("Prefer", "respond-async")).await;
    assert_eq!(is_async.status, StatusCode::ACCEPTED);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
