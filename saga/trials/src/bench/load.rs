//! Orders over HTTP, sent in a closed or an open loop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, StatusCode, header};
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

/// The orders of a run.
pub(super) struct Orders {
    /// Each with its number, since the benchmark began, and its pet.
    all: Vec<(usize, i64)>,
    counter: Counter,
}

/// Where orders are placed.
#[derive(Clone)]
struct Counter {
    client: Client,
    /// One of each copy of order-service, which take turns.
    urls: Arc<[String]>,
    fail: usize,
}

/// What became of an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// From the moment it was meant to be sent to the end of its answer.
    pub(super) took: Duration,
    /// When that was.
    pub(super) at: Instant,
    /// Whether it was placed.
    pub(super) placed: bool,
}

/// What became of all orders of a run.
pub(super) struct Answered {
    /// When the first was sent.
    pub(super) start: Instant,
    /// In the order of their end.
    pub(super) answers: Vec<Answer>,
    /// How many were placed.
    pub(super) placed: usize,
    /// How many were refused.
    pub(super) refused: usize,
}

/// Fills the shop with supplies, and with a pet for each order of the run; `before` orders have been placed already.
///
/// # Errors
/// When a process does not answer or refuses.
pub(super) async fn prepare(ground: &Ground, plan: &Plan, before: usize) -> Result<Orders, Trouble> {
    let shops = ground.urls.iter().map(|urls| Shop::new(urls.clone(), &ground.system.token));
    let shops: Vec<Shop> = shops.collect::<Result<_, _>>()?;
    if before == 0 {
        for (sku, quantity) in [(IN_STOCK, 1_000_000_000), (OUT_OF_STOCK, 0)] {
            let supply = json!({ "quantity": quantity, "price": 100, "currency": "EUR" });
            shops[0].set_stock(sku, &supply).await?;
        }
    }
    let pets = stream::iter(before..before + plan.sagas).map(|n| {
        let shop = &shops[n % shops.len()];
        async move { Ok((n, shop.add_pet(&json!({ "name": format!("bench {n}"), "photoUrls": [] })).await?)) }
    });
    let all = pets.buffer_unordered(HANDS).try_collect().await?;
    let client = Client::builder().no_proxy().timeout(PATIENCE).tcp_nodelay(true).build();
    let client = client.map_err(|error| Trouble::Unmet(error.to_string()))?;
    let copies = if plan.reserve { 1 } else { plan.copies };
    let urls = ground.urls.iter().take(copies);
    let urls = urls.map(|urls| format!("{}/api/v3/store/order", urls.orders)).collect();
    Ok(Orders { all, counter: Counter { client, urls, fail: plan.fail } })
}

/// Sends all orders and waits for all answers.
///
/// # Errors
/// When an order has another outcome than it should.
pub(super) async fn drive(orders: Orders, load: Load) -> Result<Answered, Trouble> {
    let Orders { all, counter } = orders;
    let start = Instant::now();
    let mut answers = match load {
        Load::InFlight(clients) => closed(&counter, all, clients).await?,
        Load::Rate(rate) => open(&counter, all, rate, start).await?,
    };
    answers.sort_unstable_by_key(|answer| answer.at);
    let placed = answers.iter().filter(|answer| answer.placed).count();
    Ok(Answered { start, placed, refused: answers.len() - placed, answers })
}

/// So many clients, each of which sends its next order when the last is answered.
async fn closed(counter: &Counter, orders: Vec<(usize, i64)>, clients: usize) -> Result<Vec<Answer>, Trouble> {
    let orders = Arc::new(Mutex::new(orders.into_iter()));
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let (counter, orders) = (counter.clone(), orders.clone());
        let next = move || orders.lock().unwrap_or_else(PoisonError::into_inner).next();
        all.spawn(async move {
            let mut answers = Vec::new();
            while let Some(order) = next() {
                answers.push(counter.place(order, Instant::now()).await?);
            }
            Ok(answers)
        });
    }
    Ok(all.join_all().await.into_iter().collect::<Result<Vec<_>, Trouble>>()?.concat())
}

/// So many orders a second, each at its time. It counts from then on, however late it is sent: waiting is latency.
async fn open(counter: &Counter, orders: Vec<(usize, i64)>, rate: f64, start: Instant) -> Result<Vec<Answer>, Trouble> {
    let (mut all, mut answers) = (JoinSet::new(), Vec::with_capacity(orders.len()));
    for (n, order) in orders.into_iter().enumerate() {
        let meant = start + Duration::from_secs_f64(n as f64 / rate);
        tokio::time::sleep_until(meant.into()).await;
        let counter = counter.clone();
        all.spawn(async move { counter.place(order, meant).await });
        // What is answered is taken at once: a finished task would keep its memory until the end of a long run.
        while let Some(answered) = all.try_join_next() {
            answers.push(answered.map_err(|error| Trouble::Unmet(format!("placing an order: {error}")))??);
        }
    }
    answers.extend(all.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?);
    Ok(answers)
}

impl Counter {
    /// Places an order that was meant to be placed at `meant`, and waits for its outcome.
    async fn place(&self, (n, pet): (usize, i64), meant: Instant) -> Result<Answer, Trouble> {
        let placed = is_in_stock(n, self.fail);
        let customer = format!("customer{}@example.com", n % CUSTOMERS);
        let wish = shop::order(pet, &customer, &[(if placed { IN_STOCK } else { OUT_OF_STOCK }, 1)]);
        let request = self.client.post(&self.urls[n % self.urls.len()]);
        let request = request.header("Idempotency-Key", format!("bench-{n}"));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(wish.to_string());
        let answer = request.send().await.map_err(silent)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(silent)?;
        let at = Instant::now();
        let expected = if placed { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        if status == expected {
            return Ok(Answer { took: at - meant, at, placed });
        }
        let body = String::from_utf8_lossy(&body);
        Err(Trouble::Unmet(format!("an order was answered {status} instead of {expected}: {body}")))
    }
}

fn silent(error: reqwest::Error) -> Trouble {
    Trouble::Unmet(format!("order-service does not answer: {error:?}"))
}

/// Whether the `n`th order can be had when `fail` of a hundred cannot: spread evenly, so with 10 every tenth cannot.
fn is_in_stock(n: usize, fail: usize) -> bool {
    n * fail / 100 == (n + 1) * fail / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_hundred_fail_spread_evenly() {
        for fail in [0, 1, 10, 33, 100] {
            let failing = (0..100).filter(|n| !is_in_stock(*n, fail)).count();
            assert_eq!(failing, fail);
        }
        let failing: Vec<usize> = (0..30).filter(|n| !is_in_stock(*n, 10)).collect();
        assert_eq!(failing, [9, 19, 29]);
    }
}
