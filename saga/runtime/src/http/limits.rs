//! What no request may exceed, and what every answer carries.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, REFERRER_POLICY,
    TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Response as HttpResponse, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::limit::RequestBodyLimitLayer;

use super::problem::{OVERLOADED, Problem, STARTING, TIMEOUT};
use crate::metrics::Metrics;

/// What no request may exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Time until an answer begins.
    pub timeout: Duration,
    /// Requests at once; further ones are sent away with a 503.
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 1024 * 1024, timeout: Duration::from_secs(30), concurrency: 1024 }
    }
}

/// Puts routes behind the limits; before the schema is up to date they answer 503 to everybody.
pub(super) fn limited(routes: Router, limits: Limits, schema: watch::Receiver<bool>) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(overloaded))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::new(limits.concurrency))
            .layer(middleware::from_fn_with_state((schema, limits.timeout), in_time))
            .layer(RequestBodyLimitLayer::new(limits.body))
            .layer(DefaultBodyLimit::disable()),
    )
}

async fn overloaded(_: BoxError) -> Problem {
    Problem::from(&OVERLOADED).retry_after(Duration::from_secs(1))
}

/// Neither before the schema is there nor for longer than the limit.
async fn in_time(
    State((schema, limit)): State<(watch::Receiver<bool>, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    if !*schema.borrow() {
        return Problem::from(&STARTING).retry_after(Duration::from_secs(1)).into_response();
    }
    let late = |_| Problem::new(&TIMEOUT, format!("no answer within {limit:?}")).into_response();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(late)
}

/// A panic of a handler, as a problem; the cause goes to the log.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(super) fn panicked(cause: Box<dyn Any + Send>) -> HttpResponse<Body> {
    let text = cause.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
    Problem::internal(&format!("panic: {}", text.as_deref().unwrap_or("no text"))).into_response()
}

/// Turns whatever else refused a request (the router, a layer, a foreign extractor) into a problem.
async fn problems_only(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || !is_bare(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, 4096).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut problem = Problem::of_status(status);
    if !text.is_empty() && status.is_client_error() {
        problem = problem.detail(text);
    } else if status.is_server_error() && !text.is_empty() {
        tracing::error!(%status, text, "a request failed");
    }
    let (fresh, body) = problem.into_response().into_parts();
    for stale in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(stale);
    }
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}

/// Whether nobody has said more than a status and perhaps a line of text.
fn is_bare(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// Headers that keep browsers and caches from doing what nobody asked for.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Counts and times each request by its route, and makes its answer one that anybody may get.
pub(super) async fn answered(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let (method, start) = (request.method().clone(), Instant::now());
    let response = next.run(request).await;
    metrics.http_request(&method, &route, response.status(), start.elapsed());
    guarded(problems_only(response).await)
}

/// Nothing is at this path.
pub(super) async fn nowhere() -> StatusCode {
    StatusCode::NOT_FOUND
}
