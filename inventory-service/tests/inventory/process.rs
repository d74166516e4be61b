//! A whole process with its own database and vhost, and clients of both its doors.

use std::time::Duration;

use inventory_service::config::Config;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use reqwest::{Client, Method, RequestBuilder, Response};
use saga_contract::TOPOLOGY;
use saga_runtime::ProcessError;
use saga_runtime::core::Message;
use saga_runtime::testing::{eventually, process_config};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::Inventory;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running process.
pub(crate) struct Running {
    pub(crate) inventory: Inventory,
    pub(crate) url: String,
    pub(crate) client: Client,
    channel: Channel,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), ProcessError>>,
    // The channel lives as long as this.
    _connection: Connection,
}

/// A copy of the process.
pub(crate) struct Copy {
    pub(crate) url: String,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), ProcessError>>,
}

impl Copy {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn start(inventory: &Inventory, pet_service: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let process = process_config(&inventory.database, &inventory.servers);
        let config = Config { process, pet_service_url: pet_service.parse().unwrap() };
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(inventory_service::run(listener, config, shutdown.clone()));
        let client = Client::new();
        eventually("the process is ready", SOON, async || {
            client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Self { url, shutdown, ended }
    }

    /// Stops it, and fails when it does not leave in peace.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(SOON, self.ended).await.expect("it leaves in time").unwrap().unwrap();
    }
}

impl Running {
    /// Starts one with these supplies, and waits until it is ready.
    pub(crate) async fn with(supplies: &[(&str, i64)]) -> Self {
        Self::beside(supplies, "http://127.0.0.1:9").await
    }

    /// The same, where pet-service is there.
    pub(crate) async fn beside(supplies: &[(&str, i64)], pet_service: &str) -> Self {
        let inventory = Inventory::with(supplies).await;
        let Copy { url, shutdown, ended } = Copy::start(&inventory, pet_service).await;
        let client = Client::new();
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(inventory.servers.amqp_url(), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { inventory, url, client, channel, shutdown, ended, _connection: connection }
    }

    /// Publishes a message as its owner would: by the topology's route for its type.
    pub(crate) async fn publish(&self, message: &Message) {
        let route = TOPOLOGY.route(&message.kind).unwrap();
        self.publish_bytes(&route.exchange, &route.key, &message.to_bytes()).await;
    }

    /// Publishes bytes, and waits until a queue has them.
    #[expect(clippy::disallowed_methods, reason = "a client from outside has no relay")]
    pub(crate) async fn publish_bytes(&self, exchange: &str, key: &str, bytes: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let confirm = self.channel.basic_publish(exchange.into(), key.into(), options, bytes, properties);
        let confirmation = confirm.await.unwrap().await.unwrap();
        assert!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
    }

    /// A request to the API.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v3{path}", self.url))
    }

    /// The answer to a GET: its status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// The answer to an operator's setting of a supply.
    pub(crate) async fn put(&self, sku: &str, body: Value) -> (u16, Value) {
        let request = self.request(Method::PUT, &format!("/stock/{sku}")).bearer_auth(self.inventory.servers.token());
        answer(request.json(&body).send().await.unwrap()).await
    }

    /// The types of what was sent, in order.
    pub(crate) async fn journal(&self) -> Vec<String> {
        let rows = self.inventory.owner.query("SELECT type FROM journal ORDER BY seq", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until so many messages were sent.
    pub(crate) async fn sent(&self, count: usize) -> Vec<String> {
        eventually("the answers are in the journal", SOON, async || {
            Some(self.journal().await).filter(|journal| journal.len() >= count)
        })
        .await
    }

    /// How many messages were handled.
    pub(crate) async fn handled(&self) -> i64 {
        self.inventory.owner.query_one("SELECT count(*) FROM inbox", &[]).await.unwrap().get(0)
    }

    /// Stops the copy there is, and goes on with another.
    pub(crate) async fn go_on_with(&mut self, Copy { url, shutdown, ended }: Copy) {
        let url = std::mem::replace(&mut self.url, url);
        let shutdown = std::mem::replace(&mut self.shutdown, shutdown);
        let ended = std::mem::replace(&mut self.ended, ended);
        Copy { url, shutdown, ended }.stop().await;
    }

    /// Stops it, and fails when it does not leave in peace.
    pub(crate) async fn stop(self) {
        Copy { url: self.url, shutdown: self.shutdown, ended: self.ended }.stop().await;
    }
}

/// Status and JSON of an answer; an error must be a problem.
pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let expected = if status.is_success() { "application/json" } else { "application/problem+json" };
    assert!(kind.starts_with(expected), "{status}: {kind}");
    let body: Value = response.json().await.unwrap();
    if !status.is_success() {
        assert_eq!(body["status"], status.as_u16(), "{body}");
        assert!(body["type"].as_str().is_some_and(|kind| kind.starts_with("urn:sagaforge:problem:")), "{body}");
    }
    (status.as_u16(), body)
}
