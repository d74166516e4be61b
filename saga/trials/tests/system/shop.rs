//! All four processes on a vhost and databases of their own, in any number of copies.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use saga_runtime::Secret;
use saga_runtime::config::ProcessConfig;
use saga_runtime::orchestrator::Peer;
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_trials::demo::shop::metric;
use saga_trials::invariants::{Databases, Findings};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that a test may want otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Orders below this pass the pivot by rule.
    pub approval_limit: i64,
    /// How long a client waits.
    pub order_wait: Duration,
    /// How long to wait for an answer before a request is sent again.
    pub resend_after: Duration,
    /// How long a step may go unanswered.
    pub step_timeout: Duration,
    /// How long an order waits for approval.
    pub reservation_ttl: Duration,
    /// Whether the stream of all events is kept.
    pub event_stream: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (resend_after, step_timeout) = (Duration::from_secs(5), Duration::from_secs(600));
        let (order_wait, reservation_ttl) = (Duration::from_secs(25), Duration::from_secs(1800));
        Self { approval_limit: 50_000, order_wait, resend_after, step_timeout, reservation_ttl, event_stream: false }
    }
}

/// The system under test.
pub(crate) struct Shop {
    pub servers: Servers,
    pub databases: Databases,
    settings: Settings,
    made: BTreeMap<&'static str, Database>,
    running: Vec<Running>,
    http: reqwest::Client,
}

struct Running {
    name: &'static str,
    url: String,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    pub(crate) fn text(&self, name: &str) -> String {
        match self.body.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

pub(crate) const ALL: [&str; 4] = ["pet-service", "order-service", "inventory-service", "saga"];

impl Shop {
    /// One copy of each process, ready.
    pub(crate) async fn open(settings: Settings) -> Self {
        let mut shop = Self::closed(settings).await;
        for name in ALL {
            shop.start(name).await;
        }
        shop
    }

    /// Servers and databases, and no process yet.
    pub(crate) async fn closed(settings: Settings) -> Self {
        let servers = Servers::claim().await;
        let mut made = BTreeMap::new();
        for name in ["pets", "orders", "inventory", "sagas"] {
            made.insert(name, servers.database(name).await);
        }
        let url = |name: &str| made[name].owner_url.clone();
        let urls = [url("pets"), url("orders"), url("inventory"), url("sagas")];
        let databases = Databases::at(&urls).await.unwrap();
        Self { servers, databases, settings, made, running: Vec::new(), http: reqwest::Client::new() }
    }

    /// The settings of a process, as its own environment would give them.
    pub(crate) fn config(&self, name: &str) -> ProcessConfig {
        let database = match name {
            "pet-service" => "pets",
            "order-service" => "orders",
            "inventory-service" => "inventory",
            _ => "sagas",
        };
        let config = process_config(&self.made[database], &self.servers);
        ProcessConfig { event_stream: self.settings.event_stream, ..config }
    }

    /// Starts a copy of a process and waits until it is ready.
    pub(crate) async fn start(&mut self, name: &'static str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, process, settings) = (CancellationToken::new(), self.config(name), self.settings);
        let (shutdown, peers, pet_service_url) = (stop.clone(), self.peers(), self.pet_service());
        let management = Secret::new(self.servers.management_url());
        let ended = tokio::spawn(async move {
            match name {
                "pet-service" => {
                    pet_service::serve(listener, pet_service::config::Config { process }, shutdown).await.unwrap()
                }
                "order-service" => {
                    let config = order_service::config::Config {
                        process,
                        order_wait: settings.order_wait,
                        order_waiters: 800,
                        order_waves: true,
                    };
                    order_service::serve(listener, config, shutdown).await.unwrap();
                }
                "inventory-service" => {
                    let config = inventory_service::config::Config { process, pet_service_url };
                    inventory_service::run(listener, config, shutdown).await.unwrap();
                }
                _ => {
                    let config = orchestrator(process, settings, peers, management);
                    saga::serve::serve_on(listener, config, shutdown).await.unwrap();
                }
            }
        });
        self.running.push(Running { name, url: url.clone(), stop, ended });
        eventually(&format!("{name} is ready"), PATIENCE, async || {
            self.http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Counts a process that a test put together itself as running.
    pub(crate) fn stand_in(&mut self, name: &'static str, url: String, stop: CancellationToken, ended: JoinHandle<()>) {
        self.running.push(Running { name, url, stop, ended });
    }

    /// The participants that run now, as an orchestrator that starts now is told of them.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let participants = ALL.into_iter().filter(|name| *name != "saga");
        let found = participants.filter_map(|name| self.running.iter().find(|running| running.name == name));
        found.map(|running| Peer { name: running.name.to_owned(), url: running.url.parse().unwrap() }).collect()
    }

    /// Where pet-service is, as an inventory-service that starts now is told.
    pub(crate) fn pet_service(&self) -> Url {
        let found = self.peers().into_iter().find(|peer| peer.name == "pet-service");
        found.map_or_else(|| "http://127.0.0.1:8081".parse().unwrap(), |peer| peer.url)
    }

    /// Stops every copy of a process, the way SIGTERM does.
    pub(crate) async fn stop(&mut self, name: &str) {
        let (stopping, running) = std::mem::take(&mut self.running).into_iter().partition(|copy| copy.name == name);
        self.running = running;
        let stopping: Vec<Running> = stopping;
        for copy in stopping {
            copy.stop.cancel();
            copy.ended.await.unwrap();
        }
    }

    /// Stops everything; what is under test must not outlive its servers.
    pub(crate) async fn close(mut self) {
        for name in ALL {
            self.stop(name).await;
        }
    }

    /// The address of a copy of a process, counted from 0.
    pub(crate) fn url(&self, name: &str, copy: usize) -> String {
        let mut copies = self.running.iter().filter(|running| running.name == name);
        copies.nth(copy).unwrap_or_else(|| panic!("copy {copy} of {name} is not running")).url.clone()
    }

    pub(crate) async fn add_pet(&self, id: i64, price: i64) {
        let pet = json!({ "id": id, "name": format!("pet {id}"), "photoUrls": [], "price": price, "currency": "EUR" });
        let answer =
            self.send(Method::POST, &format!("{}/api/v3/pet", self.url("pet-service", 0)), &[], Some(&pet)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn set_stock(&self, sku: &str, quantity: i64) {
        let url = format!("{}/api/v3/stock/{sku}", self.url("inventory-service", 0));
        let body = json!({ "quantity": quantity, "price": 100, "currency": "EUR" });
        let answer = self.send(Method::PUT, &url, &[self.token()], Some(&body)).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    /// Places an order at the first copy and waits for what comes of it.
    pub(crate) async fn place(&self, key: &str, order: &Value) -> Answer {
        self.place_at(0, key, order).await
    }

    pub(crate) async fn place_at(&self, copy: usize, key: &str, order: &Value) -> Answer {
        let url = format!("{}/api/v3/store/order", self.url("order-service", copy));
        self.send(Method::POST, &url, &[("Idempotency-Key", key.to_owned())], Some(order)).await
    }

    pub(crate) async fn order(&self, number: &str, method: Method, action: &str) -> Answer {
        let url = format!("{}/api/v3/store/order/{number}{action}", self.url("order-service", 0));
        self.send(method, &url, &[self.token()], None).await
    }

    /// What the metrics page of a process's first copy says under this name, labels and all.
    pub(crate) async fn metric(&self, process: &str, name: &str) -> Option<f64> {
        let page = self.send(Method::GET, &format!("{}/metrics", self.url(process, 0)), &[], None).await;
        metric(page.body.as_str()?, name)
    }

    pub(crate) async fn pet_status(&self, id: i64) -> String {
        let url = format!("{}/api/v3/pet/{id}", self.url("pet-service", 0));
        self.send(Method::GET, &url, &[], None).await.text("status")
    }

    pub(crate) fn token(&self) -> (&'static str, String) {
        ("Authorization", format!("Bearer {}", self.servers.token()))
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, String)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Waits until nothing is on its way any more and checks every rule.
    pub(crate) async fn settled(&self) -> Findings {
        let findings = eventually("everything comes to rest", PATIENCE, async || {
            let findings = self.databases.check().await.unwrap();
            findings.is_quiet().then_some(findings)
        })
        .await;
        assert_eq!(findings.violations(), Vec::<String>::new(), "{findings:?}");
        findings
    }
}

fn orchestrator(
    process: ProcessConfig,
    settings: Settings,
    processes: Vec<Peer>,
    management: Secret,
) -> saga::serve::ServeConfig {
    saga::serve::ServeConfig {
        process,
        approval_limit: settings.approval_limit,
        reservation_ttl: settings.reservation_ttl,
        resend_after: settings.resend_after,
        step_timeout: settings.step_timeout,
        processes,
        rabbitmq_management_url: Some(management),
    }
}

/// An order for a pet, and perhaps supplies.
pub(crate) fn order(pet: i64, customer: &str, items: &[(&str, u32)]) -> Value {
    let items: Vec<Value> = items.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    json!({ "petId": pet, "customerEmail": format!("{customer}@example.com"), "items": items })
}

pub(crate) async fn count(client: &tokio_postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}
