//! The command `saga` against a whole system, as an operator uses it.

use std::process::Output;

use lapin::options::{BasicGetOptions, BasicRejectOptions};
use lapin::{Connection, ConnectionProperties};
use saga_core::Route;
use saga_runtime::testing::eventually;
use saga_trials::replayed::{Stored, digest, publish};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::shop::{PATIENCE, Settings, Shop, count};

/// Runs the command in an environment like that of `./dev env`.
pub(crate) async fn saga(shop: &Shop, arguments: &[&str]) -> Output {
    program(shop, arguments).output().await.unwrap()
}

/// The same, not started yet.
pub(crate) fn program(shop: &Shop, arguments: &[&str]) -> Command {
    // `cargo test --workspace` builds it beside the folder that tests lie in.
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("saga");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("SAGA_URL", shop.url("saga", 0))
        .env("ORDER_SERVICE_URL", shop.url("order-service", 0))
        .env("SAGA_TOKEN", shop.servers.token())
        .kill_on_drop(true);
    command
}

/// What it prints for a program, when it succeeds.
pub(crate) async fn told(shop: &Shop, arguments: &[&str]) -> Value {
    let output = saga(shop, &[arguments, &["--json"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_run_followed_and_shown_by_each_of_its_names() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(12, 1000).await;
    shop.set_stock("FOOD-CAT-2KG", 5).await;
    let wish = ["run", "order", "--pet", "12", "--item", "FOOD-CAT-2KG=2", "--customer", "ada@example.com"];
    let ran = told(&shop, &[&wish[..], &["--key", "from-a-test"]].concat()).await;
    assert_eq!((word(&ran["order"], "status"), word(&ran["saga"], "state")), ("placed", "completed"), "{ran}");
    let (saga_id, order_id) = (word(&ran["saga"], "id"), word(&ran["order"], "uuid"));
    let number = ran["order"]["id"].to_string();
    for name in [saga_id, order_id, &number] {
        let shown = saga(&shop, &["show", name]).await;
        let story = text(&shown.stdout);
        assert_eq!(shown.status.code(), Some(0), "{name}: {}", text(&shown.stderr));
        assert!(story.starts_with(&format!("saga {saga_id}  completed")), "{name}: {story}");
        for kind in ["ORDER_REQUESTED", "PET_RESERVED", "INVENTORY_RESERVED", "ORDER_CREATED", "SAGA_COMPLETED"] {
            assert!(story.contains(kind), "{kind} is missing: {story}");
        }
        assert!(!text(&shown.stderr).contains("not seen"), "{}", text(&shown.stderr));
    }
    let again = told(&shop, &[&wish[..], &["--key", "from-a-test"]].concat()).await;
    assert_eq!(word(&again["saga"], "id"), saga_id, "the same key is the same order");
    let taken = saga(&shop, &["run", "order", "--pet", "12"]).await;
    assert_eq!(taken.status.code(), Some(1));
    assert!(text(&taken.stdout).contains("rejected (pet_taken)"), "{}", text(&taken.stdout));
    let detached = told(&shop, &["run", "order", "--pet", "12", "--detach"]).await;
    assert!(detached["sagaId"].is_string(), "{detached}");
    shop.settled().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_are_found_by_state_and_reason() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    for _ in 0..2 {
        saga(&shop, &["run", "order", "--pet", "1"]).await;
    }
    for (filter, found) in [
        (&["list"][..], 2),
        (&["list", "--state", "completed"], 1),
        (&["list", "--state", "rejected", "--reason", "pet_taken"], 1),
        (&["list", "--reason", "out_of_stock"], 0),
        (&["list", "--needs-intervention"], 0),
        (&["list", "--older-than", "1h"], 0),
        (&["list", "--limit", "1"], 1),
    ] {
        let sagas = told(&shop, filter).await;
        assert_eq!(sagas["sagas"].as_array().unwrap().len(), found, "{filter:?}: {sagas}");
    }
    let table = saga(&shop, &["list"]).await;
    assert!(text(&table.stdout).contains("pet_taken"), "{}", text(&table.stdout));
    assert_eq!(text(&table.stderr), "2 sagas\n");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_by_hand_is_routed_or_an_error_and_what_is_parked_can_be_seen_and_replayed() {
    let shop = Shop::open(Settings::default()).await;
    let nowhere = saga(&shop, &["publish", "pet.events", "no.such.key", "--type", "PET_UPDATED", "--data", "{}"]).await;
    // The stream of all events takes every key of an exchange of events; tests run without it.
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("nothing was published"), "{}", text(&nowhere.stderr));
    let published =
        told(&shop, &["publish", "pet.events", "pet.updated", "--type", "PET_UPDATED", "--data", "{}"]).await;
    let parked = eventually("inventory-service parks it, and is seen to", PATIENCE, async || {
        let listed = told(&shop, &["parked", "list"]).await;
        assert_eq!(listed["unseen"], serde_json::json!([]));
        listed["parked"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((word(&parked, "process"), word(&parked, "reason")), ("inventory-service", "malformed_data"));
    assert_eq!(parked["message_id"], published["id"]);
    let name = format!("inventory-service/{}", parked["id"]);
    let shown = text(&saga(&shop, &["parked", "show", &name]).await.stdout);
    assert!(shown.contains("malformed_data") && shown.contains(word(&published, "id")), "{shown}");
    let replayed = saga(&shop, &["replay", "parked", &name]).await;
    assert_eq!(replayed.status.code(), Some(1), "it cannot be handled still: {}", text(&replayed.stderr));
    assert!(
        text(&replayed.stdout).contains("1 = 0 pending + 0 done + 1 failed + 0 skipped"),
        "{}",
        text(&replayed.stdout)
    );
    eventually("it is parked again", PATIENCE, async || {
        count(&shop.databases.inventory, "SELECT count(*) FROM parked WHERE state = 'parked' AND times = 2").await == 1
    })
    .await;
    let audited = "SELECT count(*) FROM audit WHERE who = 'tester' AND action = 'publish'";
    assert_eq!(count(&shop.databases.sagas, audited).await, 2, "both attempts are on record");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_replayed_into_a_queue_and_changes_no_row_of_its_consumer() {
    let shop = Shop::open(Settings::default()).await;
    for pet in 1..=3 {
        shop.add_pet(pet, 1000).await;
    }
    shop.set_stock("FOOD", 5).await;
    saga(&shop, &["run", "order", "--pet", "1", "--item", "FOOD=2"]).await;
    shop.settled().await;
    let before = digest(&shop.databases.inventory).await.unwrap();
    let replayed = told(&shop, &["replay", "log", "--from", "first", "--to", "inventory.pet-events"]).await;
    let replay = &replayed["replay"];
    // Three pets created, one reserved, one sold.
    assert_eq!((&replay["done"], &replay["details"]["done"]["duplicate"]), (&json!(5), &json!(5)), "{replayed}");
    assert!(replay["details"]["skipped"]["no_queue_for_its_type"].as_i64().unwrap() > 5, "{replayed}");
    assert!(replay["begins"].is_string(), "it says where history begins: {replayed}");
    let duplicates = async || shop.metric("inventory-service", "inbox_duplicates_total").await;
    eventually("all of it is met again", PATIENCE, async || duplicates().await == Some(5.0)).await;
    assert_eq!(digest(&shop.databases.inventory).await.unwrap(), before);
    let unknown = saga(&shop, &["replay", "log", "--from", "first", "--to", "no-queue"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stdout).contains("no such queue"), "{}", text(&unknown.stdout));
    shop.close().await;
}

/// Takes a message from a queue that nobody else consumes, and refuses it for good.
async fn refuse_from(shop: &Shop, queue: &str) {
    let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let taken = eventually("the message is in its queue", PATIENCE, async || {
        channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap()
    })
    .await;
    taken.delivery.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    connection.close(0, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_sets_aside_is_parked_under_its_queue_and_goes_back_there() {
    let queue = "inventory.commands";
    let mut shop = Shop::open(Settings::default()).await;
    shop.stop("inventory-service").await;
    let stored = Stored { route: Route::to_queue(queue), takers: 1, body: b"set aside by the broker".to_vec() };
    publish(shop.servers.amqp_url(), &[&stored]).await.unwrap();
    refuse_from(&shop, queue).await;
    let parked = eventually("the orchestrator parks it", PATIENCE, async || {
        let listed = told(&shop, &["parked", "list"]).await;
        assert_eq!(listed["unseen"].as_array().unwrap().len(), 1, "inventory-service is down: {listed}");
        listed["parked"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((word(&parked, "queue"), word(&parked, "reason")), (queue, "dead_lettered"), "{parked}");
    let name = format!("saga/{}", parked["id"]);
    let shown = told(&shop, &["parked", "show", &name]).await;
    assert_eq!(shown["body"]["text"], "set aside by the broker");
    let replayed = saga(&shop, &["replay", "parked", &name]).await;
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    refuse_from(&shop, queue).await;
    eventually("it is parked again", PATIENCE, async || {
        count(&shop.databases.sagas, "SELECT count(*) FROM parked WHERE state = 'parked' AND times = 2").await == 1
    })
    .await;
    eventually("both are counted, whoever parks them", PATIENCE, async || {
        shop.metric("saga", "parked_total{reason=\"dead_lettered\"}").await == Some(2.0)
    })
    .await;
    shop.close().await;
}
