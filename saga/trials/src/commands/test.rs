//! `./dev test`: all tests, against servers of their own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use saga_trials::screen::say;
use saga_trials::tests::TestServers;
use tokio::process::Command;

use super::test_env::Debian;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run against the servers of that Debian release instead of the machine's
    #[arg(long)]
    debian: Option<Debian>,
    /// What `cargo test` is given: a filter, -p CRATE, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let place = super::place()?;
    let not_run = place.dev.join("tests-not-run");
    fs::write(&not_run, "").with_context(|| format!("writing {}", not_run.display()))?;
    let mut servers = TestServers::open(place, Debian::suite(arguments.debian))?;
    let tested = match servers.start().await {
        Ok(environment) => cargo_test(&arguments.arguments, environment, &not_run).await,
        Err(trouble) => Err(trouble.into()),
    };
    servers.leave().await?;
    report(&not_run)?;
    Ok(if tested? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `cargo test`; Ctrl-C ends it, and lets us clean up.
async fn cargo_test(arguments: &[OsString], environment: Vec<(&'static str, String)>, not_run: &Path) -> Result<bool> {
    let chosen = |argument: &OsString| argument == "-p" || argument.to_string_lossy().starts_with("--package");
    let mut command = Command::new("cargo");
    // All failures at once, not those of the first crate alone.
    command.args(["test", "--no-fail-fast"]);
    if !arguments.iter().take_while(|argument| *argument != OsStr::new("--")).any(chosen) {
        command.arg("--workspace");
    }
    command.args(arguments).envs(environment).env("TEST_NOT_RUN_FILE", not_run);
    let mut child = command.spawn().context("running cargo test")?;
    tokio::select! {
        status = child.wait() => Ok(status.context("waiting for cargo test")?.success()),
        _ = tokio::signal::ctrl_c() => {
            // The terminal told cargo as well.
            child.wait().await.context("waiting for cargo test")?;
            anyhow::bail!("interrupted");
        }
    }
}

/// Names every test that could not run here, with its reason.
fn report(not_run: &Path) -> Result<()> {
    let lines = fs::read_to_string(not_run).with_context(|| format!("reading {}", not_run.display()))?;
    for line in lines.lines() {
        say("not run", line);
    }
    Ok(())
}
