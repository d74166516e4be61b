//! The campaign: real processes, two copies of each, real servers, customers, and everything that can go wrong at
//! random. Then the faults end, everything has to heal by itself, and every rule is checked.

mod conductor;
mod counts;
mod customers;
mod fleet;
mod plan;
mod proxy;
mod report;
mod rules;
mod strangers;
mod told;
mod wish;

use std::time::{Duration, Instant};

use crate::invariants::{Databases, Findings};
use crate::screen::{Line, print, say};
use crate::servers::apt::Suite;
use crate::servers::programs::Programs;
use crate::servers::{Given, Place, Stack, Trouble};
use conductor::Conductor;
use customers::Customers;
use fleet::{COPIES, Fleet};
use plan::Plan;
pub use plan::{Fault, Planned, Round, Server};
pub use report::Report;

/// What a campaign of the command line is to be.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For how long faults go on.
    pub minutes: u64,
    /// What goes wrong, when, and what customers want: all of it follows from it.
    pub seed: u64,
    /// Which servers.
    pub suite: Suite,
    /// Whether to print the table as JSON.
    pub json: bool,
}

/// Runs a campaign and prints its table.
///
/// # Errors
/// When something cannot be started, or a rule is broken: then with the rule.
pub async fn run(place: Place, settings: Settings) -> Result<(), Trouble> {
    let Settings { minutes, seed, suite, json } = settings;
    let name = match suite {
        Suite::Machine => "chaos",
        Suite::Trixie => "chaos-trixie",
    };
    let programs = Programs::find(&place, suite, &Given::default())?;
    let (mut began, duration) = (None, Duration::from_secs(minutes * 60));
    let rounds =
        Plan::of(seed, COPIES).take_while(move |_| began.get_or_insert_with(Instant::now).elapsed() < duration);
    let mut report = Report::of(seed);
    let outcome = tokio::select! {
        outcome = campaign(place.clone(), name, programs, rounds, minutes, &mut report) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Trouble::Unmet("interrupted".into())),
    };
    // Whatever came in between, nothing stays behind.
    Stack::open(place, name)?.kill_all().await?;
    let text = if json { format!("{}\n", report.json()) } else { report.table() };
    print(&text).map_err(|error| Trouble::Unmet(format!("printing: {error}")))?;
    outcome?;
    if !report.broken.is_empty() {
        return Err(Trouble::Unmet(format!("rules are broken:\n  {}", report.broken.join("\n  "))));
    }
    say("chaos", "nothing lost, nothing doubled: every rule holds");
    Ok(())
}

/// Holds a campaign of these rounds in a stack of that name, with pets and supplies for so many minutes, and stops
/// everything in good order.
///
/// # Errors
/// When something cannot be started, or does not recover or come to rest. Other broken rules are in the report.
pub async fn campaign(
    place: Place,
    name: &str,
    programs: Programs,
    rounds: impl Iterator<Item = Round>,
    minutes: u64,
    report: &mut Report,
) -> Result<(), Trouble> {
    let mut fleet = Fleet::start(place, name, programs).await?;
    report.servers = crate::tests::versions(&fleet.endpoints).await?;
    let held = hold(&mut fleet, rounds, minutes, report).await;
    fleet.leave().await?;
    held
}

async fn hold(
    fleet: &mut Fleet,
    rounds: impl Iterator<Item = Round>,
    minutes: u64,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (line, seed) = (Line::start("shop", "putting in pets and supplies"), report.seed);
    let customers = Customers::open(fleet.shops()?, seed, minutes).await?;
    let units = Databases::of(&fleet.system).await?.units().await?;
    line.done("open");
    let (urls, mut counts) = (fleet.urls(), std::mem::take(&mut report.counts));
    let mut conductor = Conductor::new(fleet, seed, report, &customers);
    let faults = async {
        let conducted = conductor.conduct(rounds).await;
        // Those who are in the shop are served; nothing is wrong any more.
        customers.close();
        conducted
    };
    let ended = tokio::select! {
        (ended, ()) = async { tokio::join!(faults, customers.run()) } => ended,
        () = counts.follow(&urls) => Ok(()),
    };
    let stranger = conductor.leave();
    report.counts = counts;
    (report.duplicates, report.garbage, report.wishes) =
        (stranger.duplicates(), stranger.garbage().len(), customers.wishes());
    ended?;
    let (told, wrong) = customers.told().await;
    report.told(&told);
    report.broken.extend(wrong);
    let (line, began) = (Line::start("rest", "waiting until nothing is on its way any more"), Instant::now());
    // Connections of before did not outlive the faults.
    let databases = Databases::of(&fleet.system).await?;
    report.findings = rules::rest(&databases, &fleet.endpoints).await?;
    report.rest = began.elapsed();
    line.now("checking every rule");
    report.broken.extend(rules::against_rules(&databases, &report.findings, stranger.garbage(), units).await?);
    report.broken.extend(rules::against_answers(&rules::stored(&databases).await?, &told));
    report.broken.extend(rules::asked_again(&customers, &told).await);
    report.broken.extend(nothing_new(&report.findings, &databases.check().await?));
    line.done("every rule checked");
    Ok(())
}

/// Asking again has started nothing.
fn nothing_new(before: &Findings, after: &Findings) -> Option<String> {
    (before != after).then(|| format!("asking again changed {before:?} to {after:?}"))
}
