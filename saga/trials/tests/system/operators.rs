//! What an operator sees and does with the command, beyond publishing and replaying.

use std::collections::BTreeSet;
use std::process::Stdio;

use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use saga_runtime::testing::{SALT, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::command::{program, saga, text, told, word};
use crate::shop::{PATIENCE, Settings, Shop, count, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ids_of_an_order_are_known_before_it_exists() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    let ids = told(&shop, &["ids", "order", "--customer", "Ada@Example.com", "--key", "k", "--salt", SALT]).await;
    let placed = shop.place("k", &order(1, "ada", &[])).await;
    assert_eq!((word(&ids, "order"), word(&ids, "saga")), (&*placed.text("uuid"), &*placed.text("sagaId")));
    shop.settled().await;
    for kind in [
        "ORDER_REQUESTED",
        "RESERVE_PET",
        "PET_RESERVED",
        "ORDER_CREATED",
        "APPROVE_ORDER",
        "ORDER_APPROVED",
        "PET_SOLD",
    ] {
        let sql = format!("SELECT count(*) FROM journal WHERE id = '{}' AND type = '{kind}'", word(&ids, kind));
        let mut sent = 0;
        for client in shop.databases.each() {
            sent += count(client, &sql).await;
        }
        assert_eq!(sent, 1, "{kind} has the id that was computed");
    }
    let mine = told(&shop, &["list", "--customer", "ada@example.com", "--salt", SALT]).await;
    assert_eq!(word(&mine["sagas"][0], "id"), word(&ids, "saga"));
    let others = told(&shop, &["list", "--customer", "bob@example.com", "--salt", SALT]).await;
    assert_eq!(others["sagas"], json!([]));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_are_counted_drawn_and_told_to_end_by_the_command() {
    let shop = Shop::open(Settings { approval_limit: 0, ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    let placed = shop.place("waits", &order(1, "ada", &[])).await;
    let number = placed.text("id");
    let stats = told(&shop, &["stats"]).await;
    assert_eq!((word(&stats["states"][0], "state"), &stats["states"][0]["count"]), ("prepared", &json!(1)), "{stats}");
    for step in ["reserve_pet", "create_order"] {
        assert_eq!(stats["latency"][step]["answered"], json!(1.0), "{stats}");
    }
    assert_eq!(word(&stats["steps"][0], "step"), "approval", "{stats}");
    let drawn = text(&saga(&shop, &["diagram", "--live"]).await.stdout);
    assert!(drawn.starts_with("flowchart TD") && drawn.contains("prepared: 1"), "{drawn}");
    let sequence = text(&saga(&shop, &["show", &number, "--mermaid"]).await.stdout);
    assert!(sequence.starts_with("sequenceDiagram\n"), "{sequence}");
    assert!(
        sequence.contains("saga->>pet-service: RESERVE_PET")
            && sequence.contains("pet-service->>order-service: PET_RESERVED")
    );
    let refused = saga(&shop, &["retry", &number, "approval"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("waits for a person"), "{}", text(&refused.stderr));
    let skipped = saga(&shop, &["skip", &number, "reserve_pet", "--undone", "--reason", "by-hand"]).await;
    assert!(text(&skipped.stderr).contains("waits for no answer"), "{}", text(&skipped.stderr));
    let cancelled = told(&shop, &["cancel", &number, "--reason", "asked-by-phone"]).await;
    assert_eq!(word(&cancelled, "state"), "compensating");
    let watched = saga(&shop, &["show", &number, "--watch"]).await;
    assert!(text(&watched.stdout).contains("cancelled (asked-by-phone)"), "watching ends with the saga");
    shop.settled().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_held_against_the_topology_and_what_passes_an_exchange_is_seen() {
    let mut shop = Shop::open(Settings::default()).await;
    // A process is ready before it consumes every one of its queues; until then the command says so, and fails.
    let fine = eventually("all is as declared", PATIENCE, async || {
        let found = saga(&shop, &["queues", "--json"]).await;
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        (found["as_declared"] == true).then_some(found)
    })
    .await;
    assert_eq!(fine["queues"].as_array().unwrap().len(), 10, "{fine}");
    let mut tap = program(&shop, &["tap", "pet.events", "pet.*", "--count", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines();
    let mut pet = 1;
    eventually("the tap has seen one", PATIENCE, async || {
        shop.add_pet(pet, 1000).await;
        pet += 1;
        tap.try_wait().unwrap()
    })
    .await;
    let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!((word(&line, "routing_key"), word(&line["body"], "type")), ("pet.created", "PET_CREATED"));
    let nowhere = saga(&shop, &["tap", "no.such.exchange"]).await;
    assert!(
        text(&nowhere.stderr).contains("the exchange no.such.exchange does not exist"),
        "{}",
        text(&nowhere.stderr)
    );
    let publish = ["publish", "pet.events", "pet.updated", "--type", "PET_UPDATED", "--data", "{}", "--dry-run"];
    let dry = told(&shop, &publish).await;
    assert_eq!(
        (word(&dry["would"][0], "queue"), word(&dry["would"][0]["outcome"], "would")),
        ("inventory.pet-events", "park")
    );
    assert_eq!(count(&shop.databases.inventory, "SELECT count(*) FROM parked").await, 0, "nothing was published");
    let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (queue, nothing) = ("order.pet-events", FieldTable::default());
    channel.queue_unbind(queue.into(), "pet.events".into(), "pet.reserved".into(), nothing.clone()).await.unwrap();
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), "saga.events".into(), "saga.#".into(), options, nothing).await.unwrap();
    // RabbitMQ's management tells of it a moment later.
    let said = eventually("both differences are told", PATIENCE, async || {
        let different = saga(&shop, &["queues"]).await;
        assert!(!text(&different.stderr).contains("bindings were not looked at"), "{different:?}");
        (different.status.code() == Some(1)).then(|| text(&different.stdout))
    });
    let said = said.await;
    let both = "not bound to pet.events by pet.reserved; bound to saga.events by saga.#, which is not in the topology";
    let squeezed = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains(both), "{said}");
    shop.stop("inventory-service").await;
    let lonely = saga(&shop, &["queues"]).await;
    assert_eq!(lonely.status.code(), Some(1));
    assert!(text(&lonely.stdout).contains("nobody consumes it; inventory-service should"), "{}", text(&lonely.stdout));
    shop.close().await;
}

/// More than a process tells of at once, twice over.
const PARK_MANY: &str = "
    INSERT INTO parked (queue, key, reason, detail, fingerprint, incoming, body, state, times, first_at, last_at)
    SELECT 'order.commands', n::text, 'not_json', 'no JSON', 'not_json', '{}', '', 'parked', 1, now(), now()
    FROM generate_series(1, 2001) AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_parked_is_listed_however_much_it_is() {
    let shop = Shop::open(Settings::default()).await;
    assert_eq!(shop.databases.orders.execute(PARK_MANY, &[]).await.unwrap(), 2_001);
    let listed = told(&shop, &["parked", "list"]).await;
    let parked = listed["parked"].as_array().unwrap();
    let ids: BTreeSet<i64> = parked.iter().map(|one| one["id"].as_i64().unwrap()).collect();
    assert_eq!((parked.len(), ids.len(), &listed["unseen"]), (2_001, 2_001, &json!([])));
    let said = saga(&shop, &["parked", "list"]).await;
    assert_eq!(text(&said.stderr), "2001 messages parked\n");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_says_that_what_the_orchestrator_sent_took_too_long_to_find() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    let placed = shop.place("k", &order(1, "ada", &[])).await;
    shop.settled().await;
    // A search takes for ever while somebody else has all that it looks through.
    let sagas = &shop.databases.sagas;
    sagas.batch_execute("BEGIN; LOCK TABLE journal_entries IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let story = told(&shop, &["show", &placed.text("sagaId")]).await;
    sagas.batch_execute("ROLLBACK").await.unwrap();
    let unseen: Vec<&str> = story["unseen"].as_array().unwrap().iter().map(|unseen| word(unseen, "process")).collect();
    assert_eq!(unseen, ["saga"], "{story}");
    let seen = |way: &str, kind: &str| {
        let entries = story["timeline"].as_array().unwrap().iter();
        entries.filter(|entry| word(entry, "seen") == way && word(entry, "type") == kind).count()
    };
    assert_eq!((seen("received", "PET_RESERVED"), seen("sent", "PET_RESERVED")), (1, 1), "{story}");
    assert_eq!((seen("sent", "RESERVE_PET"), seen("sent", "SAGA_COMPLETED")), (0, 0), "{story}");
    let whole = told(&shop, &["show", &placed.text("sagaId")]).await;
    assert_eq!(whole["unseen"], json!([]));
    shop.close().await;
}
