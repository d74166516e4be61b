//! Parked messages: looked at, replayed, discarded.

use std::time::Duration;

use axum::extract::State;
use saga_core::Route;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, limit, next};
use crate::broker::{Parcel, PublishError};
use crate::clock;
use crate::http::problem::{BROKER_UNAVAILABLE, INVALID_BODY};
use crate::http::{Json, Operator, Options, Path, Problem, Query};
use crate::store::admin::{self, Closed, Parked, ParkedFilter, ParkedGroup, ParkedMessage, ParkedState};
use crate::store::{Transaction, audit};

/// Which parked messages.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those in this state; `parked` by default.
    #[param(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<ParkedState>,
    /// Those of this cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// Those of this saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) saga: Option<Uuid>,
    /// Those with a greater id: the `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<i64>,
    /// At most so many, 1 to 1000; 100 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

/// Parked messages, oldest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ParkedList {
    /// The messages, without their bytes.
    pub(crate) parked: Vec<Parked>,
    /// Where to go on (`after`), when there may be more.
    pub(crate) next: Option<i64>,
}

/// List parked messages
#[utoipa::path(get, path = "/admin/parked", tag = "operator", params(Which), responses(
    (status = 200, description = "Parked messages, oldest first", body = ParkedList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(admin): State<Admin>, Query(which): Query<Which>) -> Result<Json<ParkedList>, Problem> {
    admin.parked(which).await.map(Json)
}

/// Which groups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichGroups {
    /// Of messages in this state; `parked` by default.
    #[param(inline)]
    state: Option<ParkedState>,
}

/// Parked messages by cause.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParkedGroups {
    /// The groups, largest first, 1,000 at most.
    groups: Vec<ParkedGroup>,
}

/// Group parked messages by cause
#[utoipa::path(get, path = "/admin/parked/groups", tag = "operator", params(WhichGroups), responses(
    (status = 200, description = "One group for each cause, largest first", body = ParkedGroups),
))]
pub(super) async fn groups(
    State(admin): State<Admin>,
    Query(which): Query<WhichGroups>,
) -> Result<Json<ParkedGroups>, Problem> {
    let state = which.state.unwrap_or(ParkedState::Parked);
    Ok(Json(ParkedGroups { groups: admin::parked_groups(&admin.client().await?, state).await? }))
}

/// Show a parked message
///
/// With its bytes, and how it came.
#[utoipa::path(get, path = "/admin/parked/{id}", tag = "operator", params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The message", body = ParkedMessage),
        (status = 404, description = "No such message", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(State(admin): State<Admin>, Path(id): Path<i64>) -> Result<Json<ParkedMessage>, Problem> {
    admin.parked_message(id).await.map(Json)
}

/// How a parked message is replayed.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Replay {
    /// The queue, if not the one that it came from.
    pub(crate) to: Option<String>,
    /// For the audit: a sentence.
    #[schema(max_length = 1000)]
    pub(crate) reason: Option<String>,
}

impl Replay {
    /// Why, if that is said.
    pub(super) fn why(&self) -> Result<Option<&str>, Problem> {
        self.reason.as_deref().map(checked).transpose()
    }
}

/// Replay a parked message
///
/// Puts the original bytes, with their original headers and under the same id, straight into the
/// queue that they came from, or into another. It never repeats what the consumer has done.
#[utoipa::path(post, path = "/admin/parked/{id}/replay", tag = "operator", security(("token" = [])),
    params(("id" = i64, Path, description = "Its number")), request_body = Option<Replay>, responses(
        (status = 200, description = "It is in its queue again", body = Parked),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such message", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not parked, or its queue is gone", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The broker did not take it; it stays parked", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn replay(
    State(admin): State<Admin>,
    Operator(name): Operator,
    Path(id): Path<i64>,
    Options(how): Options<Replay>,
) -> Result<Json<Parked>, Problem> {
    admin.replay_parked(id, &name, &how).await.map(Json)
}

impl Admin {
    /// Parked messages, a page of them.
    pub(crate) async fn parked(&self, which: Which) -> Result<ParkedList, Problem> {
        let limit = limit(which.limit)?;
        if which.fingerprint.as_deref().is_some_and(|text| text.contains('\0')) {
            return Err(Problem::invalid_parameter("fingerprint contains the character U+0000"));
        }
        let filter = ParkedFilter {
            state: which.state.unwrap_or(ParkedState::Parked),
            fingerprint: which.fingerprint.as_deref(),
            saga: which.saga,
            after: which.after.unwrap_or_default(),
            limit,
        };
        let parked = admin::parked(&self.client().await?, filter).await?;
        let next = next(&parked, limit, |message| message.id);
        Ok(ParkedList { parked, next })
    }

    /// One parked message, with its bytes.
    pub(crate) async fn parked_message(&self, id: i64) -> Result<ParkedMessage, Problem> {
        admin::parked_message(&self.client().await?, id).await?.ok_or_else(|| no_such(id))
    }

    /// Puts a parked message into its queue again, or into another.
    pub(crate) async fn replay_parked(&self, id: i64, who: &str, how: &Replay) -> Result<Parked, Problem> {
        let why = how.why()?;
        let mut client = self.client().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let Closed { parked, incoming, body } = close(&transaction, id, ParkedState::Replayed).await?;
        audit(&transaction, clock::now(), who, "replay", &target(id), why).await?;
        // Published inside of the transaction: a crash between the two leaves the message parked. The
        // consumer cannot mistake it for a copy of a parked one, since it waits for this row's lock.
        let properties = incoming.get("properties").cloned().unwrap_or(Value::Null);
        let queue = how.to.as_deref().unwrap_or(&parked.queue);
        let parcel = Parcel { route: Route::to_queue(queue), properties, body };
        self.relay.publish_confirmed(parcel).await.map_err(not_published)?;
        transaction.commit().await?;
        tracing::info!(operator = who, parked = id, queue, "a parked message was replayed");
        Ok(parked)
    }
}

/// Why a parked message is given up.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Discard {
    /// For the audit: a sentence.
    #[schema(min_length = 1, max_length = 1000)]
    pub(super) reason: String,
}

/// Discard a parked message
///
/// It stays where it is, bytes and all, and is not handled. Should the same message come again, it is looked at like any other.
#[utoipa::path(post, path = "/admin/parked/{id}/discard", tag = "operator", security(("token" = [])),
    params(("id" = i64, Path, description = "Its number")), request_body = Discard, responses(
        (status = 200, description = "It is discarded", body = Parked),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such message", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not parked", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is missing", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn discard(
    State(admin): State<Admin>,
    Operator(name): Operator,
    Path(id): Path<i64>,
    Json(why): Json<Discard>,
) -> Result<Json<Parked>, Problem> {
    let reason = checked(&why.reason)?;
    let mut client = admin.client().await?;
    let transaction = Transaction::begin(&mut client).await?;
    let Closed { parked, .. } = close(&transaction, id, ParkedState::Discarded).await?;
    audit(&transaction, clock::now(), &name, "discard", &target(id), Some(reason)).await?;
    transaction.commit().await?;
    tracing::info!(operator = name, parked = id, "a parked message was discarded");
    Ok(Json(parked))
}

/// A sentence for the audit.
pub(super) fn checked(reason: &str) -> Result<&str, Problem> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= 1000 && !reason.contains('\0');
    let wrong = || Problem::new(&INVALID_BODY, "reason: 1 to 1000 characters, none of them U+0000");
    if fits { Ok(reason) } else { Err(wrong()) }
}

/// Takes a message out of those that wait, or says why it does not wait.
pub(super) async fn close(transaction: &Transaction<'_>, id: i64, state: ParkedState) -> Result<Closed, Problem> {
    if let Some(closed) = admin::close(transaction, id, state).await? {
        return Ok(closed);
    }
    match admin::parked_message(transaction, id).await? {
        Some(message) => {
            let state = message.parked.state;
            Err(Problem::conflict(format!("message {id} is {state}, not parked")).with("state", state))
        }
        None => Err(no_such(id)),
    }
}

fn no_such(id: i64) -> Problem {
    Problem::not_found(format!("no message was ever parked here under {id}"))
}

/// What the audit calls a parked message.
pub(super) fn target(id: i64) -> String {
    format!("parked/{id}")
}

pub(super) fn not_published(error: PublishError) -> Problem {
    match error {
        PublishError::Unroutable { .. } | PublishError::Malformed(_) => Problem::conflict(error.to_string()),
        PublishError::Nacked | PublishError::Timeout | PublishError::NotConnected => {
            Problem::new(&BROKER_UNAVAILABLE, error.to_string()).retry_after(Duration::from_secs(5))
        }
    }
}
