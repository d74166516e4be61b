//! The read model made anew, from a feed whose pages come one by one when a test lets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use reqwest::Method;
use saga_runtime::core::Message;
use saga_runtime::testing::eventually;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::process::{Copy, Running, SOON, answer};
use crate::support::pet_reserved;

/// How many pets a page has.
const PAGE: usize = 2;

/// A stand-in for pet-service that knows these pets, each with status and version.
#[derive(Clone)]
struct Feed {
    pets: Arc<Vec<(i64, &'static str, u64)>>,
    allowed: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
struct After {
    after: i64,
}

impl Feed {
    async fn start(pets: &[(i64, &'static str, u64)], pages: usize) -> (Self, String) {
        let (pets, allowed) = (Arc::new(pets.to_vec()), Arc::new(Semaphore::new(pages)));
        let feed = Self { pets, allowed, asked: Arc::default() };
        let routes = Router::new().route("/api/v3/pet/feed", get(page)).with_state(feed.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (feed, url)
    }

    /// Lets so many more pages go.
    fn allow(&self, pages: usize) {
        self.allowed.add_permits(pages);
    }
}

async fn page(State(feed): State<Feed>, Query(After { after }): Query<After>) -> Json<Value> {
    feed.allowed.acquire().await.unwrap().forget();
    feed.asked.fetch_add(1, Ordering::Relaxed);
    let page = feed.pets.iter().filter(|(number, ..)| *number > after).take(PAGE);
    let entry = |(number, status, version): &(i64, &str, u64)| json!({ "id": number, "uuid": pet(*number), "status": status, "version": version });
    Json(page.map(entry).collect())
}

fn pet(number: i64) -> Uuid {
    Uuid::from_u128(2_000_000 + u128::try_from(number).unwrap())
}

/// News of a pet.
fn news(number: i64, kind: &str, status: &str, version: u64) -> Message {
    let mut event = pet_reserved(u128::try_from(number).unwrap(), &[]).at_version(version);
    (event.kind, event.data["status"]) = (kind.to_owned(), status.into());
    event.id = Uuid::from_u128(u128::from(version) * 1000 + u128::try_from(number).unwrap());
    event
}

async fn figures(process: &Running) -> Value {
    process.get("/store/inventory").await.1
}

async fn read_model(process: &Running) -> Value {
    let answer = process.client.get(format!("{}/admin/read-models", process.url)).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["read_models"][0].clone()
}

async fn rebuild(process: &Running, name: &str) -> (u16, Value) {
    let url = format!("{}/admin/read-models/{name}/rebuild", process.url);
    let request = process.client.post(url).bearer_auth(process.inventory.servers.token());
    answer(request.json(&json!({ "reason": "a test" })).send().await.unwrap()).await
}

/// What a verification of the read model finds, to its end.
async fn verified(process: &Running) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), "inventory".to_owned());
    loop {
        let url = format!("{}/admin/verify?after={after}", process.url);
        let part: Value = process.client.get(url).send().await.unwrap().json().await.unwrap();
        let disagree = part["disagree"].as_array().unwrap_or_else(|| panic!("{part}"));
        found.extend(disagree.iter().map(|one| format!("{}: {}", one["what"], one["why"]).replace('"', "")));
        match part["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return found,
        }
    }
}

async fn count(process: &Running, sql: &str) -> i64 {
    process.inventory.owner.query_one(sql, &[]).await.unwrap().get(0)
}

const PETS: [(i64, &str, u64); 5] =
    [(1, "available", 1), (2, "pending", 2), (3, "sold", 3), (5, "deleted", 2), (8, "available", 1)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_figures_are_right_after_a_rebuild_and_are_served_until_then() {
    let (feed, url) = Feed::start(&PETS, 1).await;
    let process = Running::beside(&[], &url).await;
    process.publish(&news(1, "PET_CREATED", "available", 1)).await;
    eventually("it is counted", SOON, async || figures(&process).await["available"] == 1).await;
    let wrong = format!(
        "UPDATE pets SET version = 99, status = 'sold'; UPDATE pet_counts SET sold = sold + 41 WHERE slot = 7;
         INSERT INTO pets (pet, status, version, updated_at) VALUES ('{}', 'pending', 7, now())",
        pet(77)
    );
    process.inventory.owner.batch_execute(&wrong).await.unwrap();
    let served = json!({ "available": 1, "pending": 0, "sold": 41 });
    assert_eq!(figures(&process).await, served, "wrong on purpose");

    let (status, started) = rebuild(&process, "inventory").await;
    assert_eq!((status, &started["state"], &started["filling"]), (202, &json!("filling"), &json!(1)), "{started}");
    eventually("a page is read", SOON, async || read_model(&process).await["filled"] == 2).await;
    assert_eq!(figures(&process).await, served, "the old figures are served meanwhile");
    let (status, again) = rebuild(&process, "inventory").await;
    assert_eq!(status, 409, "one at a time: {again}");
    assert_eq!(rebuild(&process, "stock").await.0, 404);

    // One that the feed told of already, one that it will tell an older state of, and one that it missed.
    process.publish(&news(2, "PET_SOLD", "sold", 3)).await;
    process.publish(&news(8, "PET_RESERVED", "pending", 2)).await;
    process.publish(&news(4, "PET_CREATED", "available", 1)).await;
    let moved_on = json!({ "available": 2, "pending": 1, "sold": 42 });
    eventually("the old ones move on", SOON, async || figures(&process).await == moved_on).await;
    let both = [2, 8, 4].map(|number| format!("'{}'", pet(number))).join(",");
    let both = format!("SELECT count(*) FROM pets WHERE pet IN ({both}) AND generation IN (0, 1)");
    assert_eq!(count(&process, &both).await, 3 * 2, "they are in both generations");

    feed.allow(10);
    eventually("it is served, and the old one is gone", SOON, async || read_model(&process).await["state"] == "served")
        .await;
    assert_eq!(figures(&process).await, json!({ "available": 2, "pending": 1, "sold": 2 }));
    process.inventory.assert_balanced().await;
    let left = "SELECT count(*) FROM pets WHERE generation = 0";
    assert_eq!(count(&process, left).await + count(&process, &left.replace("pets", "pet_counts")).await, 0);
    let found = read_model(&process).await;
    assert_eq!((&found["serving"], &found["filled"], &found["trouble"]), (&json!(1), &json!(5), &Value::Null));
    let audited = "SELECT count(*) FROM audit WHERE action = 'rebuild' AND target = 'inventory' AND why = 'a test'";
    assert_eq!(count(&process, audited).await, 1, "only what was done is audited");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_its_owner_leaves_goes_on_elsewhere_from_where_it_was() {
    let (feed, url) = Feed::start(&PETS, 1).await;
    let mut process = Running::beside(&[], &url).await;
    assert_eq!(rebuild(&process, "inventory").await.0, 202);
    eventually("a page is read", SOON, async || read_model(&process).await["filled"] == 2).await;
    let fence = "SELECT fence FROM read_models";
    let before = count(&process, fence).await;
    // It has an owner by now: the other copy leaves it alone.
    let other = Copy::start(&process.inventory, &url).await;
    // The owner leaves with its question for the next page.
    feed.allow(1);
    process.go_on_with(other).await;
    feed.allow(10);
    eventually("it is served", SOON, async || read_model(&process).await["state"] == "served").await;
    assert_eq!(figures(&process).await, json!({ "available": 2, "pending": 1, "sold": 1 }));
    assert!(count(&process, fence).await > before, "each owner has a fence of its own");
    assert!(feed.asked.load(Ordering::Relaxed) <= 5, "no page but the one that was on its way was read twice");
    process.inventory.assert_balanced().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_whose_source_is_away_says_so_and_waits_for_it() {
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let process = Running::beside(&[], &format!("http://{closed}")).await;
    process.publish(&news(1, "PET_CREATED", "available", 1)).await;
    eventually("it is counted", SOON, async || figures(&process).await["available"] == 1).await;
    assert_eq!(rebuild(&process, "inventory").await.0, 202);
    let trouble = async || {
        let found = read_model(&process).await;
        found["trouble"].as_str().is_some_and(|why| why.contains("its source does not answer")).then_some(found)
    };
    let found = eventually("what is in its way is said", SOON, trouble).await;
    assert_eq!((&found["state"], &found["filled"]), (&json!("filling"), &json!(0)), "{found}");
    assert_eq!(figures(&process).await["available"], 1);
    let verify = process.client.request(Method::GET, format!("{}/admin/verify?after=inventory", process.url));
    assert_eq!(answer(verify.send().await.unwrap()).await.0, 503, "nor can it be held against anything");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_answer_said_is_no_place_to_go_on_from() {
    let (_, url) = Feed::start(&PETS, 100).await;
    let process = Running::beside(&[], &url).await;
    let from = async |place: &str| {
        let verify = format!("{}/admin/verify?after=inventory/{place}", process.url);
        answer(process.client.get(verify).send().await.unwrap()).await
    };
    let most = i64::MAX;
    for place in [
        format!("0/{most}/0"),
        format!("0/0/{most}"),
        format!("9/0/{}", i64::MIN),
        "9/0/-200000000000000".to_owned(),
        "-1/0/0".to_owned(),
        "0/-1/0".to_owned(),
        "0/0".to_owned(),
        "x".to_owned(),
    ] {
        let (status, problem) = from(&place).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:sagaforge:problem:invalid_parameter")), "{place}");
    }
    let (status, part) = from("0/7/1700000000123").await;
    assert_eq!((status, &part["next"]), (200, &json!("inventory/2/9/1700000000123")), "{part}");
    let (status, end) = from(&format!("9/{most}/0")).await;
    assert_eq!((status, &end["next"]), (200, &json!(null)), "{end}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_feed_does_not_say_is_named() {
    let (_, url) = Feed::start(&PETS, 100).await;
    let process = Running::beside(&[], &url).await;
    assert_eq!(rebuild(&process, "inventory").await.0, 202);
    eventually("it is served", SOON, async || read_model(&process).await["state"] == "served").await;
    assert_eq!(verified(&process).await, Vec::<String>::new());
    let wrong = format!(
        "UPDATE pets SET status = 'pending' WHERE pet = '{}'; UPDATE pets SET version = 9 WHERE pet = '{}';
         UPDATE pets SET version = 1 WHERE pet = '{}'; DELETE FROM pets WHERE pet = '{}';
         INSERT INTO pets SELECT gen_random_uuid(), 'sold', 1, 1, now() - interval '1 hour' FROM generate_series(1, 2);
         UPDATE pets SET updated_at = now() - interval '1 hour'",
        pet(1),
        pet(2),
        pet(3),
        pet(8)
    );
    process.inventory.owner.batch_execute(&wrong).await.unwrap();
    let expected = [
        format!("pet {}: pending at version 1; pet-service says available", pet(1)),
        format!("pet {}: at version 9, which pet-service never had", pet(2)),
        format!("pet {}: at version 1; pet-service is at 3", pet(3)),
        format!("pet {}: not in the read model; pet-service has it at version 1", pet(8)),
        "inventory: the read model has 6 pets, pet-service has 5".to_owned(),
    ];
    assert_eq!(verified(&process).await, expected);
    process.stop().await;
}
