//! The ids that the system gives out are those that anybody with the salt computes.

use crate::shop::{Settings, Shop, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_order_and_saga_have_the_ids_that_uuid_forge_computes_in_python() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(12, 1000).await;
    let placed = shop.place("recorded-key-1", &order(12, " Ada", &[])).await;
    // Made by uuid-forge 0.1.1 on Python 3.11 with the tests' salt: see docs/ids.md for the calls.
    let recorded = [("userId", USER), ("uuid", ORDER), ("sagaId", SAGA)];
    for (name, id) in recorded {
        assert_eq!(placed.text(name), id, "{name}: {placed:?}");
    }
    shop.close().await;
}

const USER: &str = "2e50fdc3-dd02-514b-9022-9a79fae2259a";
const ORDER: &str = "2255aaaf-c78e-5f02-b913-4d3f9b0c6a49";
const SAGA: &str = "95b0dbce-fb4a-557b-b0e5-0c3de677a868";
