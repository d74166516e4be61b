//! Ids behind a prefix that people can read: `INV-EUR-0fc74411-ef05-5ccf-b457-74ece8bd2a03`.

use uuid::Uuid;

use crate::Error;

/// Puts a prefix before an id; an empty prefix leaves the bare id.
///
/// # Errors
/// [`Error::EmptySeparator`], and [`Error::LosesId`] when [`extract`] would not get the id back.
pub fn join(prefix: &str, separator: &str, id: Uuid) -> Result<String, Error> {
    let text = join_lenient(prefix, separator, id);
    if prefix.is_empty() || extract(&text, separator)? == id {
        return Ok(text);
    }
    Err(Error::LosesId { prefix: prefix.to_owned(), separator: separator.to_owned() })
}

/// Puts a prefix before an id as uuid-forge does, whether or not the id can be extracted again.
#[must_use]
pub fn join_lenient(prefix: &str, separator: &str, id: Uuid) -> String {
    if prefix.is_empty() { id.to_string() } else { format!("{prefix}{separator}{id}") }
}

/// The id at the end of a text, after a separator or alone.
///
/// # Errors
/// [`Error::EmptySeparator`] and [`Error::NoUuid`].
pub fn extract(text: &str, separator: &str) -> Result<Uuid, Error> {
    candidates(text, separator)?.find_map(|end| Uuid::try_parse(end).ok()).ok_or_else(|| Error::NoUuid(text.to_owned()))
}

/// The whole text, then what follows each separator, from left to right.
fn candidates<'a>(text: &'a str, separator: &'a str) -> Result<impl Iterator<Item = &'a str>, Error> {
    if separator.is_empty() {
        return Err(Error::EmptySeparator);
    }
    Ok(std::iter::successors(Some(text), move |rest| rest.split_once(separator).map(|(_, end)| end)))
}
