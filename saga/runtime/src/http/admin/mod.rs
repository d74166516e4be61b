//! What operators read and do at every process. Reading needs no token, since a process listens on
//! loopback unless told otherwise; whatever changes something needs one and leaves a row in the audit. Looking ahead
//! needs one too: it changes nothing, but holds for a moment what it would change.

mod ahead;
#[cfg(feature = "testing")]
mod bodies;
mod edit;
mod journal;
mod parked;
mod read_models;
mod verify;

use std::sync::Arc;

use axum::extract::FromRef;
use saga_core::Ids;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Problem, Tokens};
use crate::broker::Relay;
use crate::check::Checks;
use crate::delivery::Delivery;
use crate::error::StoreError;
use crate::http::problem::STARTING;
use crate::process::Deliveries;
use crate::store::{Connection, Pool};

pub(crate) use ahead::{Came, DryRuns, Fates, QueueMessages};
#[cfg(feature = "testing")]
pub(crate) use bodies::BODIES;
pub(crate) use journal::{Extent, SentList, WhichSent, WhichSpan};
pub(crate) use parked::{ParkedList, Replay, Which};

/// Longest list in one answer.
pub(crate) const MOST: u32 = 1000;
/// How many places of a journal are looked through for one answer. Each transaction has 64 of them, and most send fewer
/// messages.
pub(crate) const WINDOW: i64 = 16 * MOST as i64;
/// Length of a list when nobody asks for another.
const USUAL: u32 = 100;

/// What operators do at a process. The routes are thin over it; an orchestrator that asks all
/// processes asks itself through it.
#[derive(Clone)]
pub struct Admin {
    pool: Pool,
    relay: Relay,
    tokens: Tokens,
    ids: Ids,
    delivery: Deliveries,
    rebuild: Arc<Notify>,
    checks: Checks,
}

impl Admin {
    /// What operators do at a process that has these parts and consumes nothing.
    #[must_use]
    pub fn new(pool: Pool, relay: Relay, tokens: Tokens, ids: Ids) -> Self {
        let (delivery, rebuild, checks) = (Deliveries::default(), Arc::default(), Checks::default());
        Self { pool, relay, tokens, ids, delivery, rebuild, checks }
    }

    /// The same with what the process consumes, as soon as that is put together; with what is told of rebuilds that are
    /// asked for; and with what else is looked at to verify the process.
    #[must_use]
    pub(crate) fn with(self, delivery: Deliveries, rebuild: Arc<Notify>, checks: Checks) -> Self {
        Self { delivery, rebuild, checks, ..self }
    }

    async fn client(&self) -> Result<Connection, StoreError> {
        Ok(self.pool.get().await?)
    }

    fn delivery(&self) -> Result<&Arc<Delivery>, Problem> {
        self.delivery.get().ok_or_else(|| Problem::from(&STARTING))
    }
}

impl FromRef<Admin> for Tokens {
    fn from_ref(admin: &Admin) -> Self {
        admin.tokens.clone()
    }
}

/// The routes with their document.
pub(super) fn routes(admin: Admin) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(parked::list))
        .routes(routes!(parked::groups))
        .routes(routes!(parked::show))
        .routes(routes!(parked::replay))
        .routes(routes!(parked::discard))
        .routes(routes!(edit::edit))
        .routes(routes!(journal::sent))
        .routes(routes!(journal::extent))
        .routes(routes!(journal::received))
        .routes(routes!(verify::verify))
        .routes(routes!(read_models::list))
        .routes(routes!(read_models::rebuild))
        .routes(routes!(ahead::dry_run))
        .routes(routes!(ahead::fates))
        .with_state(admin)
}

/// How long a list may get.
fn limit(asked: Option<u32>) -> Result<i64, Problem> {
    match asked.unwrap_or(USUAL) {
        asked @ 1..=MOST => Ok(i64::from(asked)),
        asked => Err(Problem::invalid_parameter(format!("limit is {asked}; it can be 1 to {MOST}"))),
    }
}

/// The place to go on from when a list is full.
fn next<T>(list: &[T], limit: i64, place: impl Fn(&T) -> i64) -> Option<i64> {
    let full = i64::try_from(list.len()).is_ok_and(|length| length == limit);
    list.last().filter(|_| full).map(place)
}
