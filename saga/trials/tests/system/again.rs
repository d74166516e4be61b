//! Everything again: nothing notices.

use futures_util::future::join_all;
use saga_core::Route;
use saga_runtime::broker::consumer::PREFETCH;
use saga_runtime::testing::eventually;
use saga_trials::replayed::{digest, messages_of, publish, shuffle};

use crate::shop::{PATIENCE, Settings, Shop, count, order};

const TIMES: usize = 5;

async fn digests(shop: &Shop) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut digests = Vec::new();
    for client in shop.databases.each() {
        digests.push(digest(client).await.unwrap());
    }
    digests
}

async fn duplicates(shop: &Shop) -> f64 {
    let mut all = 0.0;
    for name in crate::shop::ALL {
        all += shop.metric(name, "inbox_duplicates_total").await.unwrap();
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_finished_sagas_five_times_more_in_any_order_changes_no_row() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.add_pet(2, 1000).await;
    shop.set_stock("FOOD", 5).await;
    let done = shop.place("done", &order(1, "ada", &[("FOOD", 2)])).await;
    let undone = shop.place("undone", &order(2, "bob", &[("FOOD", 900)])).await;
    assert_eq!((done.status.as_u16(), undone.status.as_u16()), (200, 422), "{done:?} {undone:?}");
    shop.settled().await;
    let sagas = [done.text("sagaId").parse().unwrap(), undone.text("sagaId").parse().unwrap()];
    let stored: Vec<_> = join_all(sagas.map(|saga| messages_of(&shop.databases, saga))).await;
    let stored: Vec<_> = stored.into_iter().flat_map(Result::unwrap).collect();
    assert!(stored.len() >= 11 + 9, "{} messages", stored.len());
    let mut again: Vec<_> = stored.iter().flat_map(|message| std::iter::repeat_n(message, TIMES)).collect();
    shuffle(&mut again, 7);
    let (before, dropped) = (digests(&shop).await, duplicates(&shop).await);
    publish(shop.servers.amqp_url(), &again).await.unwrap();
    let expected: f64 = again.iter().map(|message| message.takers as f64).sum();
    eventually("all of it is met again", PATIENCE, async || duplicates(&shop).await >= dropped + expected).await;
    shop.settled().await;
    assert_eq!(digests(&shop).await, before, "no row changes");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_in_the_hands_of_two_copies_at_once_is_done_once_and_parked_by_neither() {
    let mut shop = Shop::open(Settings { approval_limit: 0, ..Settings::default() }).await;
    shop.start("inventory-service").await;
    shop.add_pet(1, 1000).await;
    shop.set_stock("FOOD", 5).await;
    let placed = shop.place("two-hands", &order(1, "ada", &[("FOOD", 2)])).await;
    assert_eq!(placed.text("status"), "placed", "{placed:?}");
    let inventory = &shop.databases.inventory;
    // Both read what was done before, and then wait for the reservation.
    inventory.batch_execute("BEGIN; SELECT FROM reservations FOR UPDATE").await.unwrap();
    let approved = shop.order(&placed.text("id"), reqwest::Method::POST, "/approve").await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let stored = messages_of(&shop.databases, placed.text("sagaId").parse().unwrap()).await.unwrap();
    let mut approved = stored.into_iter().find(|message| message.route.key == "order.approved").unwrap();
    approved.route = Route::to_queue("inventory.order-events");
    // RabbitMQ gives all to one of the two until that one has its fill.
    let again = vec![&approved; usize::from(PREFETCH) + 50];
    publish(shop.servers.amqp_url(), &again).await.unwrap();
    // The first waits for our transaction, the second for the first.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reservations'::regclass";
    eventually("both copies have it in hand", PATIENCE, async || count(inventory, waiting).await > 0).await;
    inventory.batch_execute("COMMIT").await.unwrap();
    let findings = shop.settled().await;
    assert_eq!((findings.in_phase("completed"), findings.units_taken), (1, 2), "{findings:?}");
    let parked = inventory.query("SELECT reason, detail FROM parked", &[]).await.unwrap();
    assert!(parked.is_empty(), "{parked:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_has_the_same_answer_and_another_body_under_its_key_is_refused() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    let wish = order(1, "ada", &[]);
    let answers = join_all((0..5).map(|_| shop.place("one-key", &wish))).await;
    assert!(answers.iter().all(|a| a.status == 200 && a.text("uuid") == answers[0].text("uuid")), "{answers:?}");
    shop.settled().await;
    let late = shop.place("one-key", &wish).await;
    assert_eq!((late.status.as_u16(), late.text("uuid")), (200, answers[0].text("uuid")), "{late:?}");
    let other = shop.place("one-key", &order(2, "ada", &[])).await;
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(shop.databases.check().await.unwrap().in_phase("completed"), 1);
    shop.close().await;
}
