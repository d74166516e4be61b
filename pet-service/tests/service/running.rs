//! A running pet-service, and what a test does with it.

use std::time::Duration;

use idforge::Salt;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use pet_service::config::Config;
use reqwest::{Client, Response, StatusCode};
use saga_contract::messages::{OrderApproved, ReleasePet, ReservePet};
use saga_contract::{Currency, Items, Money, Names, OrderNumber, PetNumber, Quantity, Reason, processes, steps};
use saga_runtime::clock;
use saga_runtime::core::{Body, Direction, Ids, Message, Outcome, Payload};
use saga_runtime::testing::{Database, SALT, Servers, eventually, process_config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One or more copies of pet-service on one database and one vhost.
pub(crate) struct Running {
    pub(crate) client: Client,
    pub(crate) urls: Vec<String>,
    pub(crate) sql: tokio_postgres::Client,
    pub(crate) ids: Ids,
    pub(crate) names: Names,
    channel: Channel,
    _connection: Connection,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    // Dropped last: it takes the database and the vhost with it.
    _servers: Servers,
}

/// One saga, for one order, for one pet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saga {
    pub(crate) n: u128,
    pub(crate) pet: i64,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::copies(1).await
    }

    pub(crate) async fn copies(copies: usize) -> Self {
        let servers = Servers::claim().await;
        let database = servers.database("pets").await;
        let (shutdown, client) = (CancellationToken::new(), Client::new());
        let (mut urls, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..copies {
            let (url, task) = copy(&servers, &database, &shutdown).await;
            urls.push(url);
            tasks.push(task);
        }
        for url in &urls {
            let ready = format!("{url}/readyz");
            let answers = async || client.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200);
            eventually("pet-service is ready", SOON, answers).await;
        }
        let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let salt = Salt::new(SALT).unwrap();
        Self {
            client,
            urls,
            sql: database.connect().await,
            ids: Ids::new(&salt, "petstore.example"),
            names: Names::new(&salt, "petstore.example"),
            channel,
            _connection: connection,
            shutdown,
            tasks,
            _servers: servers,
        }
    }

    /// Stops what runs, so that nothing is cut off when the servers are given back.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/v3{path}", self.urls[0])
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, pet: Value) -> (StatusCode, Value) {
        read(self.client.post(self.url("/pet")).json(&pet).send().await.unwrap()).await
    }

    pub(crate) async fn put(&self, pet: Value) -> (StatusCode, Value) {
        read(self.client.put(self.url("/pet")).json(&pet).send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, id: i64) -> (StatusCode, Value) {
        read(self.client.delete(self.url(&format!("/pet/{id}"))).send().await.unwrap()).await
    }

    /// How many messages came again and were dropped, at all copies.
    pub(crate) async fn duplicates(&self) -> u64 {
        let mut all = 0;
        for url in &self.urls {
            let page = self.client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
            let counted = page.lines().find_map(|line| line.strip_prefix("inbox_duplicates_total ")).unwrap();
            all += counted.trim().parse::<u64>().unwrap();
        }
        all
    }

    /// Adds a pet that anybody may order.
    pub(crate) async fn given_pet(&self, id: i64) {
        let pet = json!({"id": id, "name": format!("Pet {id}"), "photoUrls": [], "price": 25_000});
        assert_eq!(self.post(pet).await.0, 200);
    }

    pub(crate) async fn status_of(&self, id: i64) -> String {
        self.get(&format!("/pet/{id}")).await.1["status"].as_str().unwrap_or("none").to_owned()
    }

    /// Publishes a message as any client would.
    #[expect(clippy::disallowed_methods, reason = "the test is not the process: it publishes as a stranger does")]
    pub(crate) async fn publish(&self, exchange: &str, key: &str, body: &[u8]) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
    }

    pub(crate) async fn command(&self, message: &Message) {
        self.publish("commands", "pet", &message.to_bytes()).await;
    }

    pub(crate) async fn event(&self, message: &Message) {
        self.publish("order.events", "order.approved", &message.to_bytes()).await;
    }

    /// Every message that pet-service sent, in order.
    pub(crate) async fn journal(&self) -> Vec<Message> {
        let rows = self.sql.query("SELECT body FROM journal ORDER BY seq", &[]).await.unwrap();
        rows.iter().map(|row| Message::parse(row.get(0)).unwrap()).collect()
    }

    /// The answers to one saga, in order.
    pub(crate) async fn answers(&self, saga: Saga) -> Vec<Message> {
        self.journal().await.into_iter().filter(|message| message.saga_id == Some(saga.id())).collect()
    }

    /// Waits for so many answers to one saga.
    pub(crate) async fn answered(&self, saga: Saga, count: usize) -> Vec<Message> {
        let what = format!("saga {} has {count} answers", saga.n);
        let answers = async || Some(self.answers(saga).await).filter(|answers| answers.len() >= count);
        eventually(&what, SOON, answers).await
    }

    /// Waits for a message to be parked; gives the reason and the detail.
    pub(crate) async fn parked(&self, id: Uuid) -> (String, String) {
        let sql = "SELECT reason, detail FROM parked WHERE message_id = $1";
        let row = async || self.sql.query_opt(sql, &[&id]).await.unwrap().map(|row| (row.get(0), row.get(1)));
        eventually("the message is parked", SOON, row).await
    }

    /// Waits until the inbox knows a message.
    pub(crate) async fn handled(&self, id: Uuid) {
        let sql = "SELECT 1 FROM inbox WHERE id = $1";
        eventually("the message is handled", SOON, async || self.sql.query_opt(sql, &[&id]).await.unwrap().is_some())
            .await;
    }

    pub(crate) fn reserve(&self, saga: Saga) -> Message {
        let (pet_id, pet) = self.pet_of(saga);
        let command = ReservePet {
            pet,
            pet_id,
            order: saga.order(),
            order_id: OrderNumber::new(1001).unwrap(),
            user_id: Uuid::from_u128(5),
            quantity: Quantity::ONE,
            items: Items::none(),
            ship_date: None,
        };
        self.request(saga, &command, Direction::Do, 0)
    }

    pub(crate) fn release(&self, saga: Saga) -> Message {
        let (pet_id, pet) = self.pet_of(saga);
        let (order, outcome, reason) = (saga.order(), Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER);
        self.request(saga, &ReleasePet { pet, pet_id, order, outcome, reason }, Direction::Undo, 0)
    }

    pub(crate) fn request<P: Payload>(&self, saga: Saga, command: &P, direction: Direction, epoch: u32) -> Message {
        let id = self.ids.command(saga.id(), steps::RESERVE_PET, direction, epoch);
        let message =
            Message::new(id, processes::SAGA, saga.order().to_string(), Body::of(command).unwrap(), clock::now());
        self.of(saga, message).for_step(steps::RESERVE_PET, epoch)
    }

    pub(crate) fn approved(&self, saga: Saga) -> Message {
        let (pet_id, pet) = self.pet_of(saga);
        let event = OrderApproved {
            order: saga.order(),
            order_id: OrderNumber::new(1001).unwrap(),
            pet,
            pet_id,
            user_id: Uuid::from_u128(5),
            items: Items::none(),
            total: Money::new(25_000, Currency::EUR).unwrap(),
        };
        let id = self.ids.event_caused(saga.id(), OrderApproved::TYPE);
        let (source, subject) = (processes::ORDER_SERVICE, saga.order().to_string());
        let message = Message::new(id, source, subject, Body::of(&event).unwrap(), clock::now());
        self.of(saga, message).for_step(steps::APPROVE_ORDER, 0)
    }

    fn of(&self, saga: Saga, mut message: Message) -> Message {
        message.saga_id = Some(saga.id());
        message.correlation_id = self.ids.correlation(saga.id());
        message
    }

    fn pet_of(&self, saga: Saga) -> (PetNumber, Uuid) {
        let number = PetNumber::new(saga.pet).unwrap();
        (number, self.names.pet(number))
    }
}

impl Saga {
    pub(crate) fn id(self) -> Uuid {
        Uuid::from_u128(self.n + 1_000_000)
    }

    pub(crate) fn order(self) -> Uuid {
        Uuid::from_u128(self.n + 2_000_000)
    }
}

/// How many of these messages are of a type.
pub(crate) fn count(messages: &[Message], kind: &str) -> usize {
    messages.iter().filter(|message| message.kind == kind).count()
}

pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn copy(servers: &Servers, database: &Database, shutdown: &CancellationToken) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config { process: process_config(database, servers) };
    let serve = pet_service::serve(listener, config, shutdown.clone());
    (url, tokio::spawn(async { serve.await.unwrap() }))
}

/// The same message, but for something.
pub(crate) fn but(mut message: Message, change: impl FnOnce(&mut Message)) -> Message {
    change(&mut message);
    message
}
