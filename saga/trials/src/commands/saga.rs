//! `./dev saga ...`: the `saga` command against what is up.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use saga_trials::processes::beside_us;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// What `saga` is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Becomes `saga`, in the environment that `./dev env` prints.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let program = beside_us("saga")?;
    let environment = super::system()?.environment()?;
    let error = Command::new(&program).args(arguments.arguments).envs(environment).exec();
    Err(error).with_context(|| format!("running {}", program.display()))
}
