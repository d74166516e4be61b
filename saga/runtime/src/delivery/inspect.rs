//! What can be told of a message before any handler sees it.

use saga_core::{EnvelopeError, Message, Time, Topology};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::Duration;

use super::CRASH_LOOP;
use crate::broker::Incoming;
use crate::clock::MOST_APART;
use crate::store::{Key, day_of, storable};

/// Larger messages are refused: a message carries ids and facts, not files.
const MOST_BYTES: usize = 1024 * 1024;

/// Why a message is parked that was delivered too often.
const CRASH_LOOP_REASON: &str = "crash_loop";
/// Why a message is parked that nobody would know for a repetition.
const TOO_OLD_REASON: &str = "too_old";

/// A message on its way to a handler.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) message: Message,
    pub(crate) hash: [u8; 32],
    /// What its row is found by while it waits or is parked.
    pub(crate) key: String,
    pub(crate) incoming: Incoming,
    /// How often it was put off before.
    pub(crate) attempt: u32,
}

/// What can be told of a message before any handler sees it.
#[derive(Debug)]
pub(crate) enum Inspected {
    /// A handler may see it.
    Good(Box<Candidate>),
    /// Its time has not come.
    Ahead(Box<Candidate>),
    /// No handler will ever see it like this.
    Bad(Bad),
}

/// A message that no handler will ever see like this, and why.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) incoming: Incoming,
    pub(crate) message: Option<Box<Message>>,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl Bad {
    /// The message, where nothing is wrong with it itself: it may have been handled before. What shared an AMQP message
    /// with one that crashes us came as often as that one; and the inbox lives longer than what it would stop.
    pub(super) fn sound(&self) -> Option<&Message> {
        let is_sound = [CRASH_LOOP_REASON, TOO_OLD_REASON].contains(&self.reason);
        self.message.as_deref().filter(|_| is_sound)
    }
}

impl Candidate {
    /// What it is known by in the inbox.
    pub(crate) fn inbox_key(&self) -> Key {
        (day_of(self.message.time), self.message.id)
    }
}

/// Looks at a message.
pub(crate) fn inspect(
    incoming: Incoming,
    attempt: u32,
    topology: &Topology,
    now: Time,
    retention: Duration,
) -> Inspected {
    if incoming.body.len() > MOST_BYTES {
        let detail = format!("it has {} bytes, {MOST_BYTES} are the most", incoming.body.len());
        return Inspected::Bad(Bad { incoming, message: None, reason: "too_large", detail });
    }
    let message = match Message::parse(&incoming.body) {
        Ok(message) => message,
        Err(error) => {
            let (reason, detail) = (name_of(&error), error.to_string());
            return Inspected::Bad(Bad { incoming, message: None, reason, detail });
        }
    };
    match fault(&incoming, &message, topology, now, retention) {
        Some((reason, detail)) => Inspected::Bad(Bad { incoming, message: Some(Box::new(message)), reason, detail }),
        None => {
            let ahead = message.time - now > MOST_APART;
            let candidate = Box::new(Candidate {
                hash: message.content_hash(),
                key: key_of_bytes(&incoming.body),
                message,
                incoming,
                attempt,
            });
            if ahead { Inspected::Ahead(candidate) } else { Inspected::Good(candidate) }
        }
    }
}

fn name_of(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::NotJson(_) => "not_json",
        EnvelopeError::NotAnEnvelope(_) => "not_an_envelope",
        EnvelopeError::NotStorable(_) => "not_storable",
    }
}

fn fault(
    incoming: &Incoming,
    message: &Message,
    topology: &Topology,
    now: Time,
    retention: Duration,
) -> Option<(&'static str, String)> {
    let Some(known) = topology.message_type(&message.kind) else {
        return Some(("unknown_type", format!("no message type {} is known here", message.kind)));
    };
    if message.schema_version > known.version {
        let (found, newest) = (message.schema_version, known.version);
        let detail = format!("{} has schema version {found}, this program knows up to {newest}", message.kind);
        return Some(("newer_version", detail));
    }
    if let Err(error) = (known.check)(message) {
        return Some(("malformed_data", error.to_string()));
    }
    if incoming.delivery_count >= CRASH_LOOP {
        let detail = format!("it was delivered {} times and never settled", incoming.delivery_count);
        return Some((CRASH_LOOP_REASON, detail));
    }
    if now - message.time > retention {
        let detail = format!("it is from {}, older than what is remembered", message.time);
        return Some((TOO_OLD_REASON, detail));
    }
    None
}

/// What a message that waits or is parked is found by: a hash of its bytes, so that nothing that came
/// under the id of another takes that one's place.
pub(crate) fn key_of_bytes(body: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let half = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("sha256:{half:032x}")
}

/// How a message came, as JSON that PostgreSQL can hold.
pub(crate) fn meta(incoming: &Incoming) -> Value {
    without_nul(json!({
        "exchange": incoming.exchange,
        "routing_key": incoming.routing_key,
        "properties": incoming.properties(),
        "delivery_count": incoming.delivery_count,
    }))
}

/// What [`meta`] wrote, with the bytes.
pub(crate) fn incoming_from(meta: &Value, body: Vec<u8>) -> Incoming {
    let text = |key: &str| meta.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let properties = meta.get("properties").cloned().unwrap_or_default();
    Incoming::written_down(body, text("exchange"), text("routing_key"), properties)
}

/// JSON that PostgreSQL can hold: it keeps no U+0000.
pub(crate) fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(&text)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, item)| (storable(&key), without_nul(item))).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
