//! Between AMQP and the rest: deliveries in, properties out, and both as JSON for parked messages.
//!
//! The JSON form is for two readers: a person, and the replay that gives a message its properties
//! back. Texts, numbers, truth values, lists and tables look as one would write them; whatever JSON
//! (or PostgreSQL's `jsonb`, which knows no U+0000) cannot hold as it is sits in an object with one
//! key that begins with `$` and names the AMQP type.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Value, json};

use super::Properties;

/// How a message of ours says what it is.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// On disk before it is confirmed.
pub(crate) const PERSISTENT: u8 = 2;
const DELIVERY_COUNT: &str = "x-delivery-count";
const STREAM_OFFSET: &str = "x-stream-offset";
/// Headers that brokers keep, and those that would send a copy elsewhere: a message that is
/// published again must not carry them, else it would count as delivered before.
const BROKERS_OWN: [&str; 12] = [
    DELIVERY_COUNT,
    STREAM_OFFSET,
    "x-acquired-count",
    "x-death",
    "x-first-death-reason",
    "x-first-death-queue",
    "x-first-death-exchange",
    "x-last-death-reason",
    "x-last-death-queue",
    "x-last-death-exchange",
    "CC",
    "BCC",
];

/// Properties that AMQP cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwritable(String);

/// The header counts only on a redelivery: on a first delivery it is the publisher's, or that of
/// the queue that a dead letter comes from.
pub(crate) fn delivery_count(delivery: &Delivery) -> u32 {
    if !delivery.redelivered {
        return 0;
    }
    let counted = header(delivery, DELIVERY_COUNT).and_then(integer);
    counted.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

/// The place in its stream of a message that was read from one.
pub(crate) fn stream_offset(delivery: &Delivery) -> Option<u64> {
    header(delivery, STREAM_OFFSET).and_then(integer).and_then(|offset| u64::try_from(offset).ok())
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn integer(value: &AMQPValue) -> Option<i64> {
    let unsigned = value.as_short_short_uint().map(i64::from).or(value.as_short_uint().map(i64::from));
    let unsigned = unsigned.or(value.as_long_uint().map(i64::from));
    let signed = value.as_short_short_int().map(i64::from).or(value.as_short_int().map(i64::from));
    let signed = signed.or(value.as_long_int().map(i64::from)).or(value.as_long_long_int());
    unsigned.or(signed)
}

pub(crate) fn storable(text: &ShortString) -> String {
    text.as_str().replace('\0', "\u{FFFD}")
}

impl Properties {
    /// As AMQP writes them.
    ///
    /// # Errors
    /// [`Unwritable`]: one of them is longer than 255 bytes.
    pub fn to_amqp(&self) -> Result<BasicProperties, Unwritable> {
        Ok(BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short("message_id", &self.message_id)?)
            .with_correlation_id(short("correlation_id", &self.correlation_id)?)
            .with_type(short("type", &self.kind)?)
            .with_app_id(short("app_id", &self.app_id)?)
            .with_timestamp(self.timestamp))
    }

    /// In the JSON form that [`super::Parcel`] takes.
    ///
    /// # Errors
    /// [`Unwritable`]: one of them is longer than 255 bytes.
    pub fn to_json(&self) -> Result<Value, Unwritable> {
        self.to_amqp().map(|properties| to_json(&properties))
    }
}

/// Properties and headers as JSON, without those that are not set.
#[must_use]
pub(crate) fn to_json(properties: &BasicProperties) -> Value {
    let texts = [
        ("content_type", properties.content_type()),
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("expiration", properties.expiration()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("user_id", properties.user_id()),
        ("app_id", properties.app_id()),
        ("cluster_id", properties.cluster_id()),
    ];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text_to_json(text.as_ref()?.as_str()))));
    let numbers = [
        ("delivery_mode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
        ("timestamp", *properties.timestamp()),
    ];
    let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key, Value::from(number?))));
    let headers = properties.headers().as_ref().map(|headers| ("headers", table_to_json(headers)));
    texts.chain(numbers).chain(headers).map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// The properties for publishing a message again: as they were, but on disk, and without what
/// brokers add and what only its first publisher could say (`user_id`).
///
/// # Errors
/// [`Unwritable`], with what is wrong in words.
pub(crate) fn from_json(json: &Value) -> Result<BasicProperties, Unwritable> {
    let fields = json.as_object().ok_or_else(|| Unwritable(format!("the properties are no JSON object: {json}")))?;
    let mut properties = BasicProperties::default();
    for (key, value) in fields {
        let text = || text_from_json(value).and_then(|text| short(key, &text));
        properties = match key.as_str() {
            "content_type" => properties.with_content_type(text()?),
            "content_encoding" => properties.with_content_encoding(text()?),
            "correlation_id" => properties.with_correlation_id(text()?),
            "reply_to" => properties.with_reply_to(text()?),
            "expiration" => properties.with_expiration(text()?),
            "message_id" => properties.with_message_id(text()?),
            "type" => properties.with_type(text()?),
            "app_id" => properties.with_app_id(text()?),
            "cluster_id" => properties.with_cluster_id(text()?),
            "priority" => properties.with_priority(number(key, value)?),
            "timestamp" => properties.with_timestamp(number(key, value)?),
            "headers" => with_headers(properties, value)?,
            "delivery_mode" | "user_id" => properties,
            _ => return Err(Unwritable(format!("there is no property {key} in AMQP"))),
        };
    }
    Ok(properties.with_delivery_mode(PERSISTENT))
}

fn with_headers(properties: BasicProperties, json: &Value) -> Result<BasicProperties, Unwritable> {
    let AMQPValue::FieldTable(table) = value_from_json(json)? else {
        return Err(Unwritable(format!("the headers are no JSON object: {json}")));
    };
    let mut headers = table.inner().clone();
    headers.retain(|key, _| !BROKERS_OWN.contains(&key.as_str()));
    Ok(if headers.is_empty() { properties } else { properties.with_headers(headers.into()) })
}

/// A level of headers may take three of JSON. Readers of JSON give up at a depth; the gate lets nothing through that
/// comes near it.
fn table_to_json(table: &FieldTable) -> Value {
    let entries = || table.inner().iter();
    let plain = entries().all(|(key, _)| !key.as_str().contains('\0'));
    if plain && !(table.inner().len() == 1 && entries().any(|(key, _)| key.as_str().starts_with('$'))) {
        return entries().map(|(key, value)| (key.to_string(), value_to_json(value))).collect::<Map<_, _>>().into();
    }
    let pairs: Vec<Value> =
        entries().map(|(key, value)| json!([text_to_json(key.as_str()), value_to_json(value)])).collect();
    json!({ "$table": pairs })
}

fn value_to_json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) if i32::try_from(*value).is_err() => (*value).into(),
        AMQPValue::LongLongInt(value) => json!({ "$i64": value }),
        AMQPValue::ShortShortInt(value) => json!({ "$i8": value }),
        AMQPValue::ShortShortUInt(value) => json!({ "$u8": value }),
        AMQPValue::ShortInt(value) => json!({ "$i16": value }),
        AMQPValue::ShortUInt(value) => json!({ "$u16": value }),
        AMQPValue::LongUInt(value) => json!({ "$u32": value }),
        // As text: jsonb would write 1e3 as 1000, and JSON has no infinity.
        AMQPValue::Float(value) => json!({ "$f32": value.to_string() }),
        AMQPValue::Double(value) => json!({ "$f64": value.to_string() }),
        AMQPValue::DecimalValue(value) => json!({ "$decimal": [value.scale, value.value] }),
        AMQPValue::ShortString(text) => text_to_json(text.as_str()),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => text_to_json(text),
            Err(_) => json!({ "$text": hex(text.as_bytes()) }),
        },
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(value_to_json).collect(),
        AMQPValue::Timestamp(seconds) => json!({ "$timestamp": seconds }),
        AMQPValue::FieldTable(table) => table_to_json(table),
        AMQPValue::ByteArray(bytes) => json!({ "$bytes": hex(bytes.as_slice()) }),
        AMQPValue::Void => Value::Null,
    }
}

fn value_from_json(json: &Value) -> Result<AMQPValue, Unwritable> {
    Ok(match json {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Number(value) => match value.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(AMQPValue::LongLongInt(whole), AMQPValue::LongInt),
            None => AMQPValue::Double(value.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => {
            let items: Result<Vec<AMQPValue>, _> = items.iter().map(value_from_json).collect();
            FieldArray::from(items?).into()
        }
        Value::Object(fields) => match fields.iter().next() {
            Some((kind, inner)) if fields.len() == 1 && kind.starts_with('$') => tagged(kind, inner)?,
            _ => table(fields.iter().map(|(key, value)| (key.clone(), value)))?,
        },
    })
}

fn tagged(kind: &str, json: &Value) -> Result<AMQPValue, Unwritable> {
    Ok(match kind {
        "$i8" => AMQPValue::ShortShortInt(number(kind, json)?),
        "$u8" => AMQPValue::ShortShortUInt(number(kind, json)?),
        "$i16" => AMQPValue::ShortInt(number(kind, json)?),
        "$u16" => AMQPValue::ShortUInt(number(kind, json)?),
        "$u32" => AMQPValue::LongUInt(number(kind, json)?),
        "$i64" => AMQPValue::LongLongInt(number(kind, json)?),
        "$timestamp" => AMQPValue::Timestamp(number(kind, json)?),
        "$f32" => AMQPValue::Float(float(kind, json)?),
        "$f64" => AMQPValue::Double(float(kind, json)?),
        "$decimal" => {
            let (scale, value) = number(kind, json)?;
            AMQPValue::DecimalValue(DecimalValue { scale, value })
        }
        "$text" => AMQPValue::LongString(LongString::from(unhex(kind, json)?)),
        "$bytes" => ByteArray::from(unhex(kind, json)?).into(),
        "$table" => {
            let pairs: Vec<(Value, Value)> = number(kind, json)?;
            let keys: Result<Vec<String>, _> = pairs.iter().map(|(key, _)| text_from_json(key)).collect();
            table(keys?.into_iter().zip(pairs.iter().map(|(_, value)| value)))?
        }
        _ => return Err(Unwritable(format!("there is no type {kind} in AMQP"))),
    })
}

fn table<'a>(entries: impl Iterator<Item = (String, &'a Value)>) -> Result<AMQPValue, Unwritable> {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(short("the name of a header", &key)?, value_from_json(value)?);
    }
    Ok(table.into())
}

fn text_to_json(text: &str) -> Value {
    if text.contains('\0') { json!({ "$text": hex(text.as_bytes()) }) } else { text.into() }
}

fn text_from_json(json: &Value) -> Result<String, Unwritable> {
    if let Some(text) = json.as_str() {
        return Ok(text.to_owned());
    }
    let bytes = json.get("$text").map(|text| unhex("$text", text)).transpose()?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Unwritable(format!("this is no text: {json}")))
}

/// How many bytes the name of an exchange or queue, or a routing key, has at most. lapin panics at more.
pub(crate) const LONGEST_NAME: usize = 255;

pub(crate) fn short(what: &str, text: &str) -> Result<ShortString, Unwritable> {
    ShortString::try_new(text).map_err(|_| Unwritable(format!("{what} is longer than {LONGEST_NAME} bytes")))
}

fn number<T: serde::de::DeserializeOwned>(what: &str, json: &Value) -> Result<T, Unwritable> {
    T::deserialize(json).map_err(|error| Unwritable(format!("{what} cannot be {json}: {error}")))
}

fn float<T: std::str::FromStr>(what: &str, json: &Value) -> Result<T, Unwritable> {
    let number = json.as_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Unwritable(format!("{what} cannot be {json}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(what: &str, json: &Value) -> Result<Vec<u8>, Unwritable> {
    let digits = json.as_str().unwrap_or_default().as_bytes();
    let bytes = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes
        .filter(|_| json.is_string())
        .ok_or_else(|| Unwritable(format!("{what} cannot be {json}: it is not hexadecimal")))
}

#[cfg(test)]
mod tests;
