//! The benchmark: orders over HTTP, many at once, on servers and processes of its own.
//!
//! An order is for a pet and one supply. It is finished when its client knows the outcome: placed, or refused with
//! everything undone. Every run is followed by a check of all rules: a run that breaks one has no figures.

mod anchor;
mod durability;
mod figures;
mod ground;
mod load;
mod meter;
mod outcome;
mod proc;
mod report;

use serde::Serialize;

use crate::screen::Line;
use crate::servers::{Place, Trouble};

pub use figures::{Figure, Figures, Run};
pub use report::Report;

use anchor::Anchor;
use ground::Ground;
use meter::Meter;
use outcome::Told;

/// What is to be measured, and how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// How many sagas a run has.
    pub sagas: usize,
    /// How orders come.
    pub load: Load,
    /// How many of a hundred orders are out of stock.
    pub fail: usize,
    /// How far a saga goes.
    pub to: Goal,
    /// How many copies of each process run.
    pub copies: usize,
    /// How many runs there are.
    pub runs: usize,
    /// Whether the stream of all events is kept.
    pub stream: bool,
}

/// How orders come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// So many at any time: each client places its next order when it knows the outcome of the last.
    InFlight(usize),
    /// So many a second, however many are on their way.
    Rate(f64),
}

/// How far a saga goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Until the owner would have to approve it.
    Placed,
    /// To its end: approved by rule, the pet sold, the supply taken.
    Approved,
}

/// Measures, and leaves nothing running.
///
/// # Errors
/// When something cannot be had, an order has another outcome than it should, or a rule is broken.
pub async fn run(place: Place, plan: Plan) -> Result<Report, Trouble> {
    let mut ground = Ground::prepare(place, &plan).await?;
    let measured = tokio::select! {
        measured = measure(&ground, &plan) => measured,
        _ = tokio::signal::ctrl_c() => Err(Trouble::Unmet("interrupted".into())),
    };
    ground.clear().await?;
    measured
}

async fn measure(ground: &Ground, plan: &Plan) -> Result<Report, Trouble> {
    let mut told = Told::default();
    let line = Line::start("warming up", "the first orders do not count");
    one(ground, &plan.warm_up(), 0, &mut told).await?;
    line.done("they do not count");
    let mut figures = Figures::default();
    for run in 1..=plan.runs {
        let line = Line::start("run", format!("{run} of {}", plan.runs));
        let measured = one(ground, plan, run, &mut told).await?;
        let speed = measured.get("sagas_per_second").unwrap_or_default();
        line.done(&format!("{run} of {}: {speed:.0} sagas/s, every rule holds", plan.runs));
        figures.add(measured);
    }
    Ok(Report { plan: plan.clone(), durability: durability::read(ground).await?, figures })
}

/// One run, with all that is checked after it.
async fn one(ground: &Ground, plan: &Plan, number: usize, told: &mut Told) -> Result<Run, Trouble> {
    let orders = load::prepare(ground, plan, number).await?;
    outcome::quiet(ground).await?;
    let anchor = Anchor::measure(ground).await?;
    let meter = Meter::start(ground).await?;
    let answered = load::drive(orders, plan.load).await?;
    if plan.to == Goal::Approved {
        outcome::ended(ground).await?;
    }
    let run = meter.stop(&answered, anchor).await?;
    told.placed += answered.placed;
    told.refused += answered.refused;
    outcome::check(ground, plan.to, *told).await?;
    Ok(run)
}

impl Plan {
    /// What precedes the first run, so that it finds connections open and pages in memory.
    fn warm_up(&self) -> Self {
        let load = match self.load {
            Load::InFlight(clients) => Load::InFlight(clients),
            Load::Rate(_) => Load::InFlight(16),
        };
        Self { sagas: 500, load, ..self.clone() }
    }
}
