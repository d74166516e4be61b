//! What fails: a message that does, in whatever way, holds nothing back, and a loop that does takes the process with it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use saga_core::{Body, Message, Time};
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_runtime::{
    Decided, Handler, Handling, Process, ProcessError, Spec, StoreError, Transaction, Verdict, clock, store,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::process::{SOON, TOPOLOGY};

/// Puts each note off once; then it takes it, or panics at the sight of a bad one.
#[derive(Default)]
struct Nervous(Mutex<BTreeSet<Uuid>>);

impl Handler for Nervous {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async move { Ok(Decided::nothing_to_write(batch.iter().map(|note| self.on_note(note)).collect())) })
    }
}

impl Nervous {
    fn on_note(&self, note: &Message) -> Verdict {
        let is_new = self.0.lock().unwrap().insert(note.id);
        match (is_new, note.subject.as_str()) {
            (true, _) => Verdict::PutOff { reason: "not now".to_owned() },
            (false, "bad") => panic!("on purpose"),
            (false, _) => Verdict::send(Vec::new()),
        }
    }
}

/// Takes every note but bad ones: those it panics at, each time.
struct Frail;

impl Handler for Frail {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async move {
            assert!(batch.iter().all(|note| note.subject != "bad"), "this is meant to panic");
            Ok(Decided::nothing_to_write(batch.iter().map(|_| Verdict::send(Vec::new())).collect()))
        })
    }
}

/// Takes every note but bad ones: those it fails at, with a text that PostgreSQL cannot hold.
struct Picky;

impl Handler for Picky {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async move {
            if batch.iter().any(|note| note.subject == "bad") {
                return Err(StoreError::Corrupt { what: "a note".to_owned(), why: "it has \0 in it".to_owned() });
            }
            Ok(Decided::nothing_to_write(batch.iter().map(|_| Verdict::send(Vec::new())).collect()))
        })
    }
}

/// Comes to no end, and tells when it begins.
struct Stuck(CancellationToken);

impl Handler for Stuck {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, _: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async move {
            self.0.cancel();
            std::future::pending().await
        })
    }
}

/// A process that takes notes, and its database as the owner sees it.
struct Desk {
    servers: Servers,
    client: Client,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ProcessError>>,
}

impl Desk {
    /// Opens it with this handler, and waits until it consumes its queue.
    async fn open(handler: impl Handler) -> Self {
        let servers = Servers::claim().await;
        let database = servers.database("desk").await;
        let (mut process, stop) = (process(&servers, &database), CancellationToken::new());
        process.consume("notes.taken", Arc::new(handler));
        let served = tokio::spawn(process.serve(listener().await, Router::new(), stop.clone()));
        let client = database.connect().await;
        eventually("the queue is there", SOON, async || {
            let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
            channel.queue_declare("notes.taken".into(), options, lapin::types::FieldTable::default()).await.is_ok()
        })
        .await;
        Self { servers, client, stop, served }
    }

    async fn publish(&self, notes: &[Message]) {
        publish(&self.servers, notes.iter().map(Message::to_bytes)).await;
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.map_or(-1, |row| row.get(0))
    }

    /// Waits until so many notes were taken.
    async fn takes(&self, notes: i64) {
        let taken = async || self.count("SELECT count(*) FROM inbox").await == notes;
        eventually("the good notes are taken", SOON, taken).await;
    }

    /// Waits until these bytes are parked with this reason.
    async fn parks(&self, bytes: &[u8], reason: &str) {
        let sql = "SELECT count(*) FROM parked WHERE body = $1 AND reason = $2";
        let parked = async || self.client.query_one(sql, &[&bytes, &reason]).await.unwrap().get::<_, i64>(0) == 1;
        eventually("it is parked", SOON, parked).await;
    }

    async fn close(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

pub(crate) fn process(servers: &Servers, database: &Database) -> Process {
    let spec = Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    Process::new(spec, process_config(database, servers)).unwrap()
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a client that knows nothing of the relay")]
async fn publish(servers: &Servers, notes: impl Iterator<Item = Vec<u8>>) {
    let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for body in notes {
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), "notes.taken".into(), options, &body, BasicProperties::default());
        sent.await.unwrap().await.unwrap();
    }
    connection.close(0, "done".into()).await.unwrap();
}

pub(crate) fn note(id: u128, subject: &str) -> Message {
    let body = Body { kind: "NOTE_TAKEN", version: 1, data: json!({}) };
    Message::new(Uuid::from_u128(id), "stranger", subject, body, clock::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_put_off_and_panics_is_put_off_again_and_holds_nothing_back() {
    let desk = Desk::open(Nervous::default()).await;
    desk.publish(&[note(1, "bad"), note(2, "good")]).await;
    desk.takes(1).await;
    let again = "SELECT count(*) FROM deferred WHERE attempt > 1 AND reason LIKE '%the handler panicked%'";
    eventually("the bad one is put off again", SOON, async || desk.count(again).await == 1).await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_panics_each_time_is_put_off_and_costs_none_of_its_neighbours_a_delivery() {
    let desk = Desk::open(Frail).await;
    let good = (2..=20).map(|id| note(id, "good"));
    desk.publish(&Vec::from_iter(std::iter::once(note(1, "bad")).chain(good))).await;
    desk.takes(19).await;
    let put_off = "SELECT count(*) FROM deferred WHERE reason LIKE '%the handler panicked%'";
    eventually("the bad one is put off", SOON, async || desk.count(put_off).await == 1).await;
    assert_eq!(desk.count("SELECT count(*) FROM parked").await, 0);
    let again = "SELECT count(*) FROM deferred WHERE (incoming ->> 'delivery_count')::int > 0";
    assert_eq!(desk.count(again).await, 0, "nothing went back to the broker");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_while_it_is_put_off_keeps_it_from_neither_its_turn_nor_its_end() {
    let desk = Desk::open(Frail).await;
    let bad = note(1, "bad");
    desk.publish(std::slice::from_ref(&bad)).await;
    let waits = async |attempt: i32| {
        desk.count(&format!("SELECT count(*) FROM deferred WHERE attempt = {attempt} AND due_at > now()")).await == 1
    };
    eventually("it is put off", SOON, async || waits(2).await).await;
    // As if it had failed for a quarter of an hour; and whoever waits for an answer asks again, between others.
    desk.client.batch_execute("UPDATE deferred SET attempt = 20, due_at = now() + interval '1 hour'").await.unwrap();
    for (good, handled) in [(2, 1), (3, 2), (4, 3)] {
        desk.publish(&[note(good, "good")]).await;
        desk.takes(handled).await;
        desk.publish(std::slice::from_ref(&bad)).await;
    }
    desk.publish(&[note(5, "good")]).await;
    desk.takes(4).await;
    assert!(waits(20).await, "it is as far as it was");
    desk.client.batch_execute("UPDATE deferred SET due_at = now()").await.unwrap();
    desk.parks(&bad.to_bytes(), "put_off_too_often").await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_message_is_stored_whatever_it_quotes() {
    let desk = Desk::open(Picky).await;
    let bad = String::from_utf8(note(3, "nameless").to_bytes()).unwrap();
    let nameless = bad.replace(&Uuid::from_u128(3).to_string(), "\\u0000");
    publish(&desk.servers, [nameless.clone().into_bytes()].into_iter()).await;
    desk.publish(&[note(1, "bad"), note(2, "good")]).await;
    desk.takes(1).await;
    desk.parks(nameless.as_bytes(), "not_an_envelope").await;
    let put_off = "SELECT count(*) FROM deferred WHERE reason LIKE '%it has \u{fffd} in it%'";
    eventually("the bad one is put off", SOON, async || desk.count(put_off).await == 1).await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_even_be_put_off_is_parked_as_its_bytes_and_holds_nothing_back() {
    let desk = Desk::open(Picky).await;
    // One of them waits already, and is due; from now on nothing can be put off.
    let (waiting, arriving) = (note(1, "bad"), note(2, "bad"));
    let sql = "INSERT INTO deferred (queue, key, attempt, due_at, reason, incoming, body)
               VALUES ('notes.taken', 'x', 1, now() + interval '1 s', 'by hand', '{}', $1)";
    desk.client.execute(sql, &[&waiting.to_bytes()]).await.unwrap();
    let closed = "ALTER TABLE deferred ADD CONSTRAINT closed CHECK (attempt = 0) NOT VALID";
    desk.client.batch_execute(closed).await.unwrap();
    desk.publish(&[arriving.clone(), note(3, "good")]).await;
    desk.takes(1).await;
    for bad in [waiting, arriving] {
        desk.parks(&bad.to_bytes(), "cannot_be_put_off").await;
    }
    assert_eq!(desk.count("SELECT count(*) FROM deferred").await, 0);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_panics_takes_the_process_with_it() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let mut process = process(&servers, &database);
    process.background("nightmare", |_| async { panic!("on purpose") });
    let served = process.serve(listener().await, Router::new(), CancellationToken::new());
    let ended = tokio::time::timeout(SOON + Duration::from_secs(10), served).await;
    assert!(matches!(ended, Ok(Err(ProcessError::Loop("nightmare")))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_handler_and_whose_client_come_to_no_end_leaves_in_time_and_its_message_goes_back() {
    let (handling, asking) = (CancellationToken::new(), CancellationToken::new());
    let (servers, stop) = (Servers::claim().await, CancellationToken::new());
    let database = servers.database("desk").await;
    let (mut process, listener) = (process(&servers, &database), listener().await);
    process.consume("notes.taken", Arc::new(Stuck(handling.clone())));
    let asked = asking.clone();
    let endless = move || async move {
        asked.cancel();
        std::future::pending::<()>().await;
    };
    let url = format!("http://{}/endless", listener.local_addr().unwrap());
    let routes = Router::new().route("/endless", axum::routing::get(endless));
    let served = tokio::spawn(process.serve(listener, routes, stop.clone()));
    let channel = async || {
        let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    };
    let look = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    let waiting = async || {
        let queue = channel().await.queue_declare("notes.taken".into(), look, Default::default()).await;
        queue.ok().map(|queue| queue.message_count())
    };
    eventually("the queue is there", SOON, async || waiting().await.is_some()).await;
    publish(&servers, [note(1, "any").to_bytes()].into_iter()).await;
    handling.cancelled().await;
    let client =
        tokio::spawn(async move { reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await });
    asking.cancelled().await;

    stop.cancel();
    let left = tokio::time::timeout(Duration::from_secs(13), served).await;
    left.expect("it leaves within 10 s, and some for a machine that has much to do").unwrap().unwrap();
    eventually("the message is back", SOON, async || waiting().await == Some(1)).await;
    client.abort();
}
