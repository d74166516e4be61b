//! Fifty messages that a release cannot understand: one is edited, the rest is replayed once the release is mended.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use inventory_service::messages::Messages;
use saga_contract::{DEFAULT_DOMAIN, Names, TOPOLOGY, queues};
use saga_core::{Ids, Message, Time};
use saga_runtime::handler::Decided;
use saga_runtime::testing::{SALT, eventually};
use saga_runtime::{Handler, Handling, Process, Spec, StoreError, Transaction, Verdict, clock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::command::{saga, text, told, word};
use crate::shop::{PATIENCE, Settings, Shop, count};

const FIFTY: i64 = 50;
const NAME: &str = "inventory-service";

/// inventory-service with a defect: it understands no pet whose name is a number.
struct Broken(Messages);

impl Handler for Broken {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        let name = |message: &Message| message.data["name"].as_str().unwrap_or_default().to_owned();
        let Some(bad) = batch.iter().copied().map(name).find(|name| name.parse::<u64>().is_ok()) else {
            return self.0.handle(transaction, batch, now);
        };
        let detail = format!("the name {bad} is no text");
        // What fails together is handled one by one.
        let together = StoreError::Corrupt { what: "a batch".to_owned(), why: detail.clone() };
        let parked = Decided::nothing_to_write(vec![Verdict::Park { reason: "name_not_understood", detail }]);
        Box::pin(std::future::ready(if batch.len() == 1 { Ok(parked) } else { Err(together) }))
    }
}

async fn start_broken(shop: &mut Shop) {
    let migrations = inventory_service::migrations();
    let spec = Spec { name: NAME, version: "0.0.9", topology: &TOPOLOGY, migrations };
    let mut process = Process::new(spec, shop.config(NAME)).unwrap();
    process.consume(queues::INVENTORY_PET_EVENTS, Arc::new(Broken(Messages::new(process.ids()))));
    let (listener, stop) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = process.serve(listener, Router::new(), stop.clone());
    let ended = tokio::spawn(async move { serving.await.unwrap() });
    shop.stand_in(NAME, url, stop, ended);
}

/// Lines of PET_CREATED, each with an id of its own; the names are numbers.
fn fifty_lines() -> String {
    let salt = idforge::Salt::new(SALT).unwrap();
    let (names, ids) = (Names::new(&salt, DEFAULT_DOMAIN), Ids::new(&salt, DEFAULT_DOMAIN));
    let mut lines = String::new();
    for n in 1..=FIFTY {
        let pet = names.pet(n.try_into().unwrap());
        let envelope = json!({
            "specversion": "1.0", "id": ids.event_at(&pet.to_string(), 1, "PET_CREATED"), "source": "pet-service",
            "type": "PET_CREATED", "subject": pet, "time": clock::now().format(&time::format_description::well_known::Rfc3339).unwrap(),
            "schemaversion": 1, "aggregateversion": 1,
            "data": {"pet": pet, "petId": n, "name": n.to_string(), "status": "available", "price": {"amount": 100, "currency": "EUR"}},
        });
        writeln!(lines, "{envelope}").unwrap();
    }
    lines
}

async fn parked(shop: &Shop) -> Vec<Value> {
    let listed = told(shop, &["parked", "list"]).await;
    listed["parked"].as_array().unwrap().clone()
}

/// A shop whose inventory-service cannot understand what was published to it, and the file that it was published from.
async fn with_fifty_published() -> (Shop, PathBuf) {
    let mut shop = Shop::closed(Settings::default()).await;
    for name in ["pet-service", "order-service"] {
        shop.start(name).await;
    }
    start_broken(&mut shop).await;
    shop.start("saga").await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.jsonl", shop.servers.vhost()));
    std::fs::write(&file, fifty_lines()).unwrap();
    let lines = format!("@{}", file.display());
    let publish = ["publish", "pet.events", "pet.created", "--raw", "--data", &lines, "--rate", "500"];
    let published = saga(&shop, &publish).await;
    assert_eq!(published.status.code(), Some(0), "{}", text(&published.stderr));
    (shop, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_messages_that_a_release_cannot_understand_are_handled_once_each_after_it_is_mended() {
    let (mut shop, file) = with_fifty_published().await;
    let group = eventually("the group grows to fifty", PATIENCE, async || {
        let parked = parked(&shop).await;
        (parked.len() == 50).then_some(parked)
    })
    .await;
    assert!(group.iter().all(|one| word(one, "fingerprint") == "name_not_understood/PET_CREATED"), "{group:?}");
    let names: Vec<String> = group.iter().map(|one| format!("{}/{}", word(one, "process"), one["id"])).collect();

    let edit = ["parked", "edit", &names[0], "--set", "$.data.name=Miso", "--reason", "it is Miso"];
    let edited = told(&shop, &edit).await;
    let changes: Vec<&str> = edited["difference"].as_array().unwrap().iter().map(|one| word(one, "path")).collect();
    assert_eq!(changes, ["$.id", "$.data.name"], "{edited}");
    let salt = idforge::Salt::new(SALT).unwrap();
    let derived = Ids::new(&salt, DEFAULT_DOMAIN).edit(word(&group[0], "message_id").parse().unwrap(), 1);
    assert_eq!(word(&edited, "message_id"), derived.to_string());
    let shown = told(&shop, &["parked", "show", &names[0]]).await;
    assert_eq!((word(&shown, "state"), &shown["edits"][0]["message_id"]), ("edited", &edited["message_id"]));
    let inbox = "SELECT count(*) FROM inbox";
    eventually("the copy is handled", PATIENCE, async || count(&shop.databases.inventory, inbox).await == 1).await;
    let again = saga(&shop, &edit).await;
    assert!(text(&again.stderr).contains("is edited, not parked"), "{}", text(&again.stderr));

    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let dry = saga(&shop, &[&["replay", "parked", "--dry-run"][..], &all].concat()).await;
    assert!(text(&dry.stdout).contains("would park") && dry.status.code() == Some(1), "not mended yet");
    shop.stop(NAME).await;
    shop.start(NAME).await;
    shop.stop("saga").await;
    shop.start("saga").await;
    let dry = told(&shop, &[&["replay", "parked", "--dry-run"][..], &all].concat()).await;
    assert_eq!(dry["replay"]["details"], json!({"done": {"apply": 49}, "skipped": {"edited": 1}}), "{dry}");
    assert_eq!(count(&shop.databases.inventory, inbox).await, 1, "a dry run changes nothing");
    let replayed = saga(&shop, &[&["replay", "parked", "--ramp", "1,5,20,100"][..], &all].concat()).await;
    let said = text(&replayed.stdout);
    assert_eq!(replayed.status.code(), Some(0), "{said}{}", text(&replayed.stderr));
    assert!(said.contains("50 = 0 pending + 49 done + 0 failed + 1 skipped"), "{said}");
    assert!(said.contains("49 handled") && said.contains("1 edited"), "{said}");

    assert_eq!(count(&shop.databases.inventory, inbox).await, FIFTY, "each once");
    let counted = "SELECT sum(available)::bigint FROM pet_counts";
    assert_eq!(count(&shop.databases.inventory, counted).await, FIFTY, "none twice");
    assert_eq!(parked(&shop).await.len(), 0);
    std::fs::remove_file(file).unwrap();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ramp_stops_at_its_first_stage_when_the_cause_is_not_mended() {
    let (shop, file) = with_fifty_published().await;
    eventually("all are parked", PATIENCE, async || parked(&shop).await.len() == 50).await;
    let stopped = saga(&shop, &["replay", "parked", "--ramp", "1,5,20,100"]).await;
    assert_eq!(stopped.status.code(), Some(1));
    let said = text(&stopped.stdout);
    assert!(said.contains("stopped  50 = 49 pending + 0 done + 1 failed + 0 skipped"), "{said}");
    assert!(said.contains("parked again"), "{said}");
    assert_eq!(parked(&shop).await.len(), 50, "the one that was tried is back");
    std::fs::remove_file(file).unwrap();
    shop.close().await;
}
