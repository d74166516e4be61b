//! A process that is killed: what it had begun is finished after its restart, by nobody's doing.

use saga_runtime::testing::eventually;

use crate::real::Real;
use crate::shop::{PATIENCE, Settings, Shop, count, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_service_killed_between_pet_reserved_and_order_created_makes_the_order_after_its_restart() {
    let mut shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.stop("order-service").await;
    let mut process = Real::start(&shop, "order-service").await;
    // What became of a step cannot be written while we hold the table; so the kill comes between the two.
    let orders = &shop.databases.orders;
    orders.batch_execute("BEGIN; LOCK TABLE effects IN EXCLUSIVE MODE").await.unwrap();
    let headers = [("Prefer", "respond-async".to_owned()), ("Idempotency-Key", "killed".to_owned())];
    let body = order(1, "ada", &[]);
    let taken =
        shop.send(reqwest::Method::POST, &format!("{}/api/v3/store/order", process.url), &headers, Some(&body)).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'effects'::regclass";
    eventually("order-service is about to write the order", PATIENCE, async || count(orders, waiting).await > 0).await;
    process.kill();
    orders.batch_execute("COMMIT").await.unwrap();
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await, 1);
    assert_eq!(count(orders, "SELECT count(*) FROM orders").await, 0, "killed before the order was there");
    shop.start("order-service").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), 1, "the order is there, and nobody asked for it again: {findings:?}");
    assert_eq!(count(&shop.databases.orders, "SELECT count(*) FROM orders WHERE state = 'approved'").await, 1);
    shop.close().await;
}
