//! `saga`: the orchestrator and the operator's command.

use anyhow::Result;
use clap::{Parser, Subcommand};
use saga::serve::{self, ServeConfig};

/// Runs sagas and shows what they do.
#[derive(Parser)]
#[command(name = "saga", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the orchestrator
    Serve(Box<ServeConfig>),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Serve(config) => {
            saga_runtime::telemetry::init(config.process.log_json)?;
            Ok(serve::serve(*config, saga_runtime::process::shutdown_signal()?).await?)
        }
    }
}
