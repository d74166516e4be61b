//! Logs: for a person at a terminal, or as JSON lines for a machine.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// What is logged when `RUST_LOG` says nothing. lapin would log returned messages with their bodies.
const DEFAULT: &str = "info,lapin::returned_messages=off";

/// Starts logging to standard error, as `RUST_LOG` says (`info` by default). Call it once, first thing.
///
/// # Errors
/// Something logs already.
pub fn init(json: bool) -> Result<(), TryInitError> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => filter.parse_lossy(directives),
        Ok(_) | Err(_) => filter.parse_lossy(DEFAULT),
    };
    tracing_subscriber::registry().with(lines(json)).with(filter).try_init()
}

fn lines(json: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed()
    }
}
