//! `./dev bench`: orders over HTTP, many at once, with what is built for speed.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use saga_trials::backlog;
use saga_trials::bench::{self, Goal, Load, Plan};
use saga_trials::processes::MOST_COPIES;
use saga_trials::screen::print;
use saga_trials::servers::postgres::Size;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many sagas a run has
    #[arg(long, default_value = "10000")]
    sagas: NonZeroUsize,
    /// How many orders are in flight at any time: one number, or several that take turns
    #[arg(long, default_value = "64", value_delimiter = ',')]
    in_flight: Vec<NonZeroUsize>,
    /// How many orders come in a second, however many are in flight: one number, or several that take turns
    #[arg(long, conflicts_with = "in_flight", value_delimiter = ',', value_parser = rate)]
    rate: Vec<f64>,
    /// How many of a hundred orders are out of stock, and undone
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=100))]
    fail: u64,
    /// How far a saga goes
    #[arg(long, value_enum, default_value_t = To::Placed)]
    to: To,
    /// How many copies of each process run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_COPIES as u64))]
    copies: u64,
    /// Let all clients order at the first copy: the others are its reserve
    #[arg(long)]
    reserve: bool,
    /// How many runs there are; the figures are their medians
    #[arg(long, default_value = "3")]
    runs: NonZeroUsize,
    /// Leave out the stream of all events
    #[arg(long)]
    no_stream: bool,
    /// Which messages share AMQP messages; `all` goes with --no-stream
    #[arg(long, default_value = "commands", value_parser = ["none", "commands", "all"])]
    batches: String,
    /// How much memory PostgreSQL takes for pages of its tables and indexes (`shared_buffers`), in MB
    #[arg(long, value_name = "MB", default_value_t = Size::LARGE.shared_buffers, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    shared_buffers: u32,
    /// Measure instead how fast a backlog of unpublished messages drains, a small and a large one
    #[arg(long)]
    backlog: bool,
    /// Replay instead all of history five times, that of so many sagas, and count the rows that it changes; then a history of
    /// messages while orchestrator and broker are killed
    #[arg(long, conflicts_with = "backlog")]
    replay: bool,
    /// How many messages the replay has that is killed
    #[arg(long, default_value = "100000", requires = "replay")]
    messages: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw latency against load into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    /// The outcome is known, and the owner would have to approve it
    Placed,
    /// Approved by rule, to the saga's end
    Approved,
}

/// A number of orders a second.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=1_000_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err(format!("{text} is no number of orders a second")),
    }
}

impl Arguments {
    fn plan(&self) -> Result<Plan> {
        let loads = if self.rate.is_empty() {
            self.in_flight.iter().map(|clients| Load::InFlight(clients.get())).collect()
        } else {
            self.rate.iter().copied().map(Load::Rate).collect()
        };
        anyhow::ensure!(
            self.batches != "all" || self.no_stream,
            "the stream is read message by message: --batches all goes with --no-stream"
        );
        let to = match self.to {
            To::Placed => Goal::Placed,
            To::Approved => Goal::Approved,
        };
        Ok(Plan {
            sagas: self.sagas.get(),
            loads,
            fail: usize::try_from(self.fail)?,
            to,
            copies: usize::try_from(self.copies)?,
            reserve: self.reserve,
            runs: self.runs.get(),
            stream: !self.no_stream,
            batches: self.batches.clone(),
            shared_buffers: self.shared_buffers,
        })
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.backlog {
        backlog::run(super::place()?, arguments.json).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.replay {
        let replayed = bench::replay(super::place()?, arguments.plan()?, arguments.messages.into()).await?;
        print(&if arguments.json { format!("{}\n", replayed.json()) } else { replayed.text() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = bench::run(super::place()?, arguments.plan()?).await?;
    if let Some(path) = &arguments.svg {
        std::fs::write(path, report.svg()).with_context(|| format!("writing {}", path.display()))?;
    }
    print(&if arguments.json { format!("{}\n", report.json()) } else { report.markdown() })?;
    Ok(ExitCode::SUCCESS)
}
