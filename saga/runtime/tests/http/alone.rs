//! An application without servers: for what it answers by itself.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::FromRef;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::future::BoxFuture;
use saga_core::Topology;
use saga_runtime::broker::topology::Options;
use saga_runtime::broker::{Broker, Marks, Outbound, Settled, relay};
use saga_runtime::http::{Admin, Json, Limits, Operator, Parts, Path, Problem, Query, Tokens, app};
use saga_runtime::metrics::Metrics;
use saga_runtime::{Secret, StoreError, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

pub(crate) const TOKEN: &str = "0123456789abcdef";
const NOTHING: Topology = Topology { exchanges: &[], queues: &[], types: &[] };

#[derive(Deserialize, Serialize)]
pub(crate) struct Note {
    text: String,
}

#[derive(Deserialize)]
struct Page {
    page: u32,
}

#[derive(Clone)]
struct Desk(Tokens);

impl FromRef<Desk> for Tokens {
    fn from_ref(desk: &Desk) -> Self {
        desk.0.clone()
    }
}

struct NoMarks;

impl Marks for NoMarks {
    fn settled<'a>(&'a self, _: &'a [Settled]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn leftovers<'a>(&'a self, _: i64) -> BoxFuture<'a, Result<Vec<Outbound>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Parts whose servers nobody runs.
pub(crate) fn parts(limits: Limits) -> Parts {
    let options = Options { passive: false, event_stream: false };
    let broker = Broker::new(&Secret::new("amqp://nobody:x@127.0.0.1:1/x"), "desk", &NOTHING, options);
    let broker = broker.unwrap();
    let pool = store::connect("DATABASE_URL", &Secret::new("postgres://nobody:x@127.0.0.1:1/x"), "desk", 2).unwrap();
    let (relay, _publisher) = relay::new(&broker, Arc::new(NoMarks), saga_runtime::broker::batch::Batches::None);
    Parts {
        name: "desk",
        version: "1.2.3",
        fingerprint: "00112233aabb".to_owned(),
        broker,
        admin: Admin::new(pool.clone(), relay, tokens(), ids()),
        pool,
        metrics: Arc::new(Metrics::default()),
        openapi: utoipa::openapi::OpenApi::default(),
        schema: watch::Sender::new(true).subscribe(),
        limits,
    }
}

fn ids() -> saga_core::Ids {
    saga_core::Ids::new(&idforge::Salt::new(saga_runtime::testing::SALT).unwrap(), "petstore.example")
}

fn tokens() -> Tokens {
    Tokens::parse(&format!("anna:{TOKEN}")).unwrap()
}

async fn panics() -> &'static str {
    panic!("the cat sat on it")
}

/// Routes that use and break everything. What waits at `/wait` goes on when `go_on` is notified.
pub(crate) fn routes(go_on: Arc<Notify>) -> Router {
    Router::new()
        .route("/notes", post(async |Json(note): Json<Note>| Json(note)))
        .route("/notes/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/pages", get(async |Query(page): Query<Page>| page.page.to_string()))
        .route("/foreign", post(async |axum::Json(note): axum::Json<Note>| axum::Json(note)))
        .route("/raw", post(async |body: axum::body::Bytes| body.len().to_string()))
        .route("/secret", post(async |Operator(name): Operator| name))
        .route("/panic", get(panics).fallback(async || StatusCode::IM_A_TEAPOT))
        .route("/broken", get(async || (StatusCode::BAD_GATEWAY, "password=hunter2")))
        .route("/taken", get(async || Problem::conflict("pet 7 is taken").with("pet", 7)))
        .route("/wait", get(async |Extension(go_on): Extension<Arc<Notify>>| go_on.notified().await))
        .layer(Extension(go_on))
        .with_state(Desk(tokens()))
}

pub(crate) fn application() -> Router {
    app(parts(Limits::default()), routes(Arc::default()))
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of that kind and status, and gives its detail.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!((self.status, &problem["status"]), (status, &Value::from(status)), "{problem}");
        assert_eq!(problem["type"], format!("urn:sagaforge:problem:{kind}"), "{problem}");
        assert!(!problem["title"].as_str().unwrap().is_empty());
        problem["detail"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) async fn ask(app: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text }
}

pub(crate) async fn fetch(app: &Router, path: &str) -> Answer {
    ask(app, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn send(app: &Router, path: &str, json: impl Into<Body>) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    ask(app, request.body(json.into()).unwrap()).await
}
