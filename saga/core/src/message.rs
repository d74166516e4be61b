//! The envelope: a CloudEvents 1.0 event in JSON with the extensions of a saga.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::attributes::{ContentType, SpecVersion, first_version, is_zero, unset, version};

/// A point in time, UTC, to the microsecond (what PostgreSQL stores).
pub type Time = time::OffsetDateTime;

/// What a message says, as a Rust type: its type's name on the wire and its schema version.
pub trait Payload: Serialize + DeserializeOwned {
    /// The CloudEvents `type`: `PET_RESERVED`.
    const TYPE: &'static str;
    /// The newest schema version that this program understands; it writes this one.
    const VERSION: u16;
}

/// One message: a command or an event. What is sent again is the stored bytes, never a new
/// rendering; so the fields are written in this order and no other.
///
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    specversion: SpecVersion,
    /// Who this message is, for ever: a redelivery, a resend and a replay keep it.
    pub id: Uuid,
    /// The process that made it: `pet-service`.
    pub source: String,
    /// What it says: `PET_RESERVED`. Events are past tense, commands imperative.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the aggregate that it is about.
    pub subject: String,
    /// When it was made. Decides the partition of journal and inbox.
    #[serde(with = "time::serde::rfc3339")]
    pub time: Time,
    #[serde(default, deserialize_with = "unset")]
    datacontenttype: ContentType,
    /// The version of the schema of `data`.
    #[serde(rename = "schemaversion", default = "first_version", deserialize_with = "version")]
    pub schema_version: u16,
    /// The step that it starts or answers, when it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which run of that step: raised only by an operator's retry.
    #[serde(default, deserialize_with = "unset", skip_serializing_if = "is_zero")]
    pub epoch: u32,
    /// The id that all messages of one saga share; outside of any, the message's own.
    #[serde(rename = "correlationid", default, deserialize_with = "unset")]
    pub correlation_id: Uuid,
    /// The message (or timer) that led to this one.
    #[serde(rename = "causationid", default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// The saga that it belongs to.
    #[serde(rename = "sagaid", default, skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<Uuid>,
    /// The version of the aggregate after the change; absent where nothing changed.
    #[serde(rename = "aggregateversion", default, skip_serializing_if = "Option::is_none")]
    pub aggregate_version: Option<u64>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What it says, in the schema of its type and version.
    #[serde(default)]
    pub data: Value,
}

/// Where a stored message lies: journals are partitioned by the day of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageRef {
    /// Its id.
    pub id: Uuid,
    /// Its time.
    #[serde(with = "time::serde::rfc3339")]
    pub time: Time,
}

/// Type, version and data of a message that is still to be addressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// The CloudEvents `type`.
    pub kind: &'static str,
    /// The schema version of `data`.
    pub version: u16,
    /// The data itself.
    pub data: Value,
}

/// Bytes that are no envelope of ours. The text says what a person should look at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but not a CloudEvents 1.0 event with the attributes that we need.
    #[error("not a CloudEvents 1.0 event: {0}")]
    NotAnEnvelope(String),
    /// A message that would not be one after a round trip through storage.
    #[error("not storable: {0}")]
    NotStorable(&'static str),
}

/// Data that does not fit the schema that its type and version promise.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// Another type than asked for.
    #[error("expected {expected}, this is {found}")]
    OtherType {
        /// What the reader wanted.
        expected: &'static str,
        /// What the message is.
        found: String,
    },
    /// Newer than this program. Kept until the program is.
    #[error("{kind} has schema version {found}, this program knows up to {known}")]
    NewerVersion {
        /// The type.
        kind: &'static str,
        /// The version on the message.
        found: u16,
        /// The newest that the program knows.
        known: u16,
    },
    /// Data of another shape.
    #[error("data of {kind} does not fit its schema: {why}")]
    Malformed {
        /// The type.
        kind: &'static str,
        /// What the parser met.
        why: String,
    },
}

impl Body {
    /// The body of a typed payload.
    ///
    /// # Errors
    /// [`PayloadError::Malformed`] when the payload cannot be written as JSON (a map with keys that
    /// are no strings).
    pub fn of<P: Payload>(payload: &P) -> Result<Self, PayloadError> {
        let data = serde_json::to_value(payload)
            .map_err(|error| PayloadError::Malformed { kind: P::TYPE, why: error.to_string() })?;
        Ok(Self { kind: P::TYPE, version: P::VERSION, data })
    }
}

impl Message {
    /// A message outside of any saga and without a cause: it correlates with itself. Set what
    /// else it needs on the result.
    #[must_use]
    pub fn new(id: Uuid, source: &str, subject: impl Into<String>, body: Body, time: Time) -> Self {
        Self {
            specversion: SpecVersion,
            id,
            source: source.to_owned(),
            kind: body.kind.to_owned(),
            subject: subject.into(),
            time: storable(time).unwrap_or(time),
            datacontenttype: ContentType,
            schema_version: body.version,
            step: None,
            epoch: 0,
            correlation_id: id,
            causation_id: None,
            saga_id: None,
            aggregate_version: None,
            traceparent: None,
            data: body.data,
        }
    }

    /// A message that `cause` led to: same saga, same correlation, same trace.
    #[must_use]
    pub fn caused_by(cause: &Self, id: Uuid, source: &str, subject: impl Into<String>, body: Body, time: Time) -> Self {
        Self {
            correlation_id: cause.correlation_id,
            causation_id: Some(cause.id),
            saga_id: cause.saga_id,
            traceparent: cause.traceparent.clone(),
            ..Self::new(id, source, subject, body, time)
        }
    }

    /// Marks it as belonging to a step: the request for it, or the answer.
    #[must_use]
    pub fn for_step(mut self, step: &str, epoch: u32) -> Self {
        self.step = Some(step.to_owned());
        self.epoch = epoch;
        self
    }

    /// Marks it as a change of an aggregate, with the version after it.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.aggregate_version = Some(version);
        self
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`], with what is wrong in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut message: Self = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => EnvelopeError::NotAnEnvelope(error.to_string()),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => EnvelopeError::NotJson(error.to_string()),
        })?;
        if contains_nul(&message) {
            return Err(EnvelopeError::NotStorable("it contains the character U+0000"));
        }
        if is_deeper(&message.data, DEEPEST) {
            return Err(EnvelopeError::NotStorable("its data is nested deeper than 64"));
        }
        message.time =
            storable(message.time).ok_or(EnvelopeError::NotStorable("its time is outside the years 1 to 9999"))?;
        if message.correlation_id.is_nil() {
            message.correlation_id = message.id;
        }
        Ok(message)
    }

    /// The bytes to store and to send, always the same for the same message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every field is a string, a number or a JSON value: nothing here can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Where it lies once stored.
    #[must_use]
    pub fn reference(&self) -> MessageRef {
        MessageRef { id: self.id, time: self.time }
    }

    /// Its data as the type that it says it is.
    ///
    /// # Errors
    /// [`PayloadError`]: another type, a newer version, or data of another shape.
    pub fn payload<P: Payload>(&self) -> Result<P, PayloadError> {
        if self.kind != P::TYPE {
            return Err(PayloadError::OtherType { expected: P::TYPE, found: self.kind.clone() });
        }
        if self.schema_version > P::VERSION {
            return Err(PayloadError::NewerVersion { kind: P::TYPE, found: self.schema_version, known: P::VERSION });
        }
        read(&self.data)
    }

    /// What tells a repetition from a conflict: SHA-256 over type, subject, schema version, time
    /// and data with its keys in order. Ids, trace and spelling of the JSON do not count.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [self.kind.as_str(), self.subject.as_str()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.update(self.schema_version.to_be_bytes());
        hasher.update(self.time.unix_timestamp_nanos().to_be_bytes());
        hash_value(&self.data, &mut hasher);
        hasher.finalize().into()
    }
}

/// Data as a type. Serde alone would take a list for a struct, field by field; no other reader would.
pub(crate) fn read<P: Payload>(data: &Value) -> Result<P, PayloadError> {
    let malformed = |why| PayloadError::Malformed { kind: P::TYPE, why };
    if data.is_array() {
        return Err(malformed("a list is no object".to_owned()));
    }
    P::deserialize(data).map_err(|error| malformed(error.to_string()))
}

fn hash_value(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(b) => hasher.update(if *b { b"t" } else { b"f" }),
        Value::Number(number) => hash_text(b"#", &number.to_string(), hasher),
        Value::String(text) => hash_text(b"s", text, hasher),
        Value::Array(items) => {
            hash_text(b"[", &items.len().to_string(), hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        Value::Object(fields) => {
            hash_text(b"{", &fields.len().to_string(), hasher);
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            for (key, item) in sorted {
                hash_text(b"k", key, hasher);
                hash_value(item, hasher);
            }
        }
    }
}

fn hash_text(tag: &[u8], text: &str, hasher: &mut Sha256) {
    hasher.update(tag);
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

/// Data is kept inside of other JSON, and readers of JSON give up at a depth: 128, serde's.
const DEEPEST: usize = 64;

fn is_deeper(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|item| is_deeper(item, left - 1)),
        Value::Object(fields) => left == 0 || fields.values().any(|item| is_deeper(item, left - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// PostgreSQL's text and jsonb cannot hold U+0000; better refused here than in a transaction.
fn contains_nul(message: &Message) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(in_value),
            Value::Object(fields) => fields.iter().any(|(key, item)| key.contains('\0') || in_value(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let texts = [Some(&message.source), Some(&message.kind), Some(&message.subject)];
    texts.into_iter().chain([message.step.as_ref(), message.traceparent.as_ref()]).flatten().any(|t| t.contains('\0'))
        || in_value(&message.data)
}

/// The same instant in UTC, to the microsecond; `None` where that lies outside of the years 1 to 9999, which RFC 3339 and
/// PostgreSQL can both hold. What a client writes may: `9999-12-31T23:59:59-01:00` is in the year 10000, UTC.
#[must_use]
pub fn storable(time: Time) -> Option<Time> {
    let utc = time.checked_to_offset(time::UtcOffset::UTC)?;
    let in_range = (1..=9999).contains(&utc.year());
    utc.replace_microsecond(utc.microsecond()).ok().filter(|_| in_range)
}
