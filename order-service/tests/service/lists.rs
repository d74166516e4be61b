//! Lists that take long, and what goes on beside them.

use futures_util::future::{join_all, select_all};
use reqwest::StatusCode;
use saga_runtime::testing::{RELEASE, TRAPPED, eventually, trap};
use serde_json::json;

use crate::support::{PATIENCE, Shop, told};

#[tokio::test(flavor = "multi_thread")]
async fn while_lists_take_their_time_orders_are_placed_and_the_process_is_ready() {
    let shop = Shop::open().await;
    let slow = shop.post(&json!({"id": 99, "petId": 99})).header("Prefer", "respond-async");
    assert_eq!(told(slow).await.status, StatusCode::ACCEPTED);
    let owner = shop.database.connect().await;
    owner.batch_execute(&trap("requests", "number <> 99")).await.unwrap();
    let list = || shop.placing(shop.client.get(shop.url("/store/orders")));
    let lists: Vec<_> = (0..20).map(|_| list()).collect();
    shop.counts(TRAPPED, 2).await;

    let ready = shop.client.get(format!("{}/readyz", shop.copies[0].url)).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let (_, placed) = shop.placed(12).await;
    assert_eq!(shop.get(placed.body["id"].as_i64().unwrap()).await.status, StatusCode::OK);
    assert!(shop.count(TRAPPED).await <= 2, "a quarter of the connections");

    let (first, _, rest) = select_all(lists).await;
    let first = first.unwrap();
    let kind = (first.status.as_u16(), first.body["type"].as_str().unwrap_or_default());
    assert_eq!(kind, (503, "urn:sagaforge:problem:timeout"), "{first:?}");
    owner.batch_execute(RELEASE).await.unwrap();
    for list in join_all(rest).await {
        let status = list.unwrap().status;
        assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status), "{status}");
    }
    eventually("lists are read again", PATIENCE, async || list().await.unwrap().status == StatusCode::OK).await;
}
