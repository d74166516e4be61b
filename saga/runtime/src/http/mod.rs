//! HTTP of every process: health, metrics, the operator's part, and errors as problems.
//!
//! A service brings its own routes and their OpenAPI document; [`app`] puts them beside what every
//! process has, behind the same limits. Handlers take [`Json`], [`Options`], [`Path`] and [`Query`] from here,
//! return [`Problem`]s, and name an [`Operator`] as an argument where a token is needed.

mod about;
pub(crate) mod admin;
mod auth;
mod extract;
mod health;
mod limits;
pub mod object;
mod openapi;
pub mod problem;
pub(crate) mod times;

use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::broker::Broker;
use crate::metrics::Metrics;
use crate::store::Pool;

pub use admin::Admin;
pub use auth::{Operator, Tokens, TokensError};
pub use extract::{Json, Options, Path, Query};
pub use limits::Limits;
pub use problem::{Problem, ProblemType};

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
    /// What operators do here.
    pub admin: Admin,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// The document of its own routes.
    pub openapi: utoipa::openapi::OpenApi,
    /// Whether the schema is up to date: before, the process's own routes answer 503.
    pub schema: watch::Receiver<bool>,
    /// What no request may exceed.
    pub limits: Limits,
}

/// The whole application: the process's own routes beside what every process has.
///
/// To be called inside of a runtime: it follows the connections to the broker.
///
/// # Panics
/// When `routes` has a path that every process has already.
pub fn app(parts: Parts, routes: Router) -> Router {
    parts.metrics.register_broker(parts.broker.counters());
    let (admin, document) = admin::routes(parts.admin.clone()).split_for_parts();
    let (process, document) = about_and_health(&parts, document).split_for_parts();
    let document = openapi::merged(parts.openapi, document, parts.name, parts.version);
    let work = limits::limited(routes.merge(admin), parts.limits, parts.schema);
    let whole = process.merge(openapi::route(&document)).merge(work);
    around(whole.fallback(limits::nowhere), parts.metrics)
}

fn about_and_health(parts: &Parts, document: utoipa::openapi::OpenApi) -> OpenApiRouter {
    let probe = health::Probe::new(parts.pool.clone(), parts.schema.clone(), &parts.broker);
    let health =
        OpenApiRouter::new().routes(routes!(health::healthz)).routes(routes!(health::readyz)).with_state(probe);
    let info = about::Info::new(parts.name, parts.version, parts.fingerprint.clone());
    let info = OpenApiRouter::new().routes(routes!(about::info)).with_state(info);
    let metrics = OpenApiRouter::new().routes(routes!(about::metrics)).with_state(Arc::clone(&parts.metrics));
    OpenApiRouter::with_openapi(document).merge(health).merge(info).merge(metrics)
}

/// What happens around each request, from the outside in. As few layers as can be: each of them is cloned with all that
/// are inside of it for every request.
fn around(routes: Router, metrics: Arc<Metrics>) -> Router {
    let trace = TraceLayer::new_for_http().make_span_with(span).on_failure(());
    routes.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(trace)
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn_with_state(metrics, limits::answered))
            .layer(CatchPanicLayer::custom(limits::panicked)),
    )
}

/// Names a request in the log; without its query, which may hold what nobody should read there.
fn span<B>(request: &Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("http", method = %request.method(), path = request.uri().path(), request_id = id)
}
