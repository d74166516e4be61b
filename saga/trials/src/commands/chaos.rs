//! `./dev chaos`: everything that can go wrong, for a while, and every rule checked.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::chaos::{self, Settings};

use super::test_env::Debian;

#[derive(clap::Args)]
#[command(after_help = "Example: ./dev chaos --minutes 10 --seed 3")]
pub(crate) struct Arguments {
    /// For how many minutes faults go on
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: u64,
    /// What goes wrong, and when, and what customers want follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Against the servers of that Debian release instead of the machine's
    #[arg(long)]
    debian: Option<Debian>,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { minutes, seed, debian, json } = arguments;
    let settings = Settings { minutes, seed, suite: Debian::suite(debian), json };
    chaos::run(super::place()?, settings).await?;
    Ok(ExitCode::SUCCESS)
}
