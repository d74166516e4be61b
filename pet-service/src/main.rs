//! The process `pet-service`.

use clap::Parser;
use pet_service::config::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    saga_runtime::telemetry::init(config.process.log_json)?;
    Ok(pet_service::run(config, saga_runtime::process::shutdown_signal()?).await?)
}
