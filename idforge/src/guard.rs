//! What the default forge refuses, because uuid-forge copies it unquoted into what it hashes.

use crate::Error;

/// Names that uuid-forge's calls take for themselves: the first two in every call, which therefore cannot be made even leniently.
pub(crate) const RESERVED: [&str; 5] = ["entity_type", "config", "self", "prefix", "separator"];
const EVERY_CALL: usize = 2;

/// Names that uuid-forge takes for itself where an id gets a prefix.
pub(crate) const PREFIXED_CALL: [&str; 2] = ["prefix", "separator"];

pub(crate) fn check_entity_type(entity_type: &str, lenient: bool) -> Result<(), Error> {
    if !lenient && entity_type.bytes().any(|byte| byte == b'|') {
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
        if !lenient && key.bytes().any(|byte| matches!(byte, b'|' | b'=')) {
            return Err(Error::KeyWithSeparator(key.to_owned()));
        }
        last = Some(key);
    }
    Ok(())
}

/// Checks an enum's names: of all values they alone are written unquoted.
pub(crate) fn check_names(names: [&str; 2], lenient: bool) -> Result<(), Error> {
    let is_word =
        |name: &str| !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_');
    match names.into_iter().find(|name| !lenient && !is_word(name)) {
        None => Ok(()),
        Some(name) => {
            let hint = "give a word, or forge leniently";
            Err(Error::Impossible { what: "an enum's name", text: name.to_owned(), hint })
        }
    }
}
