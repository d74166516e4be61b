//! Delivering history again: stored messages, same ids, same bytes, straight into a queue.

use axum::extract::State;
use saga_core::{Message, Route};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::publish::{in_amqp, not_published};
use crate::broker::Parcel;
use crate::clock;
use crate::error::StoreError;
use crate::http::problem::{INVALID_BODY, Problem};
use crate::http::{Json, Operator};
use crate::store::{Transaction, audit};

/// As many messages as one request may carry.
const MOST: usize = 500;

/// Stored messages to be delivered again.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Again {
    /// The queue.
    to: String,
    /// The messages' stored bytes, as the journals of the processes give them.
    #[schema(max_items = 500)]
    messages: Vec<String>,
}

/// What was delivered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivered {
    /// How many messages were confirmed and routed.
    delivered: usize,
    /// How many were left out, because nothing binds the queue to their type.
    left_out: usize,
}

/// Deliver stored messages again
///
/// The same ids and the same bytes, straight into one queue; messages of types that the queue is not
/// bound to are left out. What its consumer has done, it does not do again. Answers once all are
/// confirmed; after an error some may have been delivered, and repeating the request is harmless.
#[utoipa::path(post, path = "/admin/replay/log", tag = "messages", security(("token" = [])), request_body = Again, responses(
    (status = 200, description = "All of them were confirmed and routed", body = Delivered),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "No such queue, or a message is no envelope", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The broker did not take them", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn log(
    State(api): State<Api>,
    Operator(who): Operator,
    Json(again): Json<Again>,
) -> Result<Json<Delivered>, Problem> {
    let invalid = |detail: String| Problem::new(&INVALID_BODY, detail);
    if again.messages.len() > MOST {
        return Err(invalid(format!(
            "{} messages are too many for one request; {MOST} are the most",
            again.messages.len()
        )));
    }
    let Some(queue) = api.topology.queues.iter().find(|queue| queue.name == again.to) else {
        return Err(invalid(format!("{} is no queue of the topology", again.to)));
    };
    let mut parcels = Vec::new();
    for text in &again.messages {
        let message = Message::parse(text.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        let kind = api.topology.message_type(&message.kind);
        if kind.is_some_and(|kind| api.topology.takers(kind).any(|taker| taker.name == queue.name)) {
            let (properties, body) = (in_amqp(&message), text.clone().into_bytes());
            parcels.push(Parcel { route: Route::to_queue(queue.name), properties, body });
        }
    }
    let (delivered, left_out) = (parcels.len(), again.messages.len() - parcels.len());
    note(&api, &who, queue.name, delivered).await?;
    // All at once: they are pipelined on one channel, in order.
    let sent = parcels.into_iter().map(|parcel| api.relay.publish_confirmed(parcel));
    for outcome in futures_util::future::join_all(sent).await {
        outcome.map_err(not_published)?;
    }
    Ok(Json(Delivered { delivered, left_out }))
}

async fn note(api: &Api, who: &str, queue: &str, messages: usize) -> Result<(), Problem> {
    let mut client = api.writer.pool().get().await.map_err(StoreError::from)?;
    let transaction = Transaction::begin(&mut client).await?;
    let why = format!("{messages} messages");
    audit(&transaction, clock::now(), who, "replay log", queue, Some(&why)).await?;
    Ok(transaction.commit().await?)
}
