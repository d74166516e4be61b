//! `./dev down`: what `up` started, stopped.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::screen::{Line, say};

pub(crate) async fn run() -> Result<ExitCode> {
    let mut system = super::system()?;
    let line = Line::start("down", "stopping processes and servers");
    if system.stop().await? {
        line.done("all stopped; data stays in .dev/");
    } else {
        drop(line);
        say("down", "nothing was up");
    }
    Ok(ExitCode::SUCCESS)
}
