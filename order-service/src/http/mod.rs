//! HTTP: one page per kind of request. What may be said is decided in `domain`, how it is said here.

mod ask;
mod place;
mod read;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use saga_contract::Names;
use saga_core::{Ids, Message, Payload, PayloadError, Time};
use saga_runtime::http::Tokens;
use saga_runtime::store::{Lists, Together};
use saga_runtime::{StoreError, Writer};
use tokio::time::Instant;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::Request;
use crate::waiters::Waiters;
use place::Taking;

pub use place::{Asked, Taker};
pub use wire::{Order, OrderItem};

/// What changing an order takes.
pub struct Desk {
    /// The database, with the messages that changes send.
    pub writer: Writer,
    /// The forges of the engine's ids.
    pub ids: Ids,
    /// The forges of the store's ids.
    pub names: Names,
}

/// What requests need: cheap to clone, as each layer around a route does for each request.
#[derive(Clone)]
pub struct App {
    desk: Arc<Desk>,
    /// Where orders are listed.
    lists: Lists,
    /// Those who wait.
    waiters: Waiters,
    /// How long a client waits at most for the outcome of its request.
    wait: Duration,
    /// Who is an operator.
    tokens: Tokens,
    /// Where requests are taken together.
    taking: Taking,
}

/// Under which paths everything is.
const BASE: &str = "/api/v3";

#[derive(OpenApi)]
#[openapi(
    info(title = "order-service", description = "Orders of the pet store: the Petstore's API, and what it lacks."),
    tags((name = "store", description = "Access to Petstore orders")),
    modifiers(&Bearer)
)]
struct Document;

/// Operators have a token.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("operator", scheme);
    }
}

/// All routes, and the document that describes them.
pub fn routes(app: App) -> (axum::Router, utoipa::openapi::OpenApi) {
    let (router, document) = described().split_for_parts();
    (router.with_state(app), document)
}

/// The document alone.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<App> {
    let store = OpenApiRouter::new()
        .routes(routes!(place::place_order))
        .routes(routes!(read::get_order, ask::cancel_order))
        .routes(routes!(ask::approve_order))
        .routes(routes!(ask::deliver_order))
        .routes(routes!(read::list_orders));
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, store)
}

impl axum::extract::FromRef<App> for Tokens {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}

impl App {
    /// What requests need, and who takes new ones: to be run beside.
    #[must_use]
    pub fn new(desk: Desk, waiters: Waiters, wait: Duration, together: Together, tokens: Tokens) -> (Self, Taker) {
        let (lists, desk) = (Lists::new(desk.writer.pool().clone()), Arc::new(desk));
        let (taking, taker) = place::taker(Arc::clone(&desk), together);
        (Self { desk, lists, waiters, wait, tokens, taking }, taker)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }
}

impl Desk {
    /// An event that a request over HTTP causes, of the order as it is after the change.
    fn event<P: Payload>(
        &self,
        request: &Request,
        payload: &P,
        traceparent: Option<String>,
        now: Time,
    ) -> Result<Message, StoreError> {
        let mut message = request.message(&self.ids, payload, now).map_err(|error| unwritable(&error))?;
        message.traceparent = traceparent;
        Ok(message)
    }
}

fn unwritable(error: &PayloadError) -> StoreError {
    StoreError::Corrupt { what: "an event".to_owned(), why: error.to_string() }
}

/// Where an order is found.
fn location(request: &Request) -> String {
    format!("{BASE}/store/order/{}", request.number)
}
