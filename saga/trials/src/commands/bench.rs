//! `./dev bench`: how long an order takes, with what is built for speed.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::bench;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many orders to measure
    #[arg(long, default_value_t = 300)]
    orders: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut up = super::system()?;
    let system = up.start().await?;
    let urls = up.urls()?;
    bench::run(&system, urls, arguments.orders, arguments.json).await?;
    Ok(ExitCode::SUCCESS)
}
