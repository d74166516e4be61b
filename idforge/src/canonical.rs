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
    trimmed("the e-mail address", text).map(str::to_lowercase)
}

/// A stock keeping unit, trimmed and in upper case.
///
/// # Errors
/// As [`email`].
pub fn sku(text: &str) -> Result<String, Error> {
    trimmed("the SKU", text).map(str::to_uppercase)
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
