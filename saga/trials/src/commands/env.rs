//! `./dev env`: the environment of what is up, for a shell.

use std::process::ExitCode;

use anyhow::Result;

pub(crate) fn run() -> Result<ExitCode> {
    super::print_exports(&super::system()?.environment()?)?;
    Ok(ExitCode::SUCCESS)
}
