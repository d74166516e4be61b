//! `saga`: the orchestrator and the operator's command.

use std::process::ExitCode;

use clap::Parser;
use saga::command::{Arguments, Failure};

#[tokio::main]
async fn main() -> ExitCode {
    match saga::command::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            eprintln!("saga: {why}");
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("saga: {failure}");
            ExitCode::FAILURE
        }
    }
}
