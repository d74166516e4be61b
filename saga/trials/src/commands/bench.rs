//! `./dev bench`: orders over HTTP, many at once, with what is built for speed.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::bench::{self, Goal, Load, Plan};
use saga_trials::processes::MOST_COPIES;
use saga_trials::screen::print;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many sagas a run has
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one())]
    sagas: u64,
    /// How many orders are in flight at any time
    #[arg(long, default_value_t = 64, value_parser = at_least_one())]
    in_flight: u64,
    /// How many orders come in a second, however many are in flight; latency counts from the time each was meant to be sent
    #[arg(long, conflicts_with = "in_flight")]
    rate: Option<f64>,
    /// How many of a hundred orders are out of stock, and undone
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=100))]
    fail: u64,
    /// How far a saga goes
    #[arg(long, value_enum, default_value_t = To::Placed)]
    to: To,
    /// How many copies of each process run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_COPIES as u64))]
    copies: u64,
    /// How many runs there are; the figures are their medians
    #[arg(long, default_value_t = 3, value_parser = at_least_one())]
    runs: u64,
    /// Leave out the stream of all events
    #[arg(long)]
    no_stream: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    /// The outcome is known, and the owner would have to approve it
    Placed,
    /// Approved by rule, to the saga's end
    Approved,
}

fn at_least_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let load = match arguments.rate {
        Some(rate) => Load::Rate(rate),
        None => Load::InFlight(usize::try_from(arguments.in_flight)?),
    };
    let to = match arguments.to {
        To::Placed => Goal::Placed,
        To::Approved => Goal::Approved,
    };
    let plan = Plan {
        sagas: usize::try_from(arguments.sagas)?,
        load,
        fail: usize::try_from(arguments.fail)?,
        to,
        copies: usize::try_from(arguments.copies)?,
        runs: usize::try_from(arguments.runs)?,
        stream: !arguments.no_stream,
    };
    let report = bench::run(super::place()?, plan).await?;
    print(&if arguments.json { format!("{}\n", report.json()) } else { report.text() })?;
    Ok(ExitCode::SUCCESS)
}
