//! Integers of any size that Python prints.

use std::borrow::Cow;
use std::fmt;

use crate::Error;

/// An integer as Python has it: of any size, up to the digits that Python is willing to print.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Int(Size);

/// Invariant: `Long` is decimal text without leading zeros that does not fit an `i128`, so that equal numbers are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Size {
    Short(i128),
    Long(Box<str>),
}

impl Int {
    /// The digits, sign aside, beyond which Python refuses to print an integer.
    pub const MOST_DIGITS: usize = 4300;

    /// Reads decimal text: digits with an optional `-`.
    ///
    /// # Errors
    /// [`Error::IntegerTooLong`], or [`Error::Impossible`] when the text is no integer.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let hint = "write decimal digits, with a leading '-' if negative";
            return Err(Error::Impossible { what: "an integer", text: text.to_owned(), hint });
        }
        let digits = digits.trim_start_matches('0');
        if digits.len() > Self::MOST_DIGITS {
            return Err(Error::IntegerTooLong { digits: digits.len() });
        }
        let canonical = format!("{sign}{}", if digits.is_empty() { "0" } else { digits });
        Ok(Int(canonical.parse().map_or_else(|_| Size::Long(canonical.into()), Size::Short)))
    }

    /// The number, if it fits.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        match self.0 {
            Size::Short(number) => Some(number),
            Size::Long(_) => None,
        }
    }

    /// Decimal digits, with a leading `-` if negative: Python's `repr`.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Size::Short(number) => itoa::Buffer::new().format(*number).to_owned().into(),
            Size::Long(text) => (&**text).into(),
        }
    }
}

impl From<i128> for Int {
    fn from(number: i128) -> Self {
        Int(Size::Short(number))
    }
}

impl From<u128> for Int {
    fn from(number: u128) -> Self {
        Int(i128::try_from(number).map_or_else(|_| Size::Long(number.to_string().into()), Size::Short))
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
