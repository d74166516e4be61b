//! The `idforge` command: ids on standard output, everything else on standard error.
//!
//! Exit code 0 for success, 1 for failure, 2 for wrong usage.

mod command;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use command::{Command, Failure};

/// Forges deterministic ids: the same input gives the same UUID, here and in Python's uuid-forge.
#[derive(Parser)]
#[command(name = "idforge", version, max_term_width = 100)]
struct Idforge {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Idforge::parse().command.run() {
        Ok(code) => code,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Says what went wrong. Where standard error itself is closed there is nobody left to tell.
fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "idforge: {failure}");
}
