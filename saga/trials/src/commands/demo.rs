//! `./dev demo`: everything up, and shown.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::demo;

pub(crate) async fn run() -> Result<ExitCode> {
    let mut up = super::system()?;
    let system = up.start().await?;
    let urls = up.urls()?;
    demo::run(&system, urls).await?;
    Ok(ExitCode::SUCCESS)
}
