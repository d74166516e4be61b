//! Publishing by hand: confirmed and routed, or an error.

use axum::extract::State;
use saga_core::{Message, Route, Topology};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use crate::broker::{CONTENT_TYPE, Parcel, Properties, PublishError};
use crate::clock;
use crate::delivery::DryRun;
use crate::http::admin::Came;
use crate::http::problem::{BROKER_UNAVAILABLE, INVALID_BODY, Problem, UNROUTABLE};
use crate::http::{Json, Operator};
use crate::orchestrator::replay::Trouble;

/// A message to be published by hand.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Publish {
    /// The exchange; empty for the default one, whose keys are queues' names.
    exchange: String,
    /// The routing key.
    key: String,
    /// Its type, `PET_RESERVED`: makes an envelope around `data`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The data of the envelope, or the whole body when `raw` is set: a string goes out as its text,
    /// anything else as JSON.
    #[serde(default)]
    data: Value,
    /// Its id; drawn when absent.
    id: Option<Uuid>,
    /// What it is about; its own id when absent.
    subject: Option<String>,
    /// Publish `data` as it is, without an envelope.
    #[serde(default)]
    raw: bool,
    /// Publish nothing; say where it would go, and what it would do there.
    #[serde(default)]
    dry_run: bool,
}

/// A message that was published.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Published {
    /// Its id.
    id: Uuid,
    /// How many bytes went out.
    bytes: usize,
    /// Of a dry run: each queue that would take it, and what it would do there.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<Vec<WouldIn>>,
}

/// What a message would do in a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WouldIn {
    /// The queue.
    queue: &'static str,
    /// What would become of it, where its consumer can be asked.
    outcome: Option<DryRun>,
}

/// Publish a message by hand
///
/// Answers once the broker has confirmed it and a queue has taken it.
#[utoipa::path(post, path = "/admin/publish", tag = "messages", security(("token" = [])), request_body = Publish, responses(
    (status = 200, description = "It was confirmed and routed", body = Published),
    (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "No queue takes it, or it makes no envelope", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The broker did not take it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn publish(
    State(api): State<Api>,
    Operator(who): Operator,
    Json(what): Json<Publish>,
) -> Result<Json<Published>, Problem> {
    let id = what.id.unwrap_or_else(drawn);
    let parcel = what.parcel(id, api.topology)?;
    let bytes = parcel.body.len();
    if what.dry_run {
        let would = look_ahead(&api, &what, &parcel.body).await?;
        return Ok(Json(Published { id, bytes, would: Some(would) }));
    }
    api.note(&who, "publish", &format!("{}/{} {id}", what.exchange, what.key), None).await?;
    api.relay.publish_confirmed(parcel).await.map_err(not_published)?;
    tracing::info!(operator = who, exchange = what.exchange, key = what.key, message_id = %id, "a message was published by hand");
    Ok(Json(Published { id, bytes, would: None }))
}

impl Publish {
    /// What goes out, under this id.
    pub(super) fn parcel(&self, id: Uuid, topology: &Topology) -> Result<Parcel, Problem> {
        let route = Route { exchange: self.exchange.clone(), key: self.key.clone(), mandatory: true };
        let (properties, body) = if self.raw { raw(id, &self.data) } else { envelope(topology, id, self)? };
        Ok(Parcel { route, properties, body })
    }
}

/// Asks the consumer of each queue that would take it.
async fn look_ahead(api: &Api, what: &Publish, body: &[u8]) -> Result<Vec<WouldIn>, Problem> {
    let mut would = Vec::new();
    for queue in api.topology.bound(&what.exchange, &what.key) {
        let text = String::from_utf8_lossy(body).into_owned();
        let came = Came { queue: queue.name.to_owned(), messages: vec![text] };
        let outcome = match api.replays.processes().consumer_of(queue.name) {
            Some(process) => process.dry_run(came).await.map_err(Trouble::from)?.outcomes.into_iter().next(),
            None => None,
        };
        would.push(WouldIn { queue: queue.name, outcome });
    }
    let (exchange, key) = (what.exchange.clone(), what.key.clone());
    if would.is_empty() { Err(not_published(PublishError::Unroutable { exchange, key })) } else { Ok(would) }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the id of a message published by hand is drawn once, at the edge, and shown"
)]
fn drawn() -> Uuid {
    Uuid::new_v4()
}

fn raw(id: Uuid, data: &Value) -> (Value, Vec<u8>) {
    let body = match data {
        Value::String(text) => text.clone().into_bytes(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string().into_bytes()
        }
    };
    (json!({ "message_id": id }), body)
}

/// An envelope, checked by reading it back: what nobody could read is not published.
fn envelope(topology: &Topology, id: Uuid, what: &Publish) -> Result<(Value, Vec<u8>), Problem> {
    let invalid = |detail: String| Problem::new(&INVALID_BODY, detail);
    let kind = what
        .kind
        .as_deref()
        .ok_or_else(|| invalid("type is missing; set raw to publish without an envelope".to_owned()))?;
    let version = topology.message_type(kind).map_or(1, |known| known.version);
    let mut fields = Map::new();
    let time = clock::now().format(&time::format_description::well_known::Rfc3339);
    for (name, value) in [
        ("specversion", json!("1.0")),
        ("id", json!(id)),
        ("source", json!("saga")),
        ("type", json!(kind)),
        ("subject", json!(what.subject.clone().unwrap_or_else(|| id.to_string()))),
        ("time", json!(time.map_err(|error| Problem::internal(&error))?)),
        ("schemaversion", json!(version)),
        ("correlationid", json!(id)),
        ("data", what.data.clone()),
    ] {
        fields.insert(name.to_owned(), value);
    }
    let text = Value::Object(fields).to_string();
    let message = Message::parse(text.as_bytes()).map_err(|error| invalid(error.to_string()))?;
    Ok((in_amqp(&message), message.to_bytes()))
}

/// The properties that mirror an envelope, in the form that the relay takes from operators.
fn in_amqp(message: &Message) -> Value {
    let properties = Properties::from(message);
    json!({
        "content_type": CONTENT_TYPE,
        "message_id": properties.message_id,
        "correlation_id": properties.correlation_id,
        "type": properties.kind,
        "app_id": properties.app_id,
        "timestamp": properties.timestamp,
    })
}

/// What a client is told of a message that was not published.
fn not_published(error: PublishError) -> Problem {
    match error {
        PublishError::Unroutable { .. } | PublishError::Malformed(_) => Problem::new(&UNROUTABLE, error.to_string()),
        PublishError::Nacked | PublishError::Timeout | PublishError::NotConnected => {
            Problem::new(&BROKER_UNAVAILABLE, error.to_string()).retry_after(std::time::Duration::from_secs(2))
        }
    }
}
