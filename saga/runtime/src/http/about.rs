//! What a process says of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Json, Problem};
use crate::metrics::{MEDIA_TYPE, Metrics};

/// What a process is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Info {
    /// Its name, the `source` of its messages.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The commit that it was built from, where the build knew.
    commit: Option<&'static str>,
    /// The fingerprint of its salt: the same for all processes of a system, or their ids differ.
    salt_fingerprint: String,
}

impl Info {
    pub(super) fn new(name: &'static str, version: &'static str, salt_fingerprint: String) -> Self {
        Self { name, version, commit: option_env!("SAGAFORGE_COMMIT"), salt_fingerprint }
    }
}

/// What this process is
#[utoipa::path(get, path = "/info", tag = "process", responses((status = 200, description = "Name and version", body = Info)))]
pub(super) async fn info(State(info): State<Info>) -> Json<Info> {
    Json(info)
}

/// What it counts, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "process", responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
))]
pub(super) async fn metrics(State(metrics): State<Arc<Metrics>>) -> Result<impl IntoResponse, Problem> {
    let page = metrics.page().map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], page))
}
