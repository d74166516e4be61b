//! What operators read and do at every process. Reading needs no token, since a process listens on
//! loopback unless told otherwise; whatever changes something needs one and leaves a row in the audit.

mod journal;
mod parked;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Parts, Problem, Tokens};
use crate::broker::Relay;
use crate::error::StoreError;
use crate::store::Pool;

/// Longest list in one answer.
const MOST: u32 = 1000;
/// Length of a list when nobody asks for another.
const USUAL: u32 = 100;

/// What these routes work with.
#[derive(Clone)]
pub(super) struct Admin {
    pool: Pool,
    relay: Relay,
    tokens: Tokens,
}

impl Admin {
    pub(super) fn of(parts: &Parts) -> Self {
        Self { pool: parts.pool.clone(), relay: parts.relay.clone(), tokens: parts.tokens.clone() }
    }

    async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        Ok(self.pool.get().await?)
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
        .routes(routes!(journal::sent))
        .routes(routes!(journal::received))
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
