//! What a process has sent and received: for the story of a saga, and for replaying history.

use axum::extract::State;
use saga_core::Time;
use serde::{Deserialize, Serialize};
use time::macros::datetime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, limit, next};
use crate::http::{Json, Problem, Query};
use crate::store::admin::{self, Received, Sent, SentFilter};

/// Before and after everything.
const EVER: (Time, Time) = (datetime!(0001-01-01 0:00 UTC), datetime!(9999-12-31 0:00 UTC));

/// Which sent messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichSent {
    /// Those of this saga.
    saga: Option<Uuid>,
    /// Those made at this time or later (RFC 3339).
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Those made before this time (RFC 3339).
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Those with a greater place in the journal: the `next` of the answer before.
    after_seq: Option<i64>,
    /// At most so many, 1 to 1000; 100 by default.
    limit: Option<u32>,
}

/// Sent messages, in the order of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentList {
    /// The messages with their stored bytes.
    messages: Vec<Sent>,
    /// Where to go on (`after_seq`), when there may be more.
    next: Option<i64>,
}

/// Read the journal
///
/// What this process sent, of one saga or of a span of time. A message that is committed late may get
/// a place before those already read: to miss none, read up to a minute ago.
#[utoipa::path(get, path = "/admin/journal", tag = "operator", params(WhichSent), responses(
    (status = 200, description = "Sent messages, in the order of the journal", body = SentList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sent(
    State(admin): State<Admin>,
    Query(which): Query<WhichSent>,
) -> Result<Json<SentList>, Problem> {
    let limit = limit(which.limit)?;
    let filter = SentFilter {
        saga: which.saga,
        from: which.from.unwrap_or(EVER.0),
        until: which.until.unwrap_or(EVER.1),
        after: which.after_seq.unwrap_or_default(),
        limit,
    };
    let messages = admin::sent(&admin.client().await?, filter).await?;
    let next = next(&messages, limit, |message| message.seq);
    Ok(Json(SentList { messages, next }))
}

/// Which received messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichReceived {
    /// Those of this saga.
    saga: Uuid,
    /// At most so many, 1 to 1000; 100 by default.
    limit: Option<u32>,
}

/// Received messages, in the order in which they were handled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceivedList {
    /// The messages, without their bytes, which their senders have.
    messages: Vec<Received>,
}

/// Read the inbox
///
/// What this process has handled of one saga.
#[utoipa::path(get, path = "/admin/inbox", tag = "operator", params(WhichReceived), responses(
    (status = 200, description = "Handled messages, in order", body = ReceivedList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn received(
    State(admin): State<Admin>,
    Query(which): Query<WhichReceived>,
) -> Result<Json<ReceivedList>, Problem> {
    let limit = limit(which.limit)?;
    Ok(Json(ReceivedList { messages: admin::received_for(&admin.client().await?, which.saga, limit).await? }))
}
