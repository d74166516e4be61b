//! `saga`: the orchestrator and the operator's command.

use std::process::ExitCode;

use clap::Parser;
use saga::command::{Arguments, Failure};

/// A tenth of the processor time goes to the allocator that is there by default.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
