//! The process `inventory-service`.

use clap::Parser;
use inventory_service::config::Config;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    saga_runtime::telemetry::init(config.process.log_json)?;
    let listener = TcpListener::bind(config.listen()).await?;
    Ok(inventory_service::run(listener, config, saga_runtime::process::shutdown_signal()?).await?)
}
