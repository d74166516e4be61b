//! A process that is killed: what it had begun is finished after its restart, by nobody's doing.

use std::process::{Child, Command, Stdio};

use saga_runtime::testing::eventually;

use crate::shop::{PATIENCE, Settings, Shop, count, order};

/// order-service as a real process, so that it can be killed like one.
fn order_service(shop: &Shop, port: u16) -> Child {
    let config = shop.config("order-service");
    // `cargo test --workspace` builds it beside the folder that tests lie in.
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("order-service");
    Command::new(program)
        .env("LISTEN", format!("127.0.0.1:{port}"))
        .env("DATABASE_URL", config.database_url.expose())
        .env("DATABASE_OWNER_URL", config.database_owner_url.unwrap().expose())
        .env("AMQP_URL", config.amqp_url.expose())
        .env("UUID_FORGE_SALT", config.salt.expose())
        .env("SAGA_EVENT_STREAM", "off")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_service_killed_between_pet_reserved_and_order_created_makes_the_order_after_its_restart() {
    let mut shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.stop("order-service").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = order_service(&shop, free);
    let url = format!("http://127.0.0.1:{free}");
    eventually("order-service is ready", PATIENCE, async || {
        reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    // The order's row cannot be written while we hold the table; so the kill comes between the two.
    let orders = &shop.databases.orders;
    orders.batch_execute("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE").await.unwrap();
    let headers = [("Prefer", "respond-async".to_owned()), ("Idempotency-Key", "killed".to_owned())];
    let body = order(1, "ada", &[]);
    let taken = shop.send(reqwest::Method::POST, &format!("{url}/api/v3/store/order"), &headers, Some(&body)).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
    eventually("order-service is about to write the order", PATIENCE, async || count(orders, waiting).await > 0).await;
    child.kill().unwrap();
    child.wait().unwrap();
    orders.batch_execute("COMMIT").await.unwrap();
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await, 1);
    assert_eq!(count(orders, "SELECT count(*) FROM orders").await, 0, "killed before the order was there");
    shop.start("order-service").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), 1, "the order is there, and nobody asked for it again: {findings:?}");
    assert_eq!(count(&shop.databases.orders, "SELECT count(*) FROM orders WHERE state = 'approved'").await, 1);
    shop.close().await;
}
