//! Ids behind a prefix that people can read: `INV-EUR-0fc74411-ef05-5ccf-b457-74ece8bd2a03`.

mod lenient;

use uuid::Uuid;

use crate::Error;

/// The longest text that is read leniently, in bytes.
pub const MOST_LENIENT_BYTES: usize = 4096;

/// Puts a prefix before an id; an empty prefix leaves the bare id.
///
/// # Errors
/// [`Error::EmptySeparator`], and [`Error::LosesId`] when [`extract`] would not get the id back.
pub fn join(prefix: &str, separator: &str, id: Uuid) -> Result<String, Error> {
    let text = join_lenient(prefix, separator, id);
    match extract(&text, separator) {
        _ if prefix.is_empty() => Ok(text),
        Ok(found) if found == id => Ok(text),
        Err(Error::EmptySeparator) => Err(Error::EmptySeparator),
        Ok(_) | Err(_) => Err(Error::LosesId { prefix: prefix.to_owned(), separator: separator.to_owned() }),
    }
}

/// Puts a prefix before an id as uuid-forge does, whether or not the id can be extracted again.
#[must_use]
pub fn join_lenient(prefix: &str, separator: &str, id: Uuid) -> String {
    if prefix.is_empty() { id.to_string() } else { format!("{prefix}{separator}{id}") }
}

/// The id at the end of a text, after a separator or alone: a whole UUID, hyphenated, plain, in braces or as a URN
/// in small letters.
///
/// Where this finds an id, [`extract_lenient`] finds the same.
///
/// # Errors
/// [`Error::EmptySeparator`] and [`Error::NoUuid`].
pub fn extract(text: &str, separator: &str) -> Result<Uuid, Error> {
    first(text, separator, whole)
}

/// The id that uuid-forge finds. It also takes a damaged one: `CAFE-05b16a01-46c6-56dd-bd6e-c6dfb4a1` lost four digits, and the
/// prefix lends its own.
///
/// # Errors
/// As [`extract`], and [`Error::TextTooLong`]: reading this way takes a time that grows with the square of the text.
pub fn extract_lenient(text: &str, separator: &str) -> Result<Uuid, Error> {
    if text.len() > MOST_LENIENT_BYTES {
        return Err(Error::TextTooLong { bytes: text.len() });
    }
    first(text, separator, lenient::parse)
}

/// A whole UUID. Of a URN, the one that Python takes: `urn:uuid:` in small letters.
fn whole(text: &str) -> Option<Uuid> {
    let has_name = text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("urn:"));
    if has_name && !text.starts_with("urn:uuid:") { None } else { Uuid::try_parse(text).ok() }
}

/// Reads the whole text, then what follows each separator, from left to right, until one is an id.
fn first(text: &str, separator: &str, read: impl Fn(&str) -> Option<Uuid>) -> Result<Uuid, Error> {
    if separator.is_empty() {
        return Err(Error::EmptySeparator);
    }
    let ends = std::iter::successors(Some(text), |rest| rest.split_once(separator).map(|(_, end)| end));
    ends.filter_map(read).next().ok_or_else(|| Error::NoUuid(text.to_owned()))
}
