//! What the broker holds, and what passes there.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use crate::broker::{BrokerError, Incoming, LONGEST_NAME, QueueLook, Tap};
use crate::http::problem::{BROKER_UNAVAILABLE, INVALID_BODY, OVERLOADED, Problem};
use crate::http::{Json, Query};

/// How many may watch at once: each has a connection to the broker and a queue there for as long as it listens.
const MOST_TAPS: usize = 16;

/// Room for those who watch.
#[derive(Clone)]
pub struct Taps(Arc<Semaphore>);

impl Default for Taps {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_TAPS)))
    }
}

/// The queues of the topology.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queues {
    queues: Vec<QueueView>,
    /// Why bindings were not held against the topology, when they were not.
    bindings_not_seen: Option<String>,
    /// Whether each is there as the topology says, and has a consumer if it should.
    as_declared: bool,
}

/// A queue as it is, against what the topology says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueView {
    name: &'static str,
    /// The process that consumes it.
    consumer: &'static str,
    /// How many messages wait.
    messages: Option<u32>,
    /// How many consumers it has.
    consumers: Option<u32>,
    /// What is bound to it by the topology.
    bindings: Vec<String>,
    /// What is not as it should be.
    difference: Option<String>,
}

/// Look at the queues
///
/// Depth, consumers, and what differs from the topology: a queue that is missing, one with other arguments, one that
/// nobody consumes; and, where RABBITMQ_MANAGEMENT_URL is set, bindings that are missing or not the topology's.
#[utoipa::path(get, path = "/admin/queues", tag = "messages", responses(
    (status = 200, description = "The queues", body = Queues),
    (status = 503, description = "The broker does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn queues(State(api): State<Api>) -> Result<Json<Queues>, Problem> {
    let broker = api.replays.broker();
    let mut looks = broker.look_at_queues().await.map_err(unavailable)?;
    let bound = match &api.management {
        Some(management) => management.bindings(broker.vhost()).await,
        None => Err("RABBITMQ_MANAGEMENT_URL is not set, and AMQP does not tell".to_owned()),
    };
    if let Ok(bound) = &bound {
        looks.iter_mut().for_each(|look| look.compare_bindings(bound));
    }
    let queues: Vec<QueueView> = looks.into_iter().map(view).collect();
    let as_declared = queues.iter().all(|queue| queue.difference.is_none());
    Ok(Json(Queues { queues, as_declared, bindings_not_seen: bound.err() }))
}

fn view(QueueLook { queue, depth, difference }: QueueLook) -> QueueView {
    let lonely = depth.is_some_and(|depth| depth.consumers == 0) && !queue.consumer.is_empty();
    QueueView {
        name: queue.name,
        consumer: queue.consumer,
        messages: depth.map(|depth| depth.messages),
        consumers: depth.map(|depth| depth.consumers),
        bindings: queue.bindings.iter().map(|b| format!("{} {}", b.exchange, b.key)).collect(),
        difference: difference.or_else(|| lonely.then(|| format!("nobody consumes it; {} should", queue.consumer))),
    }
}

/// Which messages to watch.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichTap {
    /// The exchange.
    exchange: String,
    /// The key or pattern; all by default.
    key: Option<String>,
}

/// Watch messages as they pass an exchange
///
/// A line of JSON for each, as long as the client listens: exchange, routing key, properties, and the body. Of a client that
/// reads too slowly 10,000 messages wait, or 16 MiB of them; it misses older ones.
#[utoipa::path(get, path = "/admin/tap", tag = "messages", params(WhichTap), responses(
    (status = 200, description = "Lines of JSON", body = String, content_type = "application/x-ndjson"),
    (status = 400, description = "A name is too long for AMQP", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "There is no such exchange", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The broker does not answer, or too many watch already", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn tap(State(api): State<Api>, Query(which): Query<WhichTap>) -> Result<Response, Problem> {
    let key = which.key.as_deref().unwrap_or("#");
    for (what, name) in [("exchange", which.exchange.as_str()), ("key", key)] {
        if name.len() > LONGEST_NAME {
            let detail = format!("{what} has {} bytes; in AMQP it has at most {LONGEST_NAME}", name.len());
            return Err(Problem::invalid_parameter(detail));
        }
    }
    let Ok(seat) = Arc::clone(&api.taps.0).try_acquire_owned() else {
        return Err(Problem::new(&OVERLOADED, format!("{MOST_TAPS} watch already; end one of them")));
    };
    let tap = Tap::open(api.replays.broker(), &which.exchange, key).await.map_err(unavailable)?;
    let lines = futures_util::stream::unfold((tap, seat), async |(mut tap, seat)| {
        let incoming = tap.next().await.ok()?;
        Some((Ok::<_, std::convert::Infallible>(line(&incoming)), (tap, seat)))
    });
    // It ends with the process, whoever still listens.
    let lines = futures_util::StreamExt::take_until(lines, api.stop.clone().cancelled_owned());
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn line(incoming: &Incoming) -> Bytes {
    let body = serde_json::from_slice(&incoming.body);
    let body = body.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&incoming.body).into_owned()));
    let line = json!({
        "exchange": incoming.exchange, "routing_key": incoming.routing_key, "properties": incoming.properties(), "body": body,
    });
    format!("{line}\n").into()
}

fn unavailable(error: BrokerError) -> Problem {
    match error {
        BrokerError::Missing { .. } | BrokerError::Forbidden { .. } => Problem::new(&INVALID_BODY, error.to_string()),
        BrokerError::Url(_)
        | BrokerError::Unreachable { .. }
        | BrokerError::Timeout { .. }
        | BrokerError::Lost { .. }
        | BrokerError::Unsubscribed(_)
        | BrokerError::GivenUp(_)
        | BrokerError::Panicked(_)
        | BrokerError::Conflict { .. } => Problem::new(&BROKER_UNAVAILABLE, error.to_string()),
    }
}
