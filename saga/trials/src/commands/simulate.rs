//! `./dev simulate`: the whole system in one thread, without servers.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use saga_core::Phase;
use saga_trials::screen::print;
use saga_trials::simulate::{Settings, Simulation};

#[derive(clap::Args)]
#[command(after_help = "Example: ./dev simulate --seed 7 --sagas 10000 --show cancelled")]
pub(crate) struct Arguments {
    /// Everything follows from it: the same seed gives the same run, byte for byte
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many orders are placed
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sagas: u32,
    /// Print the story of one saga that ended so, as `saga show` does
    #[arg(long, value_name = "OUTCOME", num_args = 0..=1, default_missing_value = "completed")]
    show: Option<Outcome>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
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

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { seed, sagas, show, trace } = *arguments;
    let started = Instant::now();
    let simulation = Simulation::run(Settings { seed, sagas, trace, bug: None })?;
    let seconds = started.elapsed().as_secs_f64();
    for line in simulation.trace() {
        print(&format!("{line}\n"))?;
    }
    let shown = show.map_or(Ok(true), |outcome| show_one(&simulation, outcome))?;
    print(&simulation.summary())?;
    // Not on stdout: that is the same whenever the seed is.
    eprintln!("             {seconds:.1} s on the wall clock");
    if simulation.broken().is_empty() {
        return Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    tell_shortest(simulation)?;
    Ok(ExitCode::FAILURE)
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
    let simulation = match simulation.smaller()? {
        Some(smaller) => {
            print(&format!("\nThe smallest run found that breaks a rule:\n{}", smaller.summary()))?;
            smaller
        }
        None => simulation,
    };
    if let Some(story) = simulation.shortest_broken() {
        print(&format!("\n{story}"))?;
    }
    Ok(())
}
