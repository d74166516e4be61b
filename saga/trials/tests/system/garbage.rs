//! Messages that nobody can handle: parked with a reason, bytes and all, and nothing is held back.

use std::time::Duration;

use reqwest::Method;
use saga_core::Route;
use saga_runtime::testing::eventually;
use saga_trials::replayed::{Stored, publish};
use serde_json::json;

use crate::shop::{PATIENCE, Settings, Shop, count, order};

fn to_reserved(body: Vec<u8>) -> Stored {
    let route = Route { exchange: "pet.events".into(), key: "pet.reserved".into(), mandatory: false };
    Stored { route, takers: 3, body }
}

fn envelope(kind: &str, version: u16) -> Vec<u8> {
    let envelope = json!({
        "specversion": "1.0", "id": "11111111-1111-5111-8111-111111111111", "source": "test", "type": kind,
        "subject": "x", "time": time(), "schemaversion": version, "data": {},
    });
    envelope.to_string().into_bytes()
}

fn time() -> String {
    saga_runtime::clock::now().format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_understands_is_parked_within_a_second_and_the_queue_flows_on() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    let cases = [
        (b"\xff\xfe not json".to_vec(), "not_json"),
        (br#"{"no": "envelope"}"#.to_vec(), "not_an_envelope"),
        (envelope("NEVER_HEARD_OF", 1), "unknown_type"),
        (envelope("PET_RESERVED", 99), "newer_version"),
        (envelope("PET_RESERVED", 1), "malformed_data"),
        (vec![b'{'; 1024 * 1024 + 1], "too_large"),
    ];
    let mut took = Vec::new();
    for (body, reason) in &cases {
        let published = saga_runtime::clock::now();
        publish(shop.servers.amqp_url(), &[&to_reserved(body.clone())]).await.unwrap();
        let parked = "SELECT first_at FROM parked WHERE reason = $1 AND body = $2 AND state = 'parked'";
        for client in [&shop.databases.orders, &shop.databases.inventory, &shop.databases.sagas] {
            let at: saga_core::Time = eventually(&format!("it is parked as {reason}"), PATIENCE, async || {
                client.query_opt(parked, &[reason, body]).await.unwrap().map(|row| row.get(0))
            })
            .await;
            took.push(at - published);
        }
    }
    // The middle one: a machine that has much to do delays some.
    took.sort_unstable();
    assert!(took[took.len() / 2] < time::Duration::SECOND, "{took:?}");
    let placed = shop.place("after-garbage", &order(1, "ada", &[])).await;
    assert_eq!(placed.status, 200, "the queue flows on: {placed:?}");
    shop.settled().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_message_can_be_replayed_with_its_bytes_and_is_parked_again() {
    let shop = Shop::open(Settings::default()).await;
    publish(shop.servers.amqp_url(), &[&to_reserved(b"still no json".to_vec())]).await.unwrap();
    let inventory = &shop.databases.inventory;
    eventually("it is parked", PATIENCE, async || count(inventory, "SELECT count(*) FROM parked").await == 1).await;
    let id = count(inventory, "SELECT id FROM parked").await;
    let url = format!("{}/admin/parked/{id}/replay", shop.url("inventory-service", 0));
    let refused = shop.send(Method::POST, &url, &[], None).await;
    assert_eq!(refused.status, 401, "nobody replays without a token: {refused:?}");
    let replayed = shop.send(Method::POST, &url, &[shop.token()], Some(&serde_json::json!({}))).await;
    assert_eq!(replayed.status, 200, "{replayed:?}");
    eventually("it is parked again", PATIENCE, async || {
        count(inventory, "SELECT count(*) FROM parked WHERE state = 'parked' AND times = 2").await == 1
    })
    .await;
    let kept = inventory.query_one("SELECT body FROM parked", &[]).await.unwrap().get::<_, Vec<u8>>(0);
    assert_eq!(kept, b"still no json");
    assert_eq!(count(inventory, "SELECT count(*) FROM audit WHERE who = 'tester' AND action = 'replay'").await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_saga_that_is_not_known_yet_is_put_off_and_not_dropped() {
    let mut shop =
        Shop::open(Settings { order_wait: Duration::from_millis(200), approval_limit: 0, ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    shop.stop("saga").await;
    let taken = shop.place("late-start", &order(1, "ada", &[])).await;
    let cancelled = shop.order(&taken.text("id"), Method::DELETE, "").await;
    assert_eq!(cancelled.status, 202, "the cancellation waits for the saga: {cancelled:?}");
    shop.start("saga").await;
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("cancelled"), 1, "{findings:?}");
    assert_eq!(shop.pet_status(1).await, "available");
    shop.close().await;
}
