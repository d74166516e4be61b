//! The operator's API of an orchestrator: sagas, their stories, and what a person may do to them.
//! It knows no definition in particular; the command `saga` and any script are its clients.

mod publish;
mod replay;
mod sagas;
mod story;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use saga_core::Topology;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Orchestrator, Peers};
use crate::broker::Relay;
use crate::http::Tokens;
use crate::store::Writer;

/// What these routes work with.
#[derive(Clone)]
pub struct Api {
    /// The orchestrator.
    pub orchestrator: Arc<Orchestrator>,
    /// Its database.
    pub writer: Writer,
    /// Publishes for operators.
    pub relay: Relay,
    /// Who may write.
    pub tokens: Tokens,
    /// The other processes.
    pub peers: Peers,
    /// What the broker holds.
    pub topology: &'static Topology,
}

impl FromRef<Api> for Tokens {
    fn from_ref(api: &Api) -> Self {
        api.tokens.clone()
    }
}

/// The routes, and their document.
pub fn routes(api: Api) -> (Router, OpenApi) {
    OpenApiRouter::new()
        .routes(routes!(sagas::list))
        .routes(routes!(story::show))
        .routes(routes!(sagas::definitions))
        .routes(routes!(sagas::cancel))
        .routes(routes!(sagas::retry))
        .routes(routes!(sagas::skip))
        .routes(routes!(publish::publish))
        .routes(routes!(replay::log))
        .routes(routes!(story::processes))
        .routes(routes!(story::ask_process, story::tell_process))
        .with_state(api)
        .split_for_parts()
}
