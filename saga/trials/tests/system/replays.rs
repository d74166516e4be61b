//! Replays as durable operations: they add up, go on after a crash, and repeat nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use reqwest::Method;
use saga_runtime::testing::eventually;
use saga_trials::replayed::digest;
use serde_json::{Value, json};

use crate::command::{saga, text, told, word};
use crate::real::Real;
use crate::shop::{PATIENCE, Settings, Shop, count, order};

/// What a replay itself may write.
const ITS_OWN: [&str; 3] = ["replays", "replay_messages", "audit"];

pub(crate) async fn digests(shop: &Shop) -> Vec<BTreeMap<String, String>> {
    let all = join_all(shop.databases.each().map(digest)).await;
    let mut all: Vec<BTreeMap<String, String>> = all.into_iter().map(Result::unwrap).collect();
    all.iter_mut().for_each(|tables| tables.retain(|table, _| !ITS_OWN.contains(&table.as_str())));
    all
}

pub(crate) fn counters(replay: &Value) -> [i64; 5] {
    ["total", "pending", "done", "failed", "skipped"].map(|name| replay[name].as_i64().unwrap())
}

fn adds_up(replay: &Value) {
    let [total, pending, done, failed, skipped] = counters(replay);
    assert_eq!(total, pending + done + failed + skipped, "{replay}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_history_five_times_into_every_queue_bound_for_its_types_changes_no_row() {
    let shop = Shop::open(Settings::default()).await;
    shop.set_stock("FOOD", 5).await;
    for pet in 1..=6 {
        shop.add_pet(pet, 1000).await;
        shop.place(&format!("order-{pet}"), &order(pet, "ada", &[("FOOD", 1)])).await;
    }
    shop.settled().await;
    let before = digests(&shop).await;
    for _ in 0..5 {
        let replayed = told(&shop, &["replay", "log", "--from", "first"]).await;
        let replay = &replayed["replay"];
        let (duplicates, skipped) = (&replay["details"]["done"]["duplicate"], &replay["details"]["skipped"]);
        assert_eq!((word(replay, "state"), &replay["failed"], &replay["pending"]), ("finished", &json!(0), &json!(0)));
        assert_eq!(*duplicates, replay["done"], "every message that went out was one: {replayed}");
        // STOCK_SET and SAGA_COMPLETED are told to whoever listens, and nobody does.
        assert_eq!(skipped["no_queue_for_its_type"], replay["skipped"], "{replayed}");
        assert!(replay["done"].as_i64().unwrap() > 40, "{replayed}");
    }
    shop.settled().await;
    assert_eq!(digests(&shop).await, before, "no row changes");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_of_each_message_what_it_would_do_and_changes_nothing() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.place("order", &order(1, "ada", &[])).await;
    shop.settled().await;
    let broken = ["publish", "pet.events", "pet.updated", "--type", "PET_UPDATED", "--data", "{}"];
    told(&shop, &broken).await;
    let parked = "SELECT count(*) FROM parked WHERE state = 'parked'";
    eventually("it is parked", PATIENCE, async || count(&shop.databases.inventory, parked).await == 1).await;
    let before = digests(&shop).await;
    let history = told(&shop, &["replay", "log", "--from", "first", "--dry-run"]).await;
    let replay = &history["replay"];
    assert_eq!(replay["details"]["done"]["duplicate"], replay["done"], "{history}");
    let said = history["messages"].as_array().unwrap();
    let reserved = said.iter().filter(|remark| remark["type"] == "PET_RESERVED");
    let queues: Vec<&str> = reserved.map(|remark| word(remark, "queue")).collect();
    assert_eq!(queues, ["inventory.pet-events", "order.pet-events", "saga.inbox"], "each queue by itself");
    let failed = saga(&shop, &["replay", "parked", "--dry-run"]).await;
    assert_eq!(failed.status.code(), Some(1), "it would be parked again: {}", text(&failed.stderr));
    assert!(text(&failed.stdout).contains("would park") && text(&failed.stdout).contains("malformed_data"));
    assert_eq!(digests(&shop).await, before, "nothing at all has changed");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_handled_yet_would_apply_be_stale_or_meet_a_saga_that_has_ended() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.place("order", &order(1, "ada", &[])).await;
    shop.settled().await;
    let inbox = "SELECT count(*) FROM inbox WHERE consumer = 'inventory.pet-events'";
    eventually("all news of the pet is met", PATIENCE, async || count(&shop.databases.inventory, inbox).await == 3)
        .await;
    // As if these consumers had lost what they know of messages, and kept their states.
    shop.databases.inventory.batch_execute("DELETE FROM inbox").await.unwrap();
    shop.databases.sagas.batch_execute("DELETE FROM inbox").await.unwrap();
    let would = async |queue: &'static str| {
        let arguments = ["replay", "log", "--from", "first", "--to", queue, "--dry-run"];
        told(&shop, &arguments).await["replay"]["details"]["done"].clone()
    };
    // PET_RESERVED has no supplies to ask for; so each is news of the pet, or none.
    assert_eq!(would("inventory.pet-events").await, json!({"stale_version": 3}));
    assert_eq!(would("saga.inbox").await, json!({"change_nothing": 1, "saga_finished": 4}));
    shop.databases
        .inventory
        .batch_execute("DELETE FROM pets; UPDATE pet_counts SET available = 0, pending = 0, sold = 0")
        .await
        .unwrap();
    assert_eq!(would("inventory.pet-events").await, json!({"apply": 3}), "each by itself");
    shop.close().await;
}

/// Replays a queue in which something waits. Of one that is too busy to answer, RabbitMQ says that it holds nothing: such a
/// replay does nothing.
pub(crate) async fn replayed(shop: &Shop, queue: &str, how: &[&str]) -> Value {
    eventually(&format!("what waits in {queue} is seen"), PATIENCE, async || {
        let replayed = told(shop, &[&["replay", "queue", queue], how].concat()).await;
        (replayed["replay"]["total"] != 0).then_some(replayed)
    })
    .await
}

/// A queue of somebody else's, and a channel to it.
pub(crate) struct Theirs {
    channel: Channel,
    _connection: Connection,
}

impl Theirs {
    pub(crate) async fn declare(shop: &Shop, queues: &[&str]) -> Self {
        let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        for queue in queues {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare((*queue).into(), options, arguments).await.unwrap();
        }
        channel.confirm_select(Default::default()).await.unwrap();
        Self { channel, _connection: connection }
    }

    /// Publishes invoices `0..count` as their own kind of message, by turns of two types.
    #[expect(clippy::disallowed_methods, reason = "another team's client")]
    async fn fill(&self, queue: &str, count: usize) {
        let mut confirms = Vec::new();
        for n in 0..count {
            let kind = if n % 2 == 0 { "INVOICE_DUE" } else { "INVOICE_PAID" };
            let body = json!({ "invoice": n }).to_string();
            let properties = BasicProperties::default().with_type(kind.into());
            let sent = self.channel.basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                properties,
            );
            confirms.push(sent.await.unwrap());
        }
        join_all(confirms).await.into_iter().for_each(|confirm| drop(confirm.unwrap()));
    }

    /// Waits until so many messages wait in a queue: a moment after a replay is at its end, what it left there is back.
    pub(crate) async fn holds(&self, queue: &str, count: i64) {
        let what = format!("{count} messages wait in {queue}");
        eventually(&what, PATIENCE, async || self.waiting(queue).await == count).await;
    }

    /// How many messages wait in a queue.
    pub(crate) async fn waiting(&self, queue: &str) -> i64 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        declared.message_count().into()
    }

    /// Takes everything out of a queue, and gives the numbers of the invoices.
    async fn drain(&self, queue: &str) -> Vec<i64> {
        let mut numbers = Vec::new();
        while let Some(got) = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
            let body: Value = serde_json::from_slice(&got.delivery.data).unwrap();
            let invoice = body.get("invoice").unwrap_or(&body["data"]["invoice"]);
            numbers.push(invoice.as_i64().unwrap());
        }
        numbers
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_ours_is_sent_elsewhere_in_order_and_what_is_not_asked_for_stays_in_its_place() {
    let shop = Shop::open(Settings::default()).await;
    let theirs = Theirs::declare(&shop, &["billing.dead", "billing"]).await;
    theirs.fill("billing.dead", 20).await;
    theirs.holds("billing.dead", 20).await;
    let nowhere = replayed(&shop, "billing.dead", &[]).await;
    assert_eq!(counters(&nowhere["replay"]), [20, 0, 0, 0, 20], "nothing says where they came from: {nowhere}");
    assert_eq!(nowhere["replay"]["details"]["skipped"]["no_origin"], 20, "{nowhere}");
    theirs.holds("billing.dead", 20).await;
    let looked = replayed(&shop, "billing.dead", &["--to", "billing", "--dry-run"]).await;
    assert_eq!(looked["replay"]["done"], 20, "{looked}");
    theirs.holds("billing.dead", 20).await;
    let due = ["--to", "billing", "--where", "type=INVOICE_DUE", "--rate", "100"];
    let due = replayed(&shop, "billing.dead", &due).await;
    assert_eq!(counters(&due["replay"]), [20, 0, 10, 0, 10], "{due}");
    assert_eq!(theirs.drain("billing").await, (0..20).step_by(2).collect::<Vec<i64>>(), "in order");
    theirs.holds("billing.dead", 10).await;
    assert_eq!(
        theirs.drain("billing.dead").await,
        (1..20).step_by(2).collect::<Vec<i64>>(),
        "the others are there still"
    );
    let gone = saga(&shop, &["replay", "queue", "no.such.queue", "--to", "billing"]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("the queue no.such.queue does not exist"), "{}", text(&gone.stderr));
    shop.close().await;
}

/// Waits until nobody owns a replay any more: whoever delivered it has noticed what it was told, and let go of the queue.
async fn is_left(shop: &Shop, id: &str) {
    let left = format!("SELECT count(*) FROM replays WHERE id = '{id}' AND owned_until <= now()");
    eventually("its owner leaves it", PATIENCE, async || count(&shop.databases.sagas, &left).await == 1).await;
}

/// More than are delivered while the test looks, half a minute's worth.
const SLOW: i64 = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_rests_when_it_is_told_to_goes_on_and_is_cancelled_and_adds_up_all_the_time() {
    let shop = Shop::open(Settings::default()).await;
    let theirs = Theirs::declare(&shop, &["slow.dead", "slow"]).await;
    theirs.fill("slow.dead", usize::try_from(SLOW).unwrap()).await;
    let slow = ["--to", "slow", "--rate", "20", "--detach", "--reason", "a test"];
    let started = replayed(&shop, "slow.dead", &slow).await;
    let id = word(&started["replay"], "id").to_owned();
    let now = async || {
        let found = told(&shop, &["replay", "show", &id]).await["replay"].clone();
        adds_up(&found);
        found
    };
    eventually("some went out", PATIENCE, async || now().await["done"].as_i64().unwrap() > 3).await;
    told(&shop, &["replay", "pause", &id]).await;
    let again = saga(&shop, &["replay", "pause", &id]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is paused: it cannot be told to pause"), "{}", text(&again.stderr));
    is_left(&shop, &id).await;
    let resting = now().await;
    assert!(resting["pending"].as_i64().unwrap() > 0, "{resting}");
    told(&shop, &["replay", "resume", &id]).await;
    eventually("it goes on", PATIENCE, async || now().await["done"].as_i64() > resting["done"].as_i64()).await;
    told(&shop, &["replay", "cancel", &id]).await;
    let listed = told(&shop, &["replay", "list", "--state", "cancelled"]).await;
    assert_eq!(word(&listed["replays"][0], "id"), id);
    let audited = "SELECT string_agg(action, ', ' ORDER BY id) FROM audit WHERE target = $1";
    let audited: String = shop.databases.sagas.query_one(audited, &[&id]).await.unwrap().get(0);
    assert_eq!(audited, "replay, pause replay, resume replay, cancel replay");
    is_left(&shop, &id).await;
    let ended = now().await;
    let (mut there, mut here) = (Vec::new(), Vec::new());
    let found = eventually("all are in one of the two queues", PATIENCE, async || {
        there.extend(theirs.drain("slow").await);
        here.extend(theirs.drain("slow.dead").await);
        (there.len() + here.len() >= SLOW as usize).then(|| (there.clone(), here.clone()))
    });
    let (there, here) = found.await;
    let done = ended["done"].as_i64().unwrap();
    assert_eq!((there, here), ((0..done).collect(), (done..SLOW).collect()), "each once, in order: {ended}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_resumed_before_its_owner_noticed_the_pause_keeps_the_order_of_its_queue() {
    let shop = Shop::open(Settings::default()).await;
    let theirs = Theirs::declare(&shop, &["busy.dead", "busy"]).await;
    theirs.fill("busy.dead", 300).await;
    let started = replayed(&shop, "busy.dead", &["--to", "busy", "--rate", "60", "--detach"]).await;
    let id = word(&started["replay"], "id").to_owned();
    let url = format!("{}/admin/replays/{id}", shop.url("saga", 0));
    let say = async |what: &str| {
        shop.send(Method::POST, &format!("{url}/{what}"), &[shop.token()], Some(&json!({}))).await.status
    };
    // A beat is a quarter of a second: most owners are told both words within one.
    let (mut rests, mut done) = (0, 0);
    while done < 150 {
        if say("pause").await == 200 && say("resume").await == 200 {
            rests += 1;
        }
        eventually("more goes out", PATIENCE, async || {
            let replay = shop.send(Method::GET, &url, &[], None).await.body;
            adds_up(&replay);
            let more = replay["done"].as_i64().unwrap() > done;
            done = replay["done"].as_i64().unwrap();
            more
        })
        .await;
    }
    assert!(rests > 3, "it was told to rest {rests} times");
    let finished = async || shop.send(Method::GET, &url, &[], None).await.body["state"] == "finished";
    eventually("it is at its end", PATIENCE, finished).await;
    assert_eq!(theirs.drain("busy").await, (0..300).collect::<Vec<i64>>(), "each once, in order");
    assert_eq!(theirs.drain("busy.dead").await, Vec::<i64>::new());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_retention_and_not_dropped_yet_is_no_part_of_a_replay() {
    let shop = Shop::open(Settings::default()).await;
    let theirs = Theirs::declare(&shop, &["archive"]).await;
    make_history(&shop, 20, 31).await;
    make_history(&shop, 5, 29).await;
    for from in ["first", "2026-01-01T00:00:00Z"] {
        let replayed = told(&shop, &["replay", "log", "--from", from, "--to", "archive"]).await;
        assert_eq!(counters(&replayed["replay"]), [5, 0, 5, 0, 0], "{replayed}");
        assert!(word(&replayed["replay"], "begins") > word(&replayed["replay"]["plan"], "from"), "{replayed}");
        assert_eq!(theirs.drain("archive").await, [1, 2, 3, 4, 5]);
    }
    shop.close().await;
}

/// How many messages of history the orchestrator is killed over.
const MANY: i64 = 20_000;

/// Writes so many messages of history as a process would have sent them so many days ago.
async fn make_history(shop: &Shop, messages: i64, days: i64) {
    let sql = format!(
        "INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
         SELECT time::date, time, ARRAY[id], ARRAY['PET_UPDATED'], ARRAY[NULL::uuid], ARRAY[convert_to(json_build_object(
             'specversion', '1.0', 'id', id, 'source', 'pet-service', 'type', 'PET_UPDATED', 'subject', n::text,
             'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'schemaversion', 1,
             'data', json_build_object('invoice', n))::text, 'UTF8')]
         FROM generate_series(1, {messages}) n, LATERAL (SELECT md5('history ' || n)::uuid AS id) i,
             LATERAL (SELECT now() - interval '{days} days' AS time) t"
    );
    shop.databases.pets.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orchestrator_that_is_killed_in_the_middle_of_a_replay_goes_on_after_its_restart_and_adds_up() {
    let mut shop = Shop::open(Settings::default()).await;
    make_history(&shop, MANY, 0).await;
    let theirs = Theirs::declare(&shop, &["archive"]).await;
    shop.stop("saga").await;
    let mut process = Real::start(&shop, "saga").await;
    let plan = json!({ "source": "journals", "to": "archive", "reason": "a test" });
    let url = format!("{}/admin/replays", process.url);
    let started = shop.send(Method::POST, &url, &[shop.token()], Some(&plan)).await;
    assert_eq!(started.status, 201, "{started:?}");
    assert_eq!(started.body["total"], MANY, "{started:?}");
    let id = word(&started.body, "id").to_owned();
    let sagas = &shop.databases.sagas;
    let done = format!("SELECT done FROM replays WHERE id = '{id}'");
    let mut killed = 0;
    while killed < 2 {
        let before = count(sagas, &done).await;
        eventually("more goes out", PATIENCE, async || count(sagas, &done).await > before).await;
        process.kill();
        killed += 1;
        assert!(count(sagas, &done).await < MANY, "killed in the middle");
        process = Real::start(&shop, "saga").await;
    }
    let state = format!("SELECT count(*) FROM replays WHERE id = '{id}' AND state = 'finished'");
    eventually("it is at its end", PATIENCE * 2, async || count(sagas, &state).await == 1).await;
    let url = format!("{}/admin/replays/{id}", process.url);
    let replay = shop.send(Method::GET, &url, &[], None).await.body;
    assert_eq!(counters(&replay), [MANY, 0, MANY, 0, 0], "{replay}");
    let fence = count(sagas, &format!("SELECT fence FROM replays WHERE id = '{id}'")).await;
    assert!(fence > killed, "each owner has a fence of its own: {fence}");
    let mut arrived = theirs.drain("archive").await;
    let copies = arrived.len() as i64 - MANY;
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived.len() as i64, MANY, "nothing is missing");
    assert!(copies <= killed * 1000, "at most a chunk for each crash came twice: {copies}");
    process.kill();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_computed_again_and_what_disagrees_is_said() {
    let shop = Shop::open(Settings::default()).await;
    shop.set_stock("FOOD", 1).await;
    for pet in 1..=2 {
        shop.add_pet(pet, 1000).await;
        shop.place(&format!("order-{pet}"), &order(pet, "ada", &[("FOOD", 1)])).await;
    }
    shop.settled().await;
    let verified = told(&shop, &["verify"]).await;
    let processes = verified["processes"].as_array().unwrap();
    assert_eq!((processes.len(), &verified["disagree"]), (4, &json!(0)), "{verified}");
    let sent: i64 = processes.iter().map(|process| process["messages"].as_i64().unwrap()).sum();
    assert!(sent > 20, "{verified}");
    assert_eq!(processes.iter().map(|process| process["views"].as_i64().unwrap()).max(), Some(2), "{verified}");
    let odd = "UPDATE pet_counts SET sold = sold + 1 WHERE slot = 0";
    shop.databases.inventory.batch_execute(odd).await.unwrap();
    let forged = "UPDATE journal_entries SET ids[1] = gen_random_uuid() WHERE types[1] = 'PET_SOLD'";
    shop.databases.pets.batch_execute(forged).await.unwrap();
    let found = saga(&shop, &["verify"]).await;
    let said = text(&found.stdout);
    assert_eq!(found.status.code(), Some(1), "{said}");
    assert!(said.contains("unbalanced_pets must be empty") && said.contains("its row and its bytes differ"), "{said}");
    shop.close().await;
}
