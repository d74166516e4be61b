//! What panics: a message that does holds nothing back, and a loop that does takes the process with it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use saga_core::{Body, Message, Time};
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_runtime::{Decided, Handler, Handling, Process, ProcessError, Spec, Transaction, Verdict, clock, store};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::process::{SOON, TOPOLOGY};

/// Puts each note off once; then it takes it, or panics at the sight of a bad one.
#[derive(Default)]
struct Nervous(Mutex<BTreeSet<Uuid>>);

impl Handler for Nervous {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [Message], _: Time) -> Handling<'a> {
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

fn process(servers: &Servers, database: &Database) -> Process {
    let spec = Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    Process::new(spec, process_config(database, servers)).unwrap()
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a client that knows nothing of the relay")]
async fn publish(servers: &Servers, notes: &[Message]) {
    let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for note in notes {
        let (options, body) = (BasicPublishOptions::default(), note.to_bytes());
        let sent = channel.basic_publish("".into(), "notes.taken".into(), options, &body, BasicProperties::default());
        sent.await.unwrap().await.unwrap();
    }
    connection.close(0, "done".into()).await.unwrap();
}

fn note(id: u128, subject: &str) -> Message {
    let body = Body { kind: "NOTE_TAKEN", version: 1, data: json!({}) };
    Message::new(Uuid::from_u128(id), "stranger", subject, body, clock::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_put_off_and_panics_is_put_off_again_and_holds_nothing_back() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let (mut process, stop) = (process(&servers, &database), CancellationToken::new());
    process.consume("notes.taken", Arc::new(Nervous::default()));
    let served = tokio::spawn(process.serve(listener().await, Router::new(), stop.clone()));
    let client = database.connect().await;
    let count = async |sql: &str| client.query_one(sql, &[]).await.map_or(-1, |row| row.get::<_, i64>(0));
    let there =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'desk' AND datname = current_database()";
    eventually("the desk is open", SOON, async || count(there).await > 0).await;
    let notes = [note(1, "bad"), note(2, "good")];
    eventually("the queue is there", SOON, async || {
        let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        channel.queue_declare("notes.taken".into(), options, lapin::types::FieldTable::default()).await.is_ok()
    })
    .await;
    publish(&servers, &notes).await;
    let taken = "SELECT count(*) FROM inbox WHERE id = '00000000-0000-0000-0000-000000000002'";
    eventually("the good one is taken", SOON, async || count(taken).await == 1).await;
    let again = "SELECT count(*) FROM deferred WHERE attempt > 1 AND reason LIKE '%the handler panicked%'";
    eventually("the bad one is put off again", SOON, async || count(again).await == 1).await;
    stop.cancel();
    served.await.unwrap().unwrap();
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
