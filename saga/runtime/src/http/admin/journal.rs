//! What a process has sent and received: for the story of a saga, and for replaying history.

use axum::extract::State;
use saga_core::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, limit, next};
use crate::clock::EVER;
use crate::http::{Json, Problem, Query};
use crate::store::admin::{self, Received, Sent, SentFilter};
use crate::store::{ONE_SAGA_WITHIN, Transaction};

/// Which sent messages.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichSent {
    /// Those of this saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) saga: Option<Uuid>,
    /// Those made at this time or later (RFC 3339).
    #[serde(default, with = "crate::http::times::option", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) from: Option<Time>,
    /// Those made before this time (RFC 3339).
    #[serde(default, with = "crate::http::times::option", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Time>,
    /// Those with a greater place in the journal: the `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_seq: Option<i64>,
    /// Those with no greater place than this: a window of places, however many messages it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until_seq: Option<i64>,
    /// At most so many, 1 to 1000; 100 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

/// Sent messages, in the order of the journal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SentList {
    /// The messages with their stored bytes.
    pub(crate) messages: Vec<Sent>,
    /// Where to go on (`after_seq`), when there may be more.
    pub(crate) next: Option<i64>,
}

/// Which span of the journal.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichSpan {
    /// Of what was made at this time or later (RFC 3339).
    #[serde(default, with = "crate::http::times::option", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) from: Option<Time>,
    /// Of what was made before this time (RFC 3339).
    #[serde(default, with = "crate::http::times::option", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Time>,
}

/// How far a span of the journal reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Extent {
    /// When the oldest message in it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) begins: Option<Time>,
    /// The greatest place in it; 0 when it is empty.
    pub(crate) last_seq: i64,
    /// How many messages it has.
    pub(crate) messages: i64,
}

/// Read the journal
///
/// What this process sent, of one saga or of a span of time. A saga is best asked for with the time in which it ran: without,
/// all of the journal is looked through. A message that is committed late may get a place before those already read: to miss
/// none, read up to a minute ago.
#[utoipa::path(get, path = "/admin/journal", tag = "operator", params(WhichSent), responses(
    (status = 200, description = "Sent messages, in the order of the journal", body = SentList),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sent(
    State(admin): State<Admin>,
    Query(which): Query<WhichSent>,
) -> Result<Json<SentList>, Problem> {
    admin.sent(which).await.map(Json)
}

/// Say how far the journal reaches
///
/// When its history begins, how many messages a span of time has, and where its end is.
#[utoipa::path(get, path = "/admin/journal/extent", tag = "operator", params(WhichSpan), responses(
    (status = 200, description = "The extent of the span", body = Extent),
    (status = 400, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn extent(
    State(admin): State<Admin>,
    Query(which): Query<WhichSpan>,
) -> Result<Json<Extent>, Problem> {
    admin.extent(which.from, which.until).await.map(Json)
}

impl Admin {
    /// What this process sent, a page of it.
    pub(crate) async fn sent(&self, which: WhichSent) -> Result<SentList, Problem> {
        let limit = limit(which.limit)?;
        let filter = SentFilter {
            saga: which.saga,
            from: which.from.unwrap_or(EVER.0),
            until: which.until.unwrap_or(EVER.1),
            after: which.after_seq.unwrap_or_default().max(0),
            last: which.until_seq.unwrap_or(i64::MAX),
            limit,
        };
        let mut client = self.client().await?;
        // One plan for all spans would search by time, and read all of a span for each page of it.
        let reading = Transaction::planning(&mut client).await?;
        let messages = admin::sent(&reading, filter).await?;
        let next = next(&messages, limit, |message| message.seq);
        Ok(SentList { messages, next })
    }

    /// How far a span of the journal reaches.
    pub(crate) async fn extent(&self, from: Option<Time>, until: Option<Time>) -> Result<Extent, Problem> {
        let (from, until) = (from.unwrap_or(EVER.0), until.unwrap_or(EVER.1));
        let (begins, last_seq, messages) = admin::extent(&self.client().await?, from, until).await?;
        Ok(Extent { begins, last_seq, messages })
    }
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
    let mut client = admin.client().await?;
    let reading = Transaction::of_one_saga(&mut client).await?;
    let received = admin::received_for(&reading, which.saga, limit).await;
    Ok(Json(ReceivedList { messages: received.map_err(|error| error.within(ONE_SAGA_WITHIN))? }))
}
