//! A process that is not there: the others go on, and catch up with it.

use std::time::Duration;

use reqwest::Method;
use saga_runtime::testing::eventually;
use tokio_postgres::Client;

use crate::shop::{PATIENCE, Settings, Shop, count, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_inventory_down_pets_are_ordered_as_ever_and_orders_with_supplies_wait_for_it() {
    let mut shop = Shop::open(Settings::default()).await;
    for pet in 1..=2 {
        shop.add_pet(pet, 1000).await;
    }
    shop.set_stock("FOOD", 5).await;
    shop.stop("inventory-service").await;
    let without = shop.place("without", &order(1, "ada", &[])).await;
    assert_eq!(without.status, 200, "{without:?}");
    // Whoever waited for this one would wait in vain.
    let url = format!("{}/api/v3/store/order", shop.url("order-service", 0));
    let headers = [("Prefer", "respond-async".to_owned()), ("Idempotency-Key", "with".to_owned())];
    let with = shop.send(Method::POST, &url, &headers, Some(&order(2, "bob", &[("FOOD", 2)]))).await;
    assert_eq!(with.status, 202, "{with:?}");
    let heard = "SELECT count(*) FROM inbox WHERE type = 'ORDER_CREATED'";
    eventually("all but inventory have answered", PATIENCE, async || count(&shop.databases.sagas, heard).await == 2)
        .await;
    let waits = "SELECT count(*) FROM sagas WHERE phase = 'running'";
    assert_eq!(count(&shop.databases.sagas, waits).await, 1, "it waits for inventory");
    shop.start("inventory-service").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), 2, "{findings:?}");
    let url = format!("{}/api/v3/store/inventory", shop.url("inventory-service", 0));
    let counts = eventually("the counts converge", PATIENCE, async || {
        let answer = shop.send(Method::GET, &url, &[], None).await;
        (answer.text("sold") == "2").then_some(answer)
    })
    .await;
    assert_eq!((counts.text("available"), counts.text("pending")), ("0".to_owned(), "0".to_owned()));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_orchestrator_down_an_order_is_taken_and_goes_through_when_it_is_back() {
    let mut shop = Shop::open(Settings { order_wait: Duration::from_millis(300), ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    shop.stop("saga").await;
    let taken = shop.place("no-orchestrator", &order(1, "ada", &[])).await;
    assert_eq!((taken.status.as_u16(), taken.text("state")), (202, "requested".to_owned()), "{taken:?}");
    shop.start("saga").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), 1, "{findings:?}");
    let again = shop.place("no-orchestrator", &order(1, "ada", &[])).await;
    assert_eq!((again.status.as_u16(), again.text("uuid")), (200, taken.text("uuid")), "{again:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_orchestrator_down_for_longer_than_a_step_may_take_what_was_answered_meanwhile_counts() {
    let (order_wait, step_timeout) = (Duration::from_millis(300), Duration::from_secs(5));
    let mut shop = Shop::open(Settings { order_wait, step_timeout, ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    shop.stop("pet-service").await;
    assert_eq!(shop.place("overdue", &order(1, "ada", &[])).await.status, 202);
    eventually("the pet is asked for", PATIENCE, async || published(&shop.databases.sagas, "RESERVE_PET").await).await;
    shop.stop("saga").await;
    shop.start("pet-service").await;
    eventually("it is reserved", PATIENCE, async || published(&shop.databases.pets, "PET_RESERVED").await).await;
    let overdue = "SELECT count(*) FROM sagas WHERE alarm < now()";
    eventually("the step is overdue", PATIENCE, async || count(&shop.databases.sagas, overdue).await == 1).await;
    shop.start("saga").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), 1, "the answer lay in the queue: {findings:?}");
    shop.close().await;
}

/// Whether the one message of this type was sent, and nothing is left to be published.
async fn published(process: &Client, kind: &str) -> bool {
    let sent = format!("SELECT count(*) FROM journal WHERE type = '{kind}'");
    count(process, &sent).await == 1 && count(process, "SELECT count(*) FROM outbox").await == 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_before_anything_is_declared_lose_nothing() {
    let mut shop = Shop::closed(Settings { order_wait: Duration::from_millis(300), ..Settings::default() }).await;
    shop.start("pet-service").await;
    shop.add_pet(1, 1000).await;
    shop.start("order-service").await;
    let taken = shop.place("early", &order(1, "ada", &[])).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    shop.start("saga").await;
    shop.start("inventory-service").await;
    shop.settled().await;
    eventually("the read model hears of the pet", PATIENCE, async || {
        count(&shop.databases.inventory, "SELECT count(*) FROM pets WHERE status = 'sold'").await == 1
    })
    .await;
    shop.close().await;
}
