//! A shop under test: copies of order-service, and everybody else played by the test.

use std::net::Ipv4Addr;
use std::time::Duration;

use idforge::Salt;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use order_service::config::Config;
use reqwest::{Client, RequestBuilder, StatusCode};
use saga_contract::messages::{ApproveOrder, CloseOrder, OrderRequested, OrderResult, PetReserved};
use saga_contract::{Currency, Money, PetStatus, Reason, queues, steps};
use saga_core::{Body, Direction, Ids, Message, Outcome, Payload, SagaCancelled, SagaPrepared, SagaRejected};
use saga_runtime::config::ProcessConfig;
use saga_runtime::testing::{Database, SALT, Servers, eventually, process_config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What every pet costs here.
pub(crate) const PRICE: i64 = 4_999;

/// Copies of order-service on servers of their own.
pub(crate) struct Shop {
    pub(crate) copies: Vec<Copy>,
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) ids: Ids,
    db: tokio_postgres::Client,
    broker: Connection,
    servers: Servers,
}

/// One running copy.
pub(crate) struct Copy {
    pub(crate) url: String,
    _stop: DropGuard,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) location: Option<String>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(1, Duration::from_secs(10)).await
    }

    /// So many copies, whose clients wait so long.
    pub(crate) async fn with(copies: usize, wait: Duration) -> Self {
        let servers = Servers::claim().await;
        let database = servers.database("orders").await;
        let mut running = Vec::new();
        for _ in 0..copies {
            let process = ProcessConfig { http_timeout: 2 * PATIENCE, ..process_config(&database, &servers) };
            running
                .push(Copy::start(Config { process, order_wait: wait, order_waiters: 200, order_waves: true }).await);
        }
        let broker = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        let shop = Self {
            copies: running,
            client: Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
            ids: Ids::new(&Salt::new(SALT).unwrap(), "petstore.example"),
            db: database.connect().await,
            database,
            broker,
            servers,
        };
        for copy in &shop.copies {
            let ready = format!("{}/readyz", copy.url);
            eventually("the process is ready", PATIENCE, async || {
                shop.client.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200)
            })
            .await;
        }
        shop
    }

    /// The address of something at the first copy.
    pub(crate) fn url(&self, path: &str) -> String {
        self.copies[0].at(path)
    }

    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.client.post(self.url("/store/order")).json(body)
    }

    /// A POST that is under way.
    pub(crate) fn placing(&self, request: RequestBuilder) -> JoinHandle<Told> {
        tokio::spawn(told(request))
    }

    pub(crate) async fn get(&self, id: i64) -> Told {
        told(self.client.get(self.url(&format!("/store/order/{id}")))).await
    }

    pub(crate) fn cancelling(&self, id: i64) -> JoinHandle<Told> {
        self.placing(self.client.delete(self.url(&format!("/store/order/{id}"))))
    }

    /// `approve` or `deliver`, as an operator.
    pub(crate) fn asking(&self, id: i64, what: &str) -> JoinHandle<Told> {
        let request = self.client.post(self.url(&format!("/store/order/{id}/{what}")));
        self.placing(request.bearer_auth(self.servers.token()))
    }

    /// The messages of a type that the shop sent, in order.
    pub(crate) async fn sent(&self, kind: &str) -> Vec<Message> {
        let rows = self.db.query("SELECT body FROM journal WHERE type = $1 ORDER BY seq", &[&kind]).await.unwrap();
        rows.iter().map(|row| Message::parse(row.get(0)).unwrap()).collect()
    }

    /// The one message of a type, as soon as it is there.
    pub(crate) async fn sends(&self, kind: &str) -> Message {
        let sent = eventually(&format!("{kind} is sent"), PATIENCE, async || {
            let sent = self.sent(kind).await;
            (!sent.is_empty()).then_some(sent)
        })
        .await;
        let [message] = sent.as_slice() else { panic!("{} x {kind}", sent.len()) };
        message.clone()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.db.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until a query counts to `expected`.
    pub(crate) async fn counts(&self, sql: &str, expected: i64) {
        eventually(&format!("{sql} is {expected}"), PATIENCE, async || self.count(sql).await == expected).await;
    }

    /// Puts a message into a queue.
    #[expect(clippy::disallowed_methods, reason = "the test plays somebody who publishes by any client")]
    pub(crate) async fn deliver(&self, queue: &str, body: &[u8]) {
        let channel = self.broker.create_channel().await.unwrap();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), queue.into(), options, body, properties).await.unwrap().await.unwrap();
        channel.close(200, "".into()).await.unwrap();
    }

    pub(crate) async fn hand_over(&self, message: &Message) {
        let queue = match message.kind.as_str() {
            "PET_RESERVED" => queues::ORDER_PET_EVENTS,
            "CLOSE_ORDER" | "APPROVE_ORDER" => queues::ORDER_COMMANDS,
            _ => queues::ORDER_SAGA_EVENTS,
        };
        self.deliver(queue, &message.to_bytes()).await;
    }

    /// The messages of the saga that `requested` starts.
    pub(crate) fn saga(&self, requested: &Message) -> Saga {
        let order: OrderRequested = requested.payload().unwrap();
        Saga { ids: self.ids.clone(), requested: requested.clone(), order }
    }

    /// Places an order of its own for a pet, as the whole system would.
    pub(crate) async fn placed(&self, pet: i64) -> (Saga, Told) {
        let before = self.sent("ORDER_REQUESTED").await.len();
        let placing = self.placing(self.post(&json!({"petId": pet})));
        let requested = eventually("the order is requested", PATIENCE, async || {
            self.sent("ORDER_REQUESTED").await.into_iter().nth(before)
        })
        .await;
        let saga = self.saga(&requested);
        self.hand_over(&saga.pet_reserved()).await;
        self.hand_over(&saga.prepared()).await;
        let told = placing.await.unwrap();
        assert_eq!((told.status, told.body["state"].as_str()), (StatusCode::OK, Some("placed")), "{told:?}");
        (saga, told)
    }

    /// Places and approves one.
    pub(crate) async fn approved(&self, pet: i64) -> Saga {
        let (saga, told) = self.placed(pet).await;
        let approving = self.asking(told.body["id"].as_i64().unwrap(), "approve");
        self.hand_over(&saga.approve()).await;
        assert_eq!(approving.await.unwrap().status, StatusCode::OK);
        saga
    }
}

impl Copy {
    async fn start(config: Config) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = order_service::serve(listener, config, stop.clone());
        tokio::spawn(async move { serving.await.expect("the process runs until it is stopped") });
        Self { url, _stop: stop.drop_guard() }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}/api/v3{path}", self.url)
    }
}

/// Sends a request and reads the answer, which must be JSON.
pub(crate) async fn told(request: RequestBuilder) -> Told {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let kind = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let bytes = answer.bytes().await.unwrap();
    let expected = if status.is_success() { "application/json" } else { "application/problem+json" };
    assert_eq!(kind.as_deref(), Some(expected), "{status}: {}", String::from_utf8_lossy(&bytes));
    Told { status, body: serde_json::from_slice(&bytes).unwrap(), location }
}

/// The messages of one saga: the same bytes whenever they are made.
#[derive(Clone)]
pub(crate) struct Saga {
    ids: Ids,
    pub(crate) requested: Message,
    pub(crate) order: OrderRequested,
}

impl Saga {
    fn message<P: Payload>(&self, subject: String, payload: &P) -> Message {
        self.numbered(0, subject, payload)
    }

    /// Another message of the same content has another `n`.
    pub(crate) fn numbered<P: Payload>(&self, n: u32, subject: String, payload: &P) -> Message {
        let id = self.ids.command(self.requested.saga_id.unwrap(), P::TYPE, Direction::Do, n);
        let time = self.requested.time;
        Message::caused_by(&self.requested, id, "test", subject, Body::of(payload).unwrap(), time)
    }

    pub(crate) fn pet_reserved(&self) -> Message {
        let OrderRequested { order, order_id, user_id, pet, pet_id, quantity, items, ship_date } = self.order.clone();
        let (name, status, price) = ("Miso".to_owned(), PetStatus::Pending, money(PRICE));
        let payload =
            PetReserved { pet, pet_id, name, status, price, order, order_id, user_id, quantity, items, ship_date };
        self.message(pet.to_string(), &payload).for_step(steps::RESERVE_PET, 0).at_version(2)
    }

    pub(crate) fn close(&self, outcome: Outcome, reason: &Reason) -> Message {
        let payload = CloseOrder { order: self.order.order, outcome, reason: reason.clone() };
        self.message(self.order.order.to_string(), &payload).for_step(steps::CREATE_ORDER, 0)
    }

    pub(crate) fn approve(&self) -> Message {
        let payload = ApproveOrder { order: self.order.order, total: money(PRICE) };
        self.message(self.order.order.to_string(), &payload).for_step(steps::APPROVE_ORDER, 0)
    }

    pub(crate) fn prepared(&self) -> Message {
        let result = serde_json::to_value(OrderResult { total: money(PRICE) }).unwrap();
        let payload = SagaPrepared { definition: "order_saga".to_owned(), result };
        self.message(self.order.order.to_string(), &payload)
    }

    pub(crate) fn rejected(&self, reason: &Reason) -> Message {
        let payload = SagaRejected { definition: "order_saga".to_owned(), reason: reason.to_string() };
        self.message(self.order.order.to_string(), &payload)
    }

    pub(crate) fn cancelled(&self, reason: &Reason) -> Message {
        let payload = SagaCancelled { definition: "order_saga".to_owned(), reason: reason.to_string() };
        self.message(self.order.order.to_string(), &payload)
    }
}

fn money(amount: i64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}
