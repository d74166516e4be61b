//! Inputs that people write in several ways, brought to one, so that one thing has one id.
//!
//! | input | canonical form | in Python |
//! |---|---|---|
//! | e-mail address | trimmed, lower case | `email.strip().lower()` |
//! | SKU | trimmed, upper case | `sku.strip().upper()` |
//! | list of SKUs | each canonical, sorted, as a tuple | `tuple(sorted(s.strip().upper() for s in skus))` |
//!
//! Text with characters that Unicode 14.0 does not print is refused, since there Python's rules and ours could differ.

use crate::python::is_printable;
use crate::{Error, Value};

/// An e-mail address, trimmed and in lower case.
///
/// # Errors
/// [`Error::NotCanonical`] when nothing or something unprintable is left.
pub fn email(text: &str) -> Result<String, Error> {
    let lower = trimmed("the e-mail address", text)?.to_lowercase();
    trimmed("the e-mail address", &lower).map(str::to_owned)
}

/// A stock keeping unit, trimmed and in upper case.
///
/// # Errors
/// As [`email`].
pub fn sku(text: &str) -> Result<String, Error> {
    let text = trimmed("the SKU", text)?;
    // Nearly all are, and each message that names one comes by here.
    if text.is_ascii() { Ok(text.to_ascii_uppercase()) } else { Ok(text.chars().flat_map(upper).collect()) }
}

/// A character's upper case in Unicode 14.0: a capital that came later is not used yet.
fn upper(character: char) -> impl Iterator<Item = char> {
    let capitals = character.to_uppercase();
    let known = capitals.clone().all(is_printable);
    capitals.filter(move |_| known).chain((!known).then_some(character))
}

/// Stock keeping units, each canonical, sorted by code point, as a tuple. One given twice stays twice.
///
/// # Errors
/// As [`email`], for the first that fails.
pub fn skus<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Value, Error> {
    let mut skus: Vec<String> = texts.into_iter().map(sku).collect::<Result<_, _>>()?;
    skus.sort_unstable();
    Ok(Value::Tuple(skus.into_iter().map(Value::Text).collect()))
}

fn trimmed<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Error> {
    let trimmed = text.trim();
    let hint = match trimmed {
        "" => "give one that is not blank",
        _ if !trimmed.chars().all(is_printable) => "leave out control and invisible characters",
        _ => return Ok(trimmed),
    };
    Err(Error::NotCanonical { what, text: text.to_owned(), hint })
}
