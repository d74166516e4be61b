//! A process that is not there: the others go on, and catch up with it.

use std::time::Duration;

use reqwest::Method;
use saga_runtime::testing::eventually;

use crate::shop::{PATIENCE, Settings, Shop, count, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_inventory_down_pets_are_ordered_as_ever_and_orders_with_supplies_wait_for_it() {
    let mut shop = Shop::open(Settings { order_wait: Duration::from_secs(2), ..Settings::default() }).await;
    for pet in 1..=2 {
        shop.add_pet(pet, 1000).await;
    }
    shop.set_stock("FOOD", 5).await;
    shop.stop("inventory-service").await;
    let without = shop.place("without", &order(1, "ada", &[])).await;
    assert_eq!(without.status, 200, "{without:?}");
    let with = shop.place("with", &order(2, "bob", &[("FOOD", 2)])).await;
    assert_eq!(with.status, 202, "it waits for inventory: {with:?}");
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
