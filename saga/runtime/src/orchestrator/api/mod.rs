//! The operator's API of an orchestrator: sagas, their stories, and what a person may do to them.
//! It knows no definition in particular; the command `saga` and any script are its clients.

#[cfg(feature = "testing")]
mod bodies;
mod broker;
mod publish;
mod replays;
mod sagas;
mod stats;
mod story;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use saga_core::Topology;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Orchestrator, Peers, Replays};
use crate::broker::{Management, Relay};
use crate::clock;
use crate::error::StoreError;
use crate::http::Tokens;
use crate::http::problem::{INVALID_BODY, Problem};
use crate::store::{Connection, Transaction, Writer, audit};

#[cfg(feature = "testing")]
pub(crate) use bodies::BODIES;
pub use broker::Taps;

const LONGEST_REASON: usize = 200;

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
    /// Delivers stored messages again.
    pub replays: Replays,
    /// Room for those who watch an exchange.
    pub taps: Taps,
    /// Where bindings are looked at, if anywhere.
    pub management: Option<Management>,
    /// What the broker holds.
    pub topology: &'static Topology,
    /// Ends what would go on for as long as a client listens.
    pub stop: CancellationToken,
}

impl FromRef<Api> for Tokens {
    fn from_ref(api: &Api) -> Self {
        api.tokens.clone()
    }
}

impl Api {
    async fn client(&self) -> Result<Connection, StoreError> {
        Ok(self.writer.pool().get().await?)
    }

    /// Leaves a row in the audit, before something is done that no transaction holds.
    async fn note(&self, who: &str, action: &str, target: &str, why: Option<&str>) -> Result<(), Problem> {
        let mut client = self.client().await?;
        let transaction = Transaction::begin(&mut client).await?;
        // Whoever names a target may write anything, and PostgreSQL keeps no U+0000.
        audit(&transaction, clock::now(), who, action, &target.replace('\0', "?"), why).await?;
        Ok(transaction.commit().await?)
    }
}

/// Why somebody does something, for the audit.
fn checked(reason: &str) -> Result<&str, Problem> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= LONGEST_REASON && !reason.contains('\0');
    let wrong = || {
        Problem::new(&INVALID_BODY, format!("reason must have 1 to {LONGEST_REASON} characters, none of them U+0000"))
    };
    if fits { Ok(reason) } else { Err(wrong()) }
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
        .routes(routes!(stats::stats))
        .routes(routes!(broker::queues))
        .routes(routes!(broker::tap))
        .routes(routes!(replays::start, replays::list))
        .routes(routes!(replays::show))
        .routes(routes!(replays::messages))
        .routes(routes!(replays::pause))
        .routes(routes!(replays::resume))
        .routes(routes!(replays::cancel))
        .routes(routes!(story::processes))
        .routes(routes!(story::ask_process, story::tell_process))
        .with_state(api)
        .split_for_parts()
}
