//! What the default forge refuses, because uuid-forge copies it unquoted into what it hashes.

use crate::{Error, Value};

/// Names that uuid-forge's calls take for themselves: the first two in every call, which therefore cannot be made even leniently.
pub(crate) const RESERVED: [&str; 5] = ["entity_type", "config", "self", "prefix", "separator"];
const EVERY_CALL: usize = 2;

/// Names that uuid-forge takes for itself where an id gets a prefix.
pub(crate) const PREFIXED_CALL: [&str; 2] = ["prefix", "separator"];

pub(crate) fn check_entity_type(entity_type: &str, lenient: bool) -> Result<(), Error> {
    if !lenient && entity_type.contains('|') {
        return Err(Error::EntityTypeWithBar(entity_type.to_owned()));
    }
    Ok(())
}

/// Checks keys that come sorted.
pub(crate) fn check_keys<'k>(keys: impl Iterator<Item = &'k str>, lenient: bool) -> Result<(), Error> {
    let reserved = if lenient { &RESERVED[..EVERY_CALL] } else { &RESERVED[..] };
    let mut last = None;
    for key in keys {
        if last == Some(key) {
            return Err(Error::DuplicateKey(key.to_owned()));
        }
        if reserved.contains(&key) {
            return Err(Error::ReservedKey(key.to_owned()));
        }
        if !lenient && key.contains(['|', '=']) {
            return Err(Error::KeyWithSeparator(key.to_owned()));
        }
        last = Some(key);
    }
    Ok(())
}

/// Of all values only enums bring unquoted text: their names.
pub(crate) fn check_value(value: &Value) -> Result<(), Error> {
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest holds no other values")]
        match value {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                rest.extend(items)
            }
            Value::Map(entries) => rest.extend(entries.iter().flat_map(|(key, value)| [key, value])),
            Value::Enum { class, name, value } => {
                check_identifier(class)?;
                check_identifier(name)?;
                rest.push(value);
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_identifier(name: &str) -> Result<(), Error> {
    let hint = "give an identifier, or forge leniently";
    let word = |character: char| character.is_alphanumeric() || character == '_';
    if !name.is_empty() && name.chars().all(word) {
        return Ok(());
    }
    Err(Error::Impossible { what: "an enum's name", text: name.to_owned(), hint })
}
