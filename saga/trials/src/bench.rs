//! A small benchmark: orders one at a time, from the request to `placed`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::demo::{Shop, Urls, shop};
use crate::processes::System;
use crate::screen::{Line, print};
use crate::servers::Trouble;

const SKU: &str = "BENCH-FOOD";
/// Orders that warm everything up and do not count.
const WARM_UP: u32 = 30;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How many orders.
    pub orders: usize,
    /// Milliseconds from request to `placed`: the 50th, 90th and 99th of a hundred, and the worst.
    pub ms: [f64; 4],
}

impl Figures {
    /// The figures of these durations.
    #[must_use]
    pub fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied();
        let ms = [50, 90, 99, 100].map(|share| at(share).unwrap_or_default().as_secs_f64() * 1000.0);
        Self { orders: took.len(), ms }
    }
}

/// Places orders for a pet and a supply, one after the other, and measures each from request to `placed`.
///
/// # Errors
/// When something does not answer, or an order is not placed.
pub async fn run(system: &System, urls: Urls, orders: u32, json: bool) -> Result<(), Trouble> {
    let shop = Shop::new(urls, &system.token)?;
    let (run, total) = (std::process::id(), orders + WARM_UP);
    let line = Line::start("bench", "filling the shop");
    let supply = json!({ "quantity": 1_000_000, "price": 100, "currency": "EUR" });
    shop.set_stock(SKU, &supply).await?;
    let mut pets = Vec::new();
    for n in 0..total {
        pets.push(shop.add_pet(&json!({ "name": format!("bench {run}/{n}"), "photoUrls": [] })).await?);
    }
    line.now("ordering, one at a time");
    let mut took = Vec::new();
    for (n, pet) in pets.into_iter().enumerate() {
        let (key, wish) = (format!("bench-{run}-{n}"), shop::order(pet, "bench@example.com", &[(SKU, 1)]));
        let start = Instant::now();
        let answer = shop.place(&key, &wish).await?;
        if n >= WARM_UP as usize {
            took.push(start.elapsed());
        }
        if answer.status != 200 {
            return Err(Trouble::Unmet(format!("order {key} was not placed: {} {}", answer.status, answer.body)));
        }
    }
    let Figures { orders, ms: [p50, p90, p99, max] } = Figures::of(took);
    line.done(&format!("{orders} orders"));
    let text = if json {
        json!({ "orders": orders, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": max }).to_string()
    } else {
        format!(
            "request to placed, one at a time, {orders} orders: p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, worst {max:.1} ms"
        )
    };
    print(&format!("{text}\n")).map_err(|error| Trouble::Unmet(format!("printing: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_the_worst_is_the_last() {
        let figures = Figures::of((1..=100).map(Duration::from_millis).collect());
        assert_eq!((figures.orders, figures.ms), (100, [51.0, 91.0, 100.0, 100.0]));
    }
}
