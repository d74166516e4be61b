//! `trials`: what `./dev` runs.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod commands;

#[derive(Parser)]
#[command(name = "./dev", about = "One script to run Sagaforge: private servers, the processes, the tests.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start (or reuse) the servers for tests and print their environment: eval "$(./dev test-env)"; cargo test
    TestEnv(commands::test_env::Arguments),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::TestEnv(arguments) => commands::test_env::run(arguments).await,
    }
}
