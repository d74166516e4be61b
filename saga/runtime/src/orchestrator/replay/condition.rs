//! Which messages a replay takes: `type=PET_RESERVED`, `$.data.petId=7`, `time>=2026-11-20T00:00:00Z`.

use std::fmt;
use std::str::FromStr;

use saga_core::{Message, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

/// One condition; a message is taken when all hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    field: Field,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Type,
    Saga,
    Correlation,
    Subject,
    NotBefore(Time),
    Before(Time),
    Json(Vec<Part>),
}

/// A step of a path: a name, or a place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Name(String),
    Place(usize),
}

/// A text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no condition: write type=, saga=, correlation=, subject=, time>= or time< (RFC 3339), or a path like $.data.petId=7"
)]
pub struct NoCondition(String);

/// What conditions look at.
pub(crate) struct Seen<'a> {
    pub(crate) message: Option<&'a Message>,
    pub(crate) body: &'a [u8],
    /// The type that the AMQP properties say, for what is no envelope.
    pub(crate) kind: Option<&'a str>,
    /// The correlation id that the AMQP properties say.
    pub(crate) correlation: Option<&'a str>,
}

impl Condition {
    /// Whether it holds of a message.
    pub(crate) fn holds(&self, seen: &Seen<'_>) -> bool {
        let same = |found: Option<String>| found.is_some_and(|found| found == self.value());
        let message = seen.message;
        match &self.field {
            Field::Type => same(message.map(|m| m.kind.clone()).or(seen.kind.map(str::to_owned))),
            Field::Saga => same(message.and_then(|m| m.saga_id).map(|id| id.to_string())),
            Field::Correlation => {
                same(message.map(|m| m.correlation_id.to_string()).or(seen.correlation.map(str::to_owned)))
            }
            Field::Subject => same(message.map(|m| m.subject.clone())),
            Field::NotBefore(time) => message.is_some_and(|m| m.time >= *time),
            Field::Before(time) => message.is_some_and(|m| m.time < *time),
            Field::Json(path) => {
                let body = serde_json::from_slice::<Value>(seen.body).ok();
                body.as_ref().and_then(|body| at(body, path)).is_some_and(|found| is(found, self.value()))
            }
        }
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn value(&self) -> &str {
        self.text.split_once('=').map_or("", |(_, value)| value)
    }
}

fn at<'a>(body: &'a Value, path: &[Part]) -> Option<&'a Value> {
    path.iter().try_fold(body, |value, part| match part {
        Part::Name(name) => value.get(name),
        Part::Place(place) => value.get(place),
    })
}

/// A text is compared as it is, anything else as JSON writes it.
fn is(found: &Value, value: &str) -> bool {
    match found {
        Value::String(text) => text == value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let written = found.to_string();
            written == value
        }
    }
}

impl FromStr for Condition {
    type Err = NoCondition;

    fn from_str(text: &str) -> Result<Self, NoCondition> {
        let wrong = || NoCondition(text.to_owned());
        let time = |text: &str| Time::parse(text.trim(), &Rfc3339).map_err(|_| wrong());
        let field = if let Some(from) = text.strip_prefix("time>=") {
            Field::NotBefore(time(from)?)
        } else if let Some(until) = text.strip_prefix("time<") {
            Field::Before(time(until)?)
        } else {
            match text.split_once('=').ok_or_else(wrong)?.0 {
                "type" => Field::Type,
                "saga" => Field::Saga,
                "correlation" => Field::Correlation,
                "subject" => Field::Subject,
                path => Field::Json(path_of(path).ok_or_else(wrong)?),
            }
        };
        Ok(Self { field, text: text.to_owned() })
    }
}

/// `$.data.items[0].sku` as its parts.
fn path_of(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for piece in text.strip_prefix("$.")?.split('.') {
        let (name, places) = piece.split_once('[').map_or((piece, None), |(name, rest)| (name, Some(rest)));
        if name.is_empty() {
            return None;
        }
        parts.push(Part::Name(name.to_owned()));
        for place in places.map(|places| places.strip_suffix(']')).into_iter() {
            for place in place?.split("][") {
                parts.push(Part::Place(place.parse().ok()?));
            }
        }
    }
    Some(parts)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.text
    }
}

impl TryFrom<String> for Condition {
    type Error = NoCondition;

    fn try_from(text: String) -> Result<Self, NoCondition> {
        text.parse()
    }
}

impl utoipa::PartialSchema for Condition {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some("A condition: `type=PET_RESERVED`, `time>=2026-11-20T00:00:00Z`, `$.data.petId=7`"))
            .into()
    }
}

impl ToSchema for Condition {}

#[cfg(test)]
mod tests {
    use super::*;
    use saga_core::Body;
    use serde_json::json;
    use time::macros::datetime;
    use uuid::Uuid;

    fn holds(condition: &str) -> bool {
        let data = json!({"petId": 7, "name": "7", "items": [{"sku": "FOOD"}, {"sku": "BALL"}], "gone": null});
        let body = Body { kind: "PET_RESERVED", version: 1, data };
        let time = datetime!(2026-11-20 12:00 UTC);
        let mut message = Message::new(Uuid::from_u128(1), "pet-service", "the pet", body, time);
        message.saga_id = Some(Uuid::from_u128(2));
        let bytes = message.to_bytes();
        let seen = Seen { message: Some(&message), body: &bytes, kind: Some("OTHER"), correlation: None };
        condition.parse::<Condition>().unwrap().holds(&seen)
    }

    #[test]
    fn each_field_is_compared_as_it_is() {
        for condition in [
            "type=PET_RESERVED",
            "saga=00000000-0000-0000-0000-000000000002",
            "correlation=00000000-0000-0000-0000-000000000001",
            "subject=the pet",
            "time>=2026-11-20T12:00:00Z",
            "time<2026-11-20T12:00:01Z",
            "$.data.petId=7",
            "$.data.name=7",
            "$.data.items[1].sku=BALL",
            "$.data.gone=null",
            "$.source=pet-service",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in [
            "type=OTHER",
            "saga=00000000-0000-0000-0000-000000000001",
            "subject=the",
            "time>=2026-11-20T12:00:01Z",
            "time<2026-11-20T12:00:00Z",
            "$.data.petId=8",
            "$.data.items[2].sku=BALL",
            "$.data.nothing=null",
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn what_is_no_envelope_has_the_type_of_its_properties_and_a_body_to_look_into() {
        let seen = Seen { message: None, body: br#"{"a":{"b":1}}"#, kind: Some("hello"), correlation: Some("c") };
        for (condition, holds) in [
            ("type=hello", true),
            ("correlation=c", true),
            ("$.a.b=1", true),
            ("subject=x", false),
            ("time>=2026-11-20T12:00:00Z", false),
        ] {
            assert_eq!(condition.parse::<Condition>().unwrap().holds(&seen), holds, "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said_to_be_none() {
        for text in
            ["", "type", "typ=X", "data.petId=7", "time>=yesterday", "time=2026-11-20T12:00:00Z", "$.=1", "$.a[x]=1"]
        {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
