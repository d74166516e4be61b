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
mod plot;
mod proc;
mod replay;
mod report;

use saga_runtime::process::shutdown_signal;
use serde::Serialize;

use crate::screen::{Line, say};
use crate::servers::{Place, Trouble};

pub use figures::{Figure, Figures, Run};
pub use replay::{Replayed, replay};
pub use report::{Measured, Report};

use anchor::Anchor;
use ground::Ground;
use meter::Meter;
use outcome::Told;

/// What is to be measured, and how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// How many sagas a run has.
    pub sagas: usize,
    /// How orders come: one run after the other for each of these.
    pub loads: Vec<Load>,
    /// How many of a hundred orders are out of stock.
    pub fail: usize,
    /// How far a saga goes.
    pub to: Goal,
    /// How many copies of each process run.
    pub copies: usize,
    /// Whether clients order at the first copy alone, and the others are its reserve.
    pub reserve: bool,
    /// How many runs there are for each load.
    pub runs: usize,
    /// Whether the stream of all events is kept.
    pub stream: bool,
    /// Which messages share AMQP messages: `none`, `commands` or `all`.
    pub batches: String,
    /// PostgreSQL's `shared_buffers`, in MB.
    pub shared_buffers: u32,
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

/// What precedes the first run, so that it finds connections open and pages in memory.
const WARM_UP: (usize, Load) = (500, Load::InFlight(16));

/// How many of a hundred parts of the processor time the kernel's own threads may take.
const MOST_ELSEWHERE: f64 = 15.0;

/// Measures, and leaves nothing running.
///
/// # Errors
/// When something cannot be had, an order has another outcome than it should, or a rule is broken.
pub async fn run(place: Place, plan: Plan) -> Result<Report, Trouble> {
    let told_to_stop = shutdown_signal().map_err(|error| Trouble::Unmet(error.to_string()))?;
    let mut ground = Ground::prepare(place, &plan).await?;
    let measured = tokio::select! {
        measured = measure(&ground, plan) => measured,
        () = told_to_stop.cancelled() => Err(Trouble::Unmet("interrupted".into())),
    };
    ground.clear().await?;
    measured
}

/// The loads take turns, so that a drift of the machine meets them all.
async fn measure(ground: &Ground, plan: Plan) -> Result<Report, Trouble> {
    let mut told = Told::default();
    let line = Line::start("warming up", "the first orders do not count");
    let warm_up = Plan { sagas: WARM_UP.0, ..plan.clone() };
    one(ground, &warm_up, WARM_UP.1, &mut told).await?;
    line.done(&format!("{} orders that do not count", WARM_UP.0));
    let mut measured: Vec<Measured> = plan.loads.iter().map(|load| Measured::of(*load)).collect();
    for number in 1..=plan.runs {
        for Measured { load, figures } in &mut measured {
            let line = Line::start("run", format!("{number} of {}, {load}", plan.runs));
            let run = one(ground, &plan, *load, &mut told).await?;
            let speed = run.get("sagas_per_second").unwrap_or_default();
            line.done(&format!("{number} of {}, {load}: {speed:.0} sagas/s, every rule holds", plan.runs));
            if let Some(share) = elsewhere(&run) {
                say("beware", &format!("{share:.0} % of the processor time went to other programs: it was not quiet"));
            }
            figures.add(run);
        }
    }
    let durability = durability::read(ground).await?;
    Ok(Report { plan, durability, measured })
}

/// How many of a hundred parts of the processor time went to what is not measured, if it is more than the kernel takes.
fn elsewhere(run: &Run) -> Option<f64> {
    let (all, others) = (run.get("cpu_ms.all")?, run.get("cpu_ms.others")?);
    let share = 100.0 * others / (all + others);
    (share > MOST_ELSEWHERE).then_some(share)
}

/// One run, with all that is checked after it.
async fn one(ground: &Ground, plan: &Plan, load: Load, told: &mut Told) -> Result<Run, Trouble> {
    let orders = load::prepare(ground, plan, told.all()).await?;
    outcome::quiet(ground).await?;
    let anchor = Anchor::measure(ground).await?;
    let meter = Meter::start(ground).await?;
    let answered = load::drive(orders, load).await?;
    if plan.to == Goal::Approved {
        outcome::ended(ground).await?;
    }
    let run = meter.stop(&answered, anchor).await?;
    told.add(&answered);
    outcome::check(ground, plan.to, *told).await?;
    Ok(run)
}
