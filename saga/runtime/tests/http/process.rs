//! A whole process on real servers, which takes notes and files them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use saga_core::{Binding, Body, Exchange, ExchangeType, Ids, Message, MessageType, Queue, QueueType, Time, Topology};
use saga_runtime::broker::batch::Batches;
use saga_runtime::config::ProcessConfig;
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_runtime::{
    Decided, Handler, Handling, Process, ProcessError, Secret, Spec, Transaction, Verdict, Writer, clock, store,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) static TOPOLOGY: Topology = Topology {
    exchanges: &[
        Exchange { name: "notes", kind: ExchangeType::Topic },
        Exchange { name: "dead-letters", kind: ExchangeType::Topic },
    ],
    queues: &[Queue {
        name: "notes.taken",
        kind: QueueType::Quorum,
        consumer: "desk",
        bindings: &[Binding { exchange: "notes", key: "note.taken" }],
    }],
    types: &[message("NOTE_TAKEN", "note.taken", true), message("NOTE_FILED", "note.filed", false)],
};

const fn message(name: &'static str, key: &'static str, must_be_taken: bool) -> MessageType {
    MessageType { name, version: 1, source: "desk", exchange: "notes", key, must_be_taken, check: |_| Ok(()) }
}

/// Files notes, unless the desk is closed: then it parks them.
struct Desk {
    ids: Ids,
    closed: Arc<AtomicBool>,
}

impl Handler for Desk {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(
            async move { Ok(Decided::nothing_to_write(batch.iter().map(|note| self.on_note(note, now)).collect())) },
        )
    }
}

impl Desk {
    fn on_note(&self, note: &Message, now: Time) -> Verdict {
        if self.closed.load(Ordering::SeqCst) {
            return Verdict::Park { reason: "desk_closed", detail: "the desk is closed".to_owned() };
        }
        let body = Body { kind: "NOTE_FILED", version: 1, data: note.data.clone() };
        let id = self.ids.event_caused(note.id, "NOTE_FILED");
        Verdict::send(vec![Message::caused_by(note, id, "desk", &note.subject, body, now)])
    }
}

/// The process while it runs. Stop it with [`Running::stop`].
pub(crate) struct Running {
    pub(crate) servers: Servers,
    pub(crate) database: Database,
    pub(crate) closed: Arc<AtomicBool>,
    pub(crate) channel: Channel,
    pub(crate) writer: Writer,
    _connection: Connection,
    http: reqwest::Client,
    url: String,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl Running {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let servers = Servers::claim().await;
        let database = servers.database("desk").await;
        let closed = Arc::new(AtomicBool::new(false));
        let shutdown = CancellationToken::new();
        let (url, writer, served) = serve(&servers, &database, &closed, &shutdown).await;
        let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let running =
            Self { servers, database, closed, channel, writer, _connection: connection, http, url, shutdown, served };
        eventually("the desk is ready", SOON, async || running.get("/readyz").await.0 == 200).await;
        running
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap();
    }

    pub(crate) fn close_desk(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Posts as the operator `tester`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(self.servers.token());
        answer(request.json(&body)).await
    }

    /// Posts this body, of this type, as the operator `tester`; an empty one without a type.
    pub(crate) async fn post_bytes(&self, path: &str, body: &'static str, kind: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(self.servers.token()).body(body);
        answer(if body.is_empty() { request } else { request.header("content-type", kind) }).await
    }

    pub(crate) async fn post_as_nobody(&self, path: &str) -> (u16, Value) {
        answer(self.http.post(format!("{}{path}", self.url)).json(&json!({"reason": "why not"}))).await
    }

    /// Publishes bytes straight into the queue, with a header of their own.
    #[expect(clippy::disallowed_methods, reason = "a client that knows nothing of the relay")]
    pub(crate) async fn publish(&self, body: &[u8]) {
        let mut headers = FieldTable::default();
        headers.insert("x-origin".into(), AMQPValue::LongString("a test".into()));
        let properties = BasicProperties::default().with_headers(headers).with_app_id("stranger".into());
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish("".into(), "notes.taken".into(), options, body, properties).await;
        sent.unwrap().await.unwrap();
    }

    /// Publishes a note of a saga, and gives the saga and the note.
    pub(crate) async fn publish_note(&self, subject: &str) -> Message {
        let ids = ids();
        let id = ids.event_at(subject, 1, "NOTE_TAKEN");
        let body = Body { kind: "NOTE_TAKEN", version: 1, data: json!({"text": subject}) };
        let mut note = Message::new(id, "stranger", subject, body, clock::now());
        note.saga_id = Some(saga_of(subject));
        self.publish(&note.to_bytes()).await;
        note
    }

    /// Waits for that many messages to be parked and lists them.
    pub(crate) async fn parked(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} messages are parked"), SOON, async || {
            let (_, list) = self.get("/admin/parked").await;
            let parked = list["parked"].as_array().unwrap().clone();
            (parked.len() == count).then_some(parked)
        })
        .await
    }

    /// What the process sent for a saga, once there is something.
    pub(crate) async fn sent_for(&self, saga: Uuid) -> Vec<Value> {
        eventually("the desk sent something", SOON, async || {
            let (_, list) = self.get(&format!("/admin/journal?saga={saga}")).await;
            let messages = list["messages"].as_array().unwrap().clone();
            (!messages.is_empty()).then_some(messages)
        })
        .await
    }
}

fn ids() -> Ids {
    Ids::new(&idforge::Salt::new(saga_runtime::testing::SALT).unwrap(), "petstore.example")
}

/// The saga that a note belongs to.
pub(crate) fn saga_of(subject: &str) -> Uuid {
    ids().event_at(subject, 0, "SAGA")
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn serve(
    servers: &Servers,
    database: &Database,
    closed: &Arc<AtomicBool>,
    shutdown: &CancellationToken,
) -> (String, Writer, JoinHandle<()>) {
    let spec = Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    let mut process = Process::new(spec, process_config(database, servers)).unwrap();
    process.consume("notes.taken", Arc::new(Desk { ids: process.ids(), closed: Arc::clone(closed) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let writer = process.writer();
    let served = process.serve(listener, Router::new(), shutdown.clone());
    (url, writer, tokio::spawn(async move { served.await.unwrap() }))
}

#[tokio::test]
async fn a_url_that_is_none_is_named_by_its_setting_and_without_its_password() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let spec = || Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    let wrong = || Secret::new("postgres://me:a-word@[::1/desk");
    let app = ProcessConfig { database_url: wrong(), ..process_config(&database, &servers) };
    let owner = ProcessConfig { database_owner_url: Some(wrong()), ..process_config(&database, &servers) };
    for (config, setting) in [(app, "DATABASE_URL"), (owner, "DATABASE_OWNER_URL")] {
        let said = Process::new(spec(), config).map(drop).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{setting} is no PostgreSQL URL")) && !said.contains("a-word"), "{said}");
    }
}

#[tokio::test]
async fn a_process_that_would_put_batches_into_the_stream_does_not_start() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let spec = || Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    let config = |event_stream| {
        let mut config = process_config(&database, &servers);
        (config.batches, config.event_stream) = (Batches::All, event_stream);
        config
    };
    assert!(matches!(Process::new(spec(), config(true)), Err(ProcessError::BatchesInStream)));
    assert!(Process::new(spec(), config(false)).is_ok());
}
