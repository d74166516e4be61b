//! `./dev simulate`: the whole system in one thread, without servers.

use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use saga_core::Phase;
use saga_trials::screen::print;
use saga_trials::simulate::{Campaign, Fault, Faults, Level, Settings, Simulation};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  ./dev simulate --seed 7 --sagas 10000 --show cancelled
  ./dev simulate --seed 7 --sagas 10000 --faults heavy
  ./dev simulate --seeds 1..1000 --sagas 100 --faults heavy --minutes 10
Exits 1 when a rule is broken, and tells the shortest story that breaks it.")]
pub(crate) struct Arguments {
    /// Everything follows from it: the same seed gives the same run, byte for byte
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many orders are placed
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sagas: u32,
    /// How much goes wrong
    #[arg(long, value_enum, default_value_t = Level::None)]
    faults: Level,
    /// Of these faults, only some kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Fault>,
    /// A campaign: one run for each of these seeds, the last one left out
    #[arg(long, value_name = "FROM..TO", value_parser = seeds, conflicts_with_all = ["seed", "trace", "show"])]
    seeds: Option<Range<u64>>,
    /// A campaign that ends after so long: one run for each seed from `--seed` or `--seeds` on
    #[arg(long, conflicts_with_all = ["trace", "show"])]
    minutes: Option<u64>,
    /// Print the story of one saga that ended so, as `saga show` does
    #[arg(long, value_name = "OUTCOME", num_args = 0..=1, default_missing_value = "completed")]
    show: Option<Outcome>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// How a saga ends.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Outcome {
    /// All steps are done
    Completed,
    /// The system said no and all is undone
    Rejected,
    /// A person or an expiry ended it and all is undone
    Cancelled,
}

/// How often a campaign says where it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let faults = Faults::of(arguments.faults);
    let faults = if arguments.only.is_empty() { faults } else { faults.only(&arguments.only) };
    let Arguments { seed, sagas, trace, .. } = *arguments;
    let settings = Settings { seed, sagas, faults, trace, bug: None };
    match (&arguments.seeds, arguments.minutes) {
        (None, None) => one_run(arguments, settings),
        (seeds, minutes) => campaign(arguments, settings, seeds.clone().unwrap_or(seed..u64::MAX), minutes),
    }
}

fn one_run(arguments: &Arguments, settings: Settings) -> Result<ExitCode> {
    let started = Instant::now();
    let simulation = Simulation::run(settings)?;
    let took = started.elapsed();
    for line in simulation.trace() {
        print(&format!("{line}\n"))?;
    }
    let shown = arguments.show.map_or(Ok(true), |outcome| show_one(&simulation, outcome))?;
    if arguments.json {
        print(&format!("{:#}\n", simulation.report()))?;
    } else {
        print(&simulation.summary())?;
    }
    pace(took, settings.sagas.into());
    if simulation.broken().is_empty() {
        return Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    tell_shortest(simulation)?;
    Ok(ExitCode::FAILURE)
}

/// Not on stdout: that is the same whenever the seed is.
fn pace(took: Duration, sagas: u64) {
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate, rounded anyway")]
    let rate = sagas as f64 / seconds.max(0.001);
    eprintln!("             {seconds:.1} s on the wall clock, {rate:.0} sagas/s");
}

fn show_one(simulation: &Simulation, outcome: Outcome) -> Result<bool> {
    let phase = match outcome {
        Outcome::Completed => Phase::Completed,
        Outcome::Rejected => Phase::Rejected,
        Outcome::Cancelled => Phase::Cancelled,
    };
    match simulation.example(phase) {
        Some(story) => print(&format!("{story}\n"))?,
        None => {
            eprintln!("no saga of this run was {}; try more of them, or another seed", phase.as_str());
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells the shortest story that breaks a rule, of a smaller run if one does.
fn tell_shortest(simulation: Simulation) -> Result<()> {
    eprintln!("             looking for a smaller run that breaks the same rule");
    let simulation = match simulation.smaller()? {
        Some(smaller) => {
            print(&format!("\nThe smallest run found that breaks it:\n{}", smaller.summary()))?;
            smaller
        }
        None => simulation,
    };
    let Settings { seed, sagas, faults, .. } = simulation.settings();
    print(&format!("             ./dev simulate --seed {seed} --sagas {sagas} {faults} --trace\n"))?;
    if let Some(story) = simulation.shortest_broken() {
        print(&format!("\n{story}"))?;
    }
    Ok(())
}

/// Seed after seed, until the last of them or until time is up.
fn campaign(arguments: &Arguments, settings: Settings, seeds: Range<u64>, minutes: Option<u64>) -> Result<ExitCode> {
    let (started, mut said) = (Instant::now(), Instant::now());
    let deadline = minutes.map(|minutes| started + Duration::from_secs(minutes * 60));
    let (mut campaign, mut first_broken) = (Campaign::default(), None);
    for seed in seeds {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        let run = campaign.run(Settings { seed, ..settings })?;
        if !run.broken().is_empty() {
            first_broken.get_or_insert(run);
        }
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let (seeds, sagas, broken) = (campaign.seeds, campaign.sagas, campaign.broken.len());
            eprintln!("             {seeds} seeds, {sagas} sagas, {broken} seeds that break a rule");
        }
    }
    if arguments.json {
        print(&format!("{:#}\n", campaign.report()))?;
    } else {
        print(&campaign.summary())?;
    }
    pace(started.elapsed(), campaign.sagas);
    let Some(broken) = first_broken else { return Ok(ExitCode::SUCCESS) };
    print(&format!("\n{}", broken.summary()))?;
    tell_shortest(broken)?;
    Ok(ExitCode::FAILURE)
}

/// `FROM..TO`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let seed = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?} is no seed: {error}"));
    let (from, to) = text.split_once("..").ok_or("seeds are FROM..TO, as 1..1001")?;
    let seeds = seed(from)?..seed(to)?;
    if seeds.is_empty() { Err(format!("there is no seed in {text}")) } else { Ok(seeds) }
}
