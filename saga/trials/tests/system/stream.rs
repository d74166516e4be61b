//! The stream of all events as a source of replays.

use std::time::Duration;

use saga_runtime::clock;
use saga_runtime::testing::eventually;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::command::{saga, text, told, word};
use crate::replays::{Theirs, counters, digests};
use crate::shop::{PATIENCE, Settings, Shop, count, order};

/// A shop that keeps the stream, with as many orders that went through.
async fn shop_with(orders: i64) -> Shop {
    let shop = Shop::open(Settings { event_stream: true, ..Settings::default() }).await;
    for pet in 1..=orders {
        shop.add_pet(pet, 1000).await;
        shop.place(&format!("order-{pet}"), &order(pet, "ada", &[])).await;
    }
    shop.settled().await;
    shop
}

/// How many events all processes have sent; commands go to one participant alone, past the stream.
async fn events(shop: &Shop) -> i64 {
    let mut all = 0;
    for client in shop.databases.each() {
        let commands = "('RESERVE_PET', 'RELEASE_PET', 'APPROVE_ORDER', 'CLOSE_ORDER', 'RELEASE_INVENTORY')";
        all += count(client, &format!("SELECT count(*) FROM journal WHERE type NOT IN {commands}")).await;
    }
    all
}

const FROM_STREAM: [&str; 6] = ["replay", "log", "--source", "stream", "--from", "first"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_has_every_event_and_replaying_it_changes_no_row() {
    let shop = shop_with(3).await;
    let (all, before) = (events(&shop).await, digests(&shop).await);
    let looked = told(&shop, &[&FROM_STREAM[..], &["--dry-run"]].concat()).await;
    assert_eq!(looked["replay"]["details"]["done"], json!({ "duplicate": looked["replay"]["done"] }), "{looked}");
    for time in 0..2 {
        shop.settled().await;
        let replay = told(&shop, &FROM_STREAM).await["replay"].clone();
        let [total, pending, done, failed, skipped] = counters(&replay);
        assert_eq!((pending, failed, done + skipped), (0, 0, total), "{replay}");
        // Participants answer again what they are asked again, and the stream takes that too.
        assert!(total == all || time > 0 && total > all, "{all} events: {replay}");
        assert_eq!(replay["details"]["done"]["duplicate"], replay["done"], "{replay}");
        assert_eq!(replay["details"]["skipped"], json!({ "no_queue_for_its_type": skipped }), "{replay}");
        assert!(replay["begins"].is_string(), "{replay}");
    }
    shop.settled().await;
    assert_eq!(digests(&shop).await, before, "no row changes");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_of_the_stream_is_taken_and_what_is_no_message_of_ours_is_skipped() {
    let shop = shop_with(2).await;
    let first = events(&shop).await;
    let between = clock::now();
    let cut = between.format(&Rfc3339).unwrap();
    // Times in messages are of their processes, and these run here.
    shop.add_pet(9, 1000).await;
    shop.place("late", &order(9, "bob", &[])).await;
    shop.settled().await;
    // Nobody but the stream takes it.
    told(&shop, &["publish", "pet.events", "nobody.knows", "--raw", "--data", "no JSON at all"]).await;
    let all = events(&shop).await;
    // Dry runs: participants would answer again, into the stream.
    let until = told(&shop, &[&FROM_STREAM[..], &["--until", &cut, "--dry-run"]].concat()).await["replay"].clone();
    let skipped = &until["details"]["skipped"];
    let of_these = counters(&until)[0] - skipped["not_matching"].as_i64().unwrap_or_default();
    assert_eq!(of_these - skipped["gone"].as_i64().unwrap_or_default(), first, "{until}");
    let arguments = ["replay", "log", "--source", "stream", "--from", &cut, "--dry-run"];
    let since = told(&shop, &arguments).await["replay"].clone();
    assert_eq!(since["total"].as_i64(), Some(all - first + 1), "and what is no message: {since}");
    assert_eq!(since["details"]["skipped"]["gone"], json!(1), "{since}");
    assert_eq!(since["details"]["done"]["duplicate"], since["done"], "{since}");
    let tomorrow = (between + time::Duration::days(1)).format(&Rfc3339).unwrap();
    let none = told(&shop, &["replay", "log", "--source", "stream", "--from", &tomorrow]).await["replay"].clone();
    assert_eq!((counters(&none), word(&none, "state")), ([0; 5], "finished"), "{none}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_the_stream_goes_on_where_it_was_after_a_restart_of_the_orchestrator() {
    let mut shop = shop_with(4).await;
    let all = events(&shop).await;
    let theirs = Theirs::declare(&shop, &["copies"]).await;
    let slowly = [&FROM_STREAM[..], &["--to", "copies", "--rate", "20", "--detach"]].concat();
    let id = word(&told(&shop, &slowly).await["replay"], "id").to_owned();
    let now = async |shop: &Shop| told(shop, &["replay", "show", &id]).await["replay"].clone();
    let some = async || now(&shop).await["done"].as_i64().unwrap() > 3;
    eventually("some went out", PATIENCE, some).await;
    shop.stop("saga").await;
    // What comes meanwhile is not part of it: its end is fixed.
    shop.add_pet(9, 1000).await;
    shop.start("saga").await;
    let ended = async || Some(now(&shop).await).filter(|replay: &Value| replay["state"] == "finished");
    let replay = eventually("it is at its end", PATIENCE * 2, ended).await;
    assert_eq!(counters(&replay), [all, 0, all, 0, 0], "{replay}");
    let arrived = eventually("all have arrived", Duration::from_secs(10), async || {
        (theirs.waiting("copies").await == all).then_some(all)
    });
    assert_eq!(arrived.await, all, "each once");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_stream_is_kept_a_replay_of_it_says_so() {
    let shop = Shop::open(Settings::default()).await;
    let refused = saga(&shop, &FROM_STREAM).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("the queue event-log does not exist"), "{}", text(&refused.stderr));
    shop.close().await;
}
