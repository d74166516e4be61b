//! Values from JSON: numbers as they were written, objects in their order, Python's other types by tag.
//!
//! A number with `.`, `e` or `E` is a float, any other an integer. An object with the member `$py` stands for a value that JSON lacks, such as
//! `{"$py": "tuple", "value": [1, 2]}`; docs/ids.md lists the tags.

mod tag;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Number};

use crate::{Error, IdBuilder, Int, Value};

impl Value {
    /// The value of a JSON text. Every number is taken as it is written, as Python would take it.
    ///
    /// # Errors
    /// [`Error::Json`] when it is no JSON, [`Error::Tag`] for a `$py` tag that is none, and whatever makes a value impossible.
    pub fn from_json_text(text: &str) -> Result<Self, Error> {
        from_raw(parse(text)?, 0)
    }

    /// The value of parsed JSON.
    ///
    /// # Errors
    /// As [`Self::from_json_text`], and [`Error::AmbiguousNumber`] for the floats that serde_json also makes of integers: whole ones
    /// beyond `i64` and `u64`, and `-0.0`.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, Error> {
        from_parsed(json, 0)
    }
}

impl<'a> IdBuilder<'a> {
    /// Adds each member of a JSON object as an attribute.
    ///
    /// # Errors
    /// As [`Value::from_json`].
    pub fn attrs_from_json(mut self, members: &'a Map<String, serde_json::Value>) -> Result<Self, Error> {
        for (key, json) in members {
            self = self.attr(key, Value::from_json(json)?);
        }
        Ok(self)
    }
}

fn from_parsed(json: &serde_json::Value, depth: usize) -> Result<Value, Error> {
    match json {
        serde_json::Value::Null => Ok(Value::None),
        serde_json::Value::Bool(plain) => Ok(Value::Bool(*plain)),
        serde_json::Value::Number(number) => from_number(number),
        serde_json::Value::String(text) => Ok(Value::Text(text.clone())),
        serde_json::Value::Array(items) => {
            let (depth, mut values) = (deeper(depth)?, Vec::with_capacity(items.len()));
            for item in items {
                values.push(from_parsed(item, depth)?);
            }
            Ok(Value::List(values))
        }
        serde_json::Value::Object(members) => {
            let (depth, mut values) = (deeper(depth)?, Vec::with_capacity(members.len()));
            for (key, member) in members {
                values.push((key.clone(), from_parsed(member, depth)?));
            }
            object(values)
        }
    }
}

fn from_number(number: &Number) -> Result<Value, Error> {
    const LAST_I64: f64 = -9_223_372_036_854_775_808.0;
    const FIRST_BEYOND_U64: f64 = 18_446_744_073_709_551_616.0;
    if let Some(whole) = number.as_i128() {
        return Ok(Value::Int(whole.into()));
    }
    let float = number.as_f64().filter(|_| number.is_f64());
    let float = float.ok_or_else(|| Error::AmbiguousNumber(number.to_string()))?;
    let perhaps_whole = float.fract() == 0.0 && !(LAST_I64 < float && float < FIRST_BEYOND_U64);
    if perhaps_whole || float == 0.0 && float.is_sign_negative() {
        return Err(Error::AmbiguousNumber(number.to_string()));
    }
    Ok(Value::Float(float))
}

/// The value of JSON that was only scanned, so that each number is still the text that was written.
pub(crate) fn from_raw(raw: &RawValue, depth: usize) -> Result<Value, Error> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::None),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'"') => parse(text).map(Value::Text),
        Some(b'[') => {
            let (depth, mut values) = (deeper(depth)?, Vec::new());
            for item in parse::<Vec<&RawValue>>(text)? {
                values.push(from_raw(item, depth)?);
            }
            Ok(Value::List(values))
        }
        Some(b'{') => {
            let (depth, mut values) = (deeper(depth)?, Vec::new());
            for (key, member) in members(text)? {
                values.push((key.into_owned(), from_raw(member, depth)?));
            }
            object(values)
        }
        _ if text.contains(['.', 'e', 'E']) => text.parse().map(Value::Float).map_err(|_| Error::Json(text.to_owned())),
        _ => Int::parse(text).map(Value::Int),
    }
}

/// The members of a JSON object, in order, values unread.
pub(crate) fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Error> {
    parse::<Members<'_>>(text).map(|Members(members)| members)
}

/// Reads JSON, borrowing from its text.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Json(error.to_string()))
}

/// A map in Python's sense, or what its tag says.
fn object(members: Vec<(String, Value)>) -> Result<Value, Error> {
    if members.iter().any(|(key, _)| key == tag::MEMBER) {
        return tag::resolve(members);
    }
    Ok(Value::Map(members.into_iter().map(|(key, value)| (Value::Text(key), value)).collect()))
}

fn deeper(depth: usize) -> Result<usize, Error> {
    if depth < Value::MOST_DEPTH { Ok(depth + 1) } else { Err(Error::TooDeep) }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
