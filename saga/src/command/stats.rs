//! `saga stats`: counts per state and step, ages, rates, and how long steps take.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use saga_core::Time;
use saga_runtime::clock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::screen::{print, print_json, table, watched};
use super::{Client, Failure};

/// How often counts are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How to look.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga stats --watch")]
pub(super) struct Arguments {
    /// Look again every second, until interrupted
    #[arg(long)]
    watch: bool,
}

/// How the sagas are, as the operator's API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stats {
    pub(super) states: Vec<InState>,
    steps: Vec<Waiting>,
    last_hour: Vec<LastHour>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InState {
    pub(super) definition: String,
    pub(super) state: String,
    pub(super) count: i64,
    #[serde(with = "time::serde::rfc3339")]
    oldest: Time,
    needs_intervention: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    definition: String,
    step: String,
    state: String,
    count: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    oldest: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LastHour {
    definition: String,
    started: i64,
    ended: i64,
    median_s: Option<f64>,
    p99_s: Option<f64>,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    watched(arguments.watch.then_some(LOOK_EVERY), async || {
        let stats: Stats = client.get("admin/stats", &[]).await?;
        let latencies = latencies(&client.text("metrics").await?);
        show(client, &stats, &latencies)?;
        Ok(true)
    })
    .await
}

fn show(client: &Client, stats: &Stats, latencies: &BTreeMap<String, Latency>) -> Result<(), Failure> {
    if client.json() {
        return print_json(&json!({
            "states": stats.states, "steps": stats.steps, "last_hour": stats.last_hour, "latency": latencies,
        }));
    }
    let mut states = table(&["saga", "state", "sagas", "oldest", "need intervention"]);
    for InState { definition, state, count, oldest, needs_intervention } in &stats.states {
        let row = [definition.clone(), state.clone(), count.to_string(), age(*oldest), needs_intervention.to_string()];
        states.add_row(row);
    }
    print(&states.to_string());
    let mut steps = table(&["step", "waits", "sagas", "oldest", "answered", "mean"]);
    let mut shown: Vec<&str> = Vec::new();
    for Waiting { step, state, count, oldest, .. } in &stats.steps {
        let (answered, mean) = latencies.get(step).map_or_else(Default::default, Latency::cells);
        let oldest = oldest.map(age).unwrap_or_default();
        steps.add_row([step.clone(), state.clone(), count.to_string(), oldest, answered, mean]);
        shown.push(step);
    }
    for (step, latency) in latencies.iter().filter(|(step, _)| !shown.contains(&step.as_str())) {
        let (answered, mean) = latency.cells();
        steps.add_row([step.clone(), String::new(), "0".to_owned(), String::new(), answered, mean]);
    }
    print(&steps.to_string());
    for LastHour { definition, started, ended, median_s, p99_s } in &stats.last_hour {
        let ms = |seconds: &Option<f64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{:.1} ms", s * 1000.0));
        let rate = *started as f64 / 3600.0;
        print(&format!(
            "{definition}, last hour: {started} started ({rate:.2}/s), {ended} ended, half within {}, 99 of 100 within {}",
            ms(median_s),
            ms(p99_s)
        ));
    }
    Ok(())
}

fn age(since: Time) -> String {
    let seconds = (clock::now() - since).whole_seconds().max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// How long a step took to be answered, since the orchestrator that was asked started.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
struct Latency {
    answered: f64,
    seconds: f64,
}

impl Latency {
    fn cells(&self) -> (String, String) {
        let mean = if self.answered > 0.0 {
            format!("{:.1} ms", self.seconds / self.answered * 1000.0)
        } else {
            String::new()
        };
        (format!("{:.0}", self.answered), mean)
    }
}

/// Sums and counts of `saga_step_duration_seconds`, by step.
fn latencies(metrics: &str) -> BTreeMap<String, Latency> {
    let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("saga_step_duration_seconds_")) {
        let (Some((kind, rest)), Some((_, value))) = (line.split_once('{'), line.rsplit_once(' ')) else { continue };
        let Some(step) = rest.split_once("step=\"").and_then(|(_, rest)| rest.split('"').next()) else { continue };
        let value: f64 = value.parse().unwrap_or_default();
        let latency = latencies.entry(step.to_owned()).or_default();
        match kind {
            "sum" => latency.seconds += value,
            "count" => latency.answered += value,
            _ => {}
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_added_up_by_step() {
        let page = "saga_step_duration_seconds_sum{step=\"sell_pet\",outcome=\"done\"} 0.5\n\
                    saga_step_duration_seconds_count{step=\"sell_pet\",outcome=\"done\"} 4\n\
                    saga_step_duration_seconds_bucket{le=\"0.1\",step=\"sell_pet\",outcome=\"done\"} 1\n\
                    saga_step_duration_seconds_sum{step=\"sell_pet\",outcome=\"refused\"} 0.5\n\
                    saga_step_duration_seconds_count{step=\"sell_pet\",outcome=\"refused\"} 1\nother 7\n";
        let expected = Latency { answered: 5.0, seconds: 1.0 };
        assert_eq!(latencies(page), BTreeMap::from([("sell_pet".to_owned(), expected.clone())]));
        assert_eq!(expected.cells(), ("5".to_owned(), "200.0 ms".to_owned()));
    }
}
