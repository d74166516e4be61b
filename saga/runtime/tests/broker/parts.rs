//! What the tests share: a small topology, marks and handlers in memory, a look into queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use saga_runtime::StoreError;
use saga_runtime::broker::topology::Options;
use saga_runtime::broker::{
    Broker, Company, Deliver, GivenUp, Incoming, Link, Mark, Marks, Outbound, Properties, Settled,
};
use saga_runtime::core::{Binding, Exchange, ExchangeType, Queue, QueueType, Route, Topology};
use saga_runtime::secret::Secret;
use saga_runtime::testing::{Servers, eventually};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const WORK: &str = "work";
pub(crate) const DECLARED: Options = Options { passive: false, event_stream: false };

pub(crate) static TOPOLOGY: Topology = Topology {
    exchanges: &[
        Exchange { name: "things", kind: ExchangeType::Topic },
        Exchange { name: "commands", kind: ExchangeType::Direct },
        Exchange { name: "dead-letters", kind: ExchangeType::Topic },
    ],
    queues: &[
        Queue {
            name: WORK,
            kind: QueueType::Quorum,
            consumer: "test",
            bindings: &[Binding { exchange: "things", key: "thing.#" }, Binding { exchange: "commands", key: "test" }],
        },
        Queue {
            name: "dead-letters",
            kind: QueueType::DeadLetters,
            consumer: "test",
            bindings: &[Binding { exchange: "dead-letters", key: "#" }],
        },
        Queue {
            name: "event-log",
            kind: QueueType::Stream,
            consumer: "",
            bindings: &[Binding { exchange: "things", key: "#" }],
        },
    ],
    types: &[],
};

pub(crate) fn broker(servers: &Servers, options: Options) -> Broker {
    Broker::new(&Secret::new(servers.amqp_url()), "test", &TOPOLOGY, options).unwrap()
}

/// A broker in whose vhost everything is declared.
pub(crate) async fn declared(servers: &Servers) -> Broker {
    let broker = broker(servers, DECLARED);
    broker.declare().await.unwrap();
    broker
}

pub(crate) async fn connect(servers: &Servers) -> Connection {
    Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap()
}

pub(crate) fn to_work() -> Route {
    Route { exchange: "commands".to_owned(), key: "test".to_owned(), mandatory: true }
}

pub(crate) fn event() -> Route {
    Route { exchange: "things".to_owned(), key: "thing.noted".to_owned(), mandatory: true }
}

pub(crate) fn to_nobody() -> Route {
    Route { exchange: "commands".to_owned(), key: "nobody".to_owned(), mandatory: true }
}

pub(crate) fn outbound(number: i64, route: Route) -> Outbound {
    let properties = Properties {
        message_id: format!("m{number}"),
        correlation_id: "c".to_owned(),
        kind: "DO_THING".to_owned(),
        app_id: "test".to_owned(),
        timestamp: 1_700_000_000,
    };
    Outbound { mark: Mark::alone(number), route, properties, body: number.to_string().into_bytes() }
}

pub(crate) fn number(body: &[u8]) -> i64 {
    std::str::from_utf8(body).unwrap().parse().unwrap()
}

/// How many messages wait in a queue, with nobody having them in hand.
pub(crate) async fn ready(channel: &Channel, queue: &str) -> u32 {
    state(channel, queue).await.message_count()
}

/// How many consume a queue.
pub(crate) async fn consumers(channel: &Channel, queue: &str) -> u32 {
    state(channel, queue).await.consumer_count()
}

/// How many messages wait in a queue once its consumers, and what they had in hand, are gone.
pub(crate) async fn left(channel: &Channel, queue: &str) -> u32 {
    eventually("the queue has no consumers", PATIENCE, async || {
        let state = state(channel, queue).await;
        (state.consumer_count() == 0).then_some(state.message_count())
    })
    .await
}

/// So long RabbitMQ waits for a quorum queue to say what it holds; then it answers that there is nothing, and nobody.
const ASKED_IN_VAIN: Duration = Duration::from_millis(250);

async fn state(channel: &Channel, queue: &str) -> lapin::Queue {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    loop {
        let asked = Instant::now();
        let state = channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        if (state.message_count(), state.consumer_count()) != (0, 0) || asked.elapsed() < ASKED_IN_VAIN {
            return state;
        }
    }
}

/// Takes everything out of a queue, in order.
pub(crate) async fn emptied(channel: &Channel, queue: &str) -> Vec<i64> {
    let mut numbers = Vec::new();
    while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        numbers.push(number(&got.delivery.data));
    }
    numbers
}

pub(crate) async fn up(broker: &Broker) {
    let mut link = broker.watch_publishing();
    tokio::time::timeout(PATIENCE, link.wait_for(|link| *link == Link::Up)).await.unwrap().unwrap();
}

/// The name of the connection of this purpose, as the management API knows it.
pub(crate) async fn connection_name(servers: &Servers, purpose: &str) -> String {
    let url = format!("{}api/vhosts/{}/connections", servers.management_url(), servers.vhost());
    eventually(&format!("RabbitMQ lists the {purpose} connection"), PATIENCE, async || {
        let connections: Value = client().get(&url).send().await.ok()?.json().await.ok()?;
        let all = connections.as_array()?.iter();
        let mut ours = all.filter(|connection| connection["client_properties"]["purpose"] == purpose);
        Some(ours.next()?["name"].as_str()?.to_owned())
    })
    .await
}

/// Closes a connection as an operator would.
pub(crate) async fn kill(servers: &Servers, name: &str) {
    let mut url: reqwest::Url = servers.management_url().parse().unwrap();
    url.path_segments_mut().unwrap().clear().extend(["api", "connections", name]);
    client().delete(url).send().await.unwrap().error_for_status().unwrap();
}

/// Leaves the test's user only these rights, as patterns of names.
pub(crate) async fn restrict(servers: &Servers, configure: &str, write: &str) {
    let path = format!("{}api/permissions/{}/{}", servers.management_url(), servers.vhost(), servers.vhost());
    let rights = serde_json::json!({ "configure": configure, "write": write, "read": ".*" });
    client().put(path).json(&rights).send().await.unwrap().error_for_status().unwrap();
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Marks in memory. Those handed in as leftovers are found by the sweep, once.
#[derive(Default)]
pub(crate) struct MemoryMarks {
    pub(crate) leftovers: Mutex<Vec<Outbound>>,
    pub(crate) removed: Mutex<BTreeMap<i64, usize>>,
    /// Marks of which only some was published.
    pub(crate) narrowed: Mutex<Vec<Settled>>,
}

impl MemoryMarks {
    pub(crate) fn removed(&self) -> BTreeSet<i64> {
        self.removed.lock().unwrap().keys().copied().collect()
    }
}

impl Marks for MemoryMarks {
    fn settled<'a>(&'a self, marks: &'a [Settled]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (whole, partly): (Vec<Settled>, Vec<Settled>) = marks.iter().partition(|mark| mark.wholly());
            let mut removed = self.removed.lock().unwrap();
            whole.iter().for_each(|mark| *removed.entry(mark.id).or_default() += 1);
            self.narrowed.lock().unwrap().extend(partly);
            Ok(())
        })
    }

    fn leftovers<'a>(&'a self, limit: i64) -> BoxFuture<'a, Result<Vec<Outbound>, StoreError>> {
        Box::pin(async move {
            let mut leftovers = self.leftovers.lock().unwrap();
            let some = leftovers.len().min(usize::try_from(limit).unwrap());
            Ok(leftovers.drain(..some).collect())
        })
    }
}

type Patience = Box<dyn Fn(&Incoming) -> Company + Send + Sync>;
type Answer = Box<dyn Fn(&[Incoming]) -> Result<(), GivenUp> + Send + Sync>;

/// Writes down what is delivered, and does as it is told.
pub(crate) struct Recorder {
    pub(crate) batches: Mutex<Vec<Vec<Incoming>>>,
    /// One permit for each batch that may return.
    pub(crate) gate: Semaphore,
    /// Whether it takes messages.
    door: watch::Receiver<bool>,
    company: Patience,
    answer: Answer,
}

impl Recorder {
    pub(crate) fn new(answer: impl Fn(&[Incoming]) -> Result<(), GivenUp> + Send + Sync + 'static) -> Arc<Self> {
        Self::behind(watch::Sender::new(true).subscribe(), answer)
    }

    /// One that takes messages only while this is true.
    pub(crate) fn behind(
        door: watch::Receiver<bool>,
        answer: impl Fn(&[Incoming]) -> Result<(), GivenUp> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { door, answer: Box::new(answer), ..Self::willing() })
    }

    /// One whose batches return only as the test lets them.
    pub(crate) fn gated() -> Arc<Self> {
        Arc::new(Self { gate: Semaphore::new(0), ..Self::willing() })
    }

    /// One whose messages may wait for company.
    pub(crate) fn patient(company: impl Fn(&Incoming) -> Company + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { company: Box::new(company), ..Self::willing() })
    }

    /// One that takes everything, and at once.
    fn willing() -> Self {
        let (gate, door) = (Semaphore::new(Semaphore::MAX_PERMITS), watch::Sender::new(true).subscribe());
        let company = Box::new(|_: &Incoming| Company::default());
        Self { batches: Mutex::default(), gate, door, company, answer: Box::new(|_| Ok(())) }
    }

    pub(crate) fn numbers(&self) -> Vec<i64> {
        self.batches.lock().unwrap().iter().flatten().map(|message| number(&message.body)).collect()
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl Deliver for Recorder {
    fn deliver<'a>(&'a self, queue: &'static str, batch: Vec<Incoming>) -> BoxFuture<'a, Result<(), GivenUp>> {
        assert_eq!(queue, WORK);
        Box::pin(async move {
            self.batches.lock().unwrap().push(batch.clone());
            self.gate.acquire().await.unwrap().forget();
            (self.answer)(&batch)
        })
    }

    fn company(&self, queue: &'static str, message: &Incoming) -> Company {
        assert_eq!(queue, WORK);
        (self.company)(message)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        let mut door = self.door.clone();
        Box::pin(async move {
            // An error: nobody closes it any more.
            let _ = door.wait_for(|is_open| *is_open).await;
        })
    }
}
