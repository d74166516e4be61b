//! What an operator's tools may ask for, and cost, at most.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use reqwest::{Method, Response};
use saga_runtime::testing::eventually;
use serde_json::json;

use crate::command::{saga, text, told};
use crate::shop::{PATIENCE, Settings, Shop, count, order};

/// Longer than any name in AMQP.
fn long() -> String {
    "x".repeat(256)
}

async fn watch(shop: &Shop, exchange: &str, key: &str) -> Response {
    let url = format!("{}/admin/tap", shop.url("saga", 0));
    reqwest::Client::new().get(url).query(&[("exchange", exchange), ("key", key)]).send().await.unwrap()
}

/// Messages that nobody knows what to do with, the last of which says so.
#[expect(clippy::disallowed_methods, reason = "a stranger's messages")]
async fn flood(shop: &Shop, messages: usize, bytes: usize) {
    let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for n in 1..=messages {
        let body = if n == messages { "the last".to_owned() } else { "a".repeat(bytes) };
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let sent = channel.basic_publish("pet.events".into(), "pet.flood".into(), options, body.as_bytes(), properties);
        sent.await.unwrap().await.unwrap();
    }
    connection.close(0, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_and_does_not_read_misses_the_oldest_and_fills_no_queue() {
    let shop = Shop::open(Settings::default()).await;
    let mut watching = watch(&shop, "pet.events", "pet.flood").await;
    assert_eq!(watching.status(), 200);
    // More than fits between the broker and whoever does not read: what waits in the queue, what is on its way, and what
    // sockets hold.
    let (messages, bytes) = (1_000, 100_000);
    flood(&shop, messages, bytes).await;
    let (mut seen, mut lines) = (Vec::new(), 0);
    while !String::from_utf8_lossy(&seen).contains("the last") {
        let piece = watching.chunk().await.unwrap().unwrap();
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        // Its end is all that is looked at: two pieces have any word whole.
        seen = [&seen[seen.len().saturating_sub(1_000)..], &piece].concat();
    }
    assert!(lines < messages, "the oldest were dropped: {lines}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_sixteen_watch_at_once() {
    let shop = Shop::open(Settings::default()).await;
    let mut watching = Vec::new();
    let refused = eventually("one is too many", PATIENCE, async || {
        let next = watch(&shop, "pet.events", "#").await;
        if next.status() == 200 {
            watching.push(next);
            return None;
        }
        Some(next.status())
    })
    .await;
    assert_eq!((refused.as_u16(), watching.len()), (503, 16));
    watching.clear();
    eventually("there is room again", PATIENCE, async || watch(&shop, "pet.events", "#").await.status() == 200).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_amqp_does_not_have_are_refused() {
    let shop = Shop::open(Settings::default()).await;
    for (exchange, key) in [(&*long(), "#"), ("pet.events", &*long())] {
        assert_eq!(watch(&shop, exchange, key).await.status(), 400);
    }
    let url = format!("{}/admin/replays", shop.url("saga", 0));
    let plan = json!({ "source": "queue", "queue": long(), "reason": "a-test" });
    let refused = shop.send(Method::POST, &url, &[shop.token()], Some(&plan)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copies_of_events_that_retries_sent_to_one_participant_are_not_replayed_to_all() {
    let settings = Settings { order_wait: std::time::Duration::from_millis(100), ..Settings::default() };
    let mut shop = Shop::open(settings).await;
    shop.add_pet(1, 1000).await;
    shop.set_stock("FOOD", 1).await;
    shop.settled().await;
    shop.stop("inventory-service").await;
    let id = shop.place("retried", &order(1, "ada", &[("FOOD", 1)])).await.text("sagaId");
    let reserved = "SELECT count(*) FROM inbox WHERE type = 'PET_RESERVED'";
    eventually("the supply is asked for", PATIENCE, async || count(&shop.databases.sagas, reserved).await == 1).await;
    told(&shop, &["retry", &id, "reserve_inventory", "--reason", "a-test"]).await;
    shop.start("inventory-service").await;
    shop.settled().await;
    // It has another address now.
    shop.stop("saga").await;
    shop.start("saga").await;
    let parked = async || {
        let mut parked = 0;
        for client in shop.databases.each() {
            parked += count(client, "SELECT count(*) FROM parked").await;
        }
        parked
    };
    let copies = "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'";
    assert_eq!((count(&shop.databases.sagas, copies).await, parked().await), (1, 0));
    let replay = told(&shop, &["replay", "log", "--from", "first"]).await["replay"].clone();
    assert_eq!(replay["details"]["skipped"]["sent_to_one_queue_alone"], json!(1), "{replay}");
    // What asks for the orchestrator's messages again does not mean the one that it sent.
    let to_us = told(&shop, &["replay", "log", "--from", "first", "--to", "saga.inbox"]).await["replay"].clone();
    assert_eq!(to_us["details"]["skipped"]["sent_to_one_queue_alone"], json!(1), "{to_us}");
    // It was for this queue, which knows it.
    let to_it =
        told(&shop, &["replay", "log", "--from", "first", "--to", "inventory.pet-events"]).await["replay"].clone();
    assert_eq!(to_it["details"]["done"]["duplicate"], to_it["done"], "{to_it}");
    assert!(to_it["details"]["skipped"].get("sent_to_one_queue_alone").is_none(), "{to_it}");
    shop.settled().await;
    assert_eq!(parked().await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_of_what_is_too_large_to_ask_about_goes_on_to_the_others() {
    let shop = Shop::open(Settings::default()).await;
    // As JSON writes it, six bytes for one.
    let large = "\u{1}".repeat(300_000);
    let small = "no envelope";
    let sql = "
        INSERT INTO parked (queue, key, reason, detail, fingerprint, incoming, body, state, times, first_at, last_at)
        SELECT 'pet.commands', md5($1), 'not_an_envelope', 'by hand', 'by hand', '{}', convert_to($1, 'UTF8'), 'parked', 1, now(), now()";
    for body in [large.as_str(), small] {
        assert_eq!(shop.databases.pets.execute(sql, &[&body]).await.unwrap(), 1);
    }
    let dry = saga(&shop, &["replay", "parked", "--dry-run"]).await;
    let said = text(&dry.stdout);
    assert!(said.contains("too large for pet-service to be asked about it"), "{said}{}", text(&dry.stderr));
    assert!(said.contains("would park"), "{said}");
    shop.close().await;
}
