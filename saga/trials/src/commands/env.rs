//! `./dev env`: the environment of what is up, for a shell.

use std::process::ExitCode;

use anyhow::Result;

#[expect(clippy::print_stdout, reason = "the environment is this command's output, for eval")]
pub(crate) fn run() -> Result<ExitCode> {
    for (name, value) in super::system()?.environment()? {
        println!("export {name}={}", super::quoted(&value));
    }
    Ok(ExitCode::SUCCESS)
}
