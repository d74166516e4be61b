//! `trials`: what `./dev` runs once everything is built.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod commands;

/// One script to run Sagaforge: private servers, the processes, the tests.
#[derive(Parser)]
#[command(name = "./dev", bin_name = "./dev", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
All data is under .dev/ (logs in .dev/logs, what is up in .dev/state.json). Nothing listens
beyond the loopback or takes a default port, and no service of the machine is touched.

Server programs come from, in this order:
  servers that run, given by SAGA_POSTGRES_URL, SAGA_AMQP_URL, SAGA_RABBITMQ_MANAGEMENT_URL;
  the machine; packages unpacked below .dev/servers, without root; packages installed.
SAGA_SERVERS=machine, unpack or install allows one of the last three alone.";

#[derive(Subcommand)]
enum Command {
    /// Start everything and show what it does, in seven chapters; it stays up
    Demo,
    /// Start what is missing: RabbitMQ, PostgreSQL, the three services and the orchestrator
    Up,
    /// Measure sagas a second and what they cost, on servers of its own, with optimised programs
    Bench(commands::bench::Arguments),
    /// Stop exactly what `up` started; data stays
    Down,
    /// Show what is up, and whether it answers; exits 1 unless everything does
    Status,
    /// Print the environment of what is up, for a shell: eval "$(./dev env)"
    Env,
    /// Run the `saga` command against what is up: ./dev saga list
    Saga(commands::saga::Arguments),
    /// Run thousands of sagas in one thread, without servers, and check every rule
    Simulate(commands::simulate::Arguments),
    /// Run two copies of everything under load, let everything go wrong at random, and check every rule
    Chaos(commands::chaos::Arguments),
    /// Run all tests against private servers of their own
    Test(commands::test::Arguments),
    /// Start the servers for tests and print their environment: eval "$(./dev test-env)"
    TestEnv(commands::test_env::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse().command).await.unwrap_or_else(|error| {
        eprintln!("./dev: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo => commands::demo::run().await,
        Command::Up => commands::up::run().await,
        Command::Bench(arguments) => commands::bench::run(arguments).await,
        Command::Down => commands::down::run().await,
        Command::Status => commands::status::run().await,
        Command::Env => commands::env::run(),
        Command::Saga(arguments) => commands::saga::run(arguments),
        Command::Simulate(arguments) => commands::simulate::run(&arguments),
        Command::Chaos(arguments) => commands::chaos::run(arguments).await,
        Command::Test(arguments) => commands::test::run(arguments).await,
        Command::TestEnv(arguments) => commands::test_env::run(arguments).await,
    }
}
