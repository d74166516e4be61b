//! Orders over HTTP: made beforehand, sent in a closed or an open loop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, Method, Request, StatusCode, header};
use serde_json::json;
use tokio::task::JoinSet;

use crate::demo::{Shop, shop};
use crate::servers::Trouble;

use super::ground::Ground;
use super::{Load, Plan};

const IN_STOCK: &str = "BENCH-FOOD";
const OUT_OF_STOCK: &str = "BENCH-NOTHING";
/// How many customers there are.
const CUSTOMERS: usize = 1_000;
/// How many pets are brought in at once.
const HANDS: usize = 32;
/// How long the client of an order waits.
const PATIENCE: Duration = Duration::from_secs(120);

/// An order, ready to be sent.
pub(super) struct Order {
    request: Request,
    placed: bool,
}

/// What became of all orders of a run.
pub(super) struct Answered {
    /// From the moment each was meant to be sent to the end of its answer.
    pub(super) took: Vec<Duration>,
    /// How many were placed.
    pub(super) placed: usize,
    /// How many were refused.
    pub(super) refused: usize,
    /// When the first was sent.
    pub(super) start: Instant,
}

/// Fills the shop with a pet for each order of the run, and writes the orders.
///
/// # Errors
/// When a process does not answer or refuses.
pub(super) async fn prepare(ground: &Ground, plan: &Plan, run: usize) -> Result<Vec<Order>, Trouble> {
    let shops = ground.urls.iter().map(|urls| Shop::new(urls.clone(), &ground.system.token));
    let shops: Vec<Shop> = shops.collect::<Result<_, _>>()?;
    for (sku, quantity) in [(IN_STOCK, 1_000_000_000), (OUT_OF_STOCK, 0)] {
        if run == 0 {
            shops[0].set_stock(sku, &json!({ "quantity": quantity, "price": 100, "currency": "EUR" })).await?;
        }
    }
    let pets = stream::iter(0..plan.sagas).map(|n| {
        let shop = &shops[n % shops.len()];
        async move { shop.add_pet(&json!({ "name": format!("bench {run}/{n}"), "photoUrls": [] })).await }
    });
    let pets: Vec<i64> = pets.buffer_unordered(HANDS).try_collect().await?;
    pets.into_iter().enumerate().map(|(n, pet)| order(ground, plan, (run, n), pet)).collect()
}

fn order(ground: &Ground, plan: &Plan, (run, n): (usize, usize), pet: i64) -> Result<Order, Trouble> {
    let url = format!("{}/api/v3/store/order", ground.urls[n % ground.urls.len()].orders);
    let url = url.parse().map_err(|_| Trouble::Unmet(format!("{url} is no URL")))?;
    // Spread evenly: of ten orders with ten of a hundred failing, one does.
    let placed = n * plan.fail / 100 == (n + 1) * plan.fail / 100;
    let customer = format!("customer{}@example.com", n % CUSTOMERS);
    let wish = shop::order(pet, &customer, &[(if placed { IN_STOCK } else { OUT_OF_STOCK }, 1)]);
    let mut request = Request::new(Method::POST, url);
    let key = header::HeaderValue::from_str(&format!("bench-{run}-{n}"));
    let key = key.map_err(|error| Trouble::Unmet(error.to_string()))?;
    request.headers_mut().insert("idempotency-key", key);
    request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(wish.to_string().into());
    Ok(Order { request, placed })
}

/// Sends all orders and waits for all answers.
///
/// # Errors
/// When an order has another outcome than it should.
pub(super) async fn drive(orders: Vec<Order>, load: Load) -> Result<Answered, Trouble> {
    let client = Client::builder().no_proxy().timeout(PATIENCE).tcp_nodelay(true).build();
    let client = client.map_err(|error| Trouble::Unmet(error.to_string()))?;
    let start = Instant::now();
    let answers = match load {
        Load::InFlight(clients) => closed(&client, orders, clients).await?,
        Load::Rate(rate) => open(&client, orders, rate, start).await?,
    };
    let placed = answers.iter().filter(|(_, placed)| *placed).count();
    let took: Vec<Duration> = answers.into_iter().map(|(took, _)| took).collect();
    Ok(Answered { placed, refused: took.len() - placed, took, start })
}

type Answers = Vec<(Duration, bool)>;

/// So many clients, each of which sends its next order when the last is answered.
async fn closed(client: &Client, orders: Vec<Order>, clients: usize) -> Result<Answers, Trouble> {
    let orders = Arc::new(Mutex::new(orders.into_iter()));
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let (client, orders) = (client.clone(), orders.clone());
        let next = move || orders.lock().unwrap_or_else(PoisonError::into_inner).next();
        all.spawn(async move {
            let mut answers = Answers::new();
            while let Some(order) = next() {
                answers.push(send(&client, order, Instant::now()).await?);
            }
            Ok(answers)
        });
    }
    let mut answers = Answers::new();
    while let Some(of_client) = all.join_next().await {
        answers.extend(of_client.map_err(|error| Trouble::Unmet(error.to_string()))??);
    }
    Ok(answers)
}

/// So many orders a second, each at its time. What is late counts from then on: a queue before us is no excuse.
async fn open(client: &Client, orders: Vec<Order>, rate: f64, start: Instant) -> Result<Answers, Trouble> {
    let mut all = JoinSet::new();
    let mut due = start;
    for order in orders {
        tokio::time::sleep_until(due.into()).await;
        let (client, meant) = (client.clone(), due);
        all.spawn(async move { send(&client, order, meant).await });
        due += Duration::from_secs_f64(1.0 / rate);
    }
    let mut answers = Answers::new();
    while let Some(answer) = all.join_next().await {
        answers.push(answer.map_err(|error| Trouble::Unmet(error.to_string()))??);
    }
    Ok(answers)
}

/// Sends one order: how long it took since `meant`, and whether it was placed.
async fn send(client: &Client, order: Order, meant: Instant) -> Result<(Duration, bool), Trouble> {
    let silent = |error: reqwest::Error| Trouble::Unmet(format!("order-service does not answer: {error:?}"));
    let answer = client.execute(order.request).await.map_err(silent)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(silent)?;
    let took = meant.elapsed();
    let expected = if order.placed { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    if status == expected {
        return Ok((took, order.placed));
    }
    let body = String::from_utf8_lossy(&body);
    Err(Trouble::Unmet(format!("an order was answered {status} instead of {expected}: {body}")))
}
