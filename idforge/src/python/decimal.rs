//! Python's `decimal.Decimal`, as text.

use std::fmt;

use crate::Error;

/// A Decimal: digits with an exponent, so that `1.0` and `1.00` are two values. Kept as Python's `str` writes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// Reads a decimal number, `NaN`, `sNaN` or `Infinity`, with an optional `-`, as Python's constructor would.
    ///
    /// # Errors
    /// [`Error::Impossible`] when the text is none of these, or too long for Python to be asked safely.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        special(unsigned)
            .or_else(|| finite(unsigned))
            .map(|number| Decimal(format!("{sign}{number}").into()))
            .ok_or_else(|| Error::Impossible {
                what: "a Decimal",
                text: text.to_owned(),
                hint: "write a number like -12.50 or 1E+3, NaN or Infinity",
            })
    }
}

/// `Infinity`, `NaN` and `sNaN`, in any case, the latter two with an optional payload of digits.
fn special(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if lower == "inf" || lower == "infinity" {
        return Some("Infinity".to_owned());
    }
    let (name, payload) = match lower.strip_prefix("snan") {
        Some(payload) => ("sNaN", payload),
        None => ("NaN", lower.strip_prefix("nan")?),
    };
    let digits = payload.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| format!("{name}{}", payload.trim_start_matches('0')))
}

/// The "to-scientific-string" of the General Decimal Arithmetic specification, which Python's `str` follows.
fn finite(text: &str) -> Option<String> {
    const MOST_DIGITS: usize = 4300;
    const LARGEST_EXPONENT: i64 = 999_999_999;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric(&digits) || !numeric(unsigned) || digits.len() > MOST_DIGITS {
        return None;
    }
    let exponent = exponent.parse::<i64>().ok().filter(|e| e.abs() <= LARGEST_EXPONENT)?;
    let exponent = exponent - i64::try_from(fraction.len()).ok()?;
    let significant = digits.trim_start_matches('0');
    Some(scientific(if significant.is_empty() { "0" } else { significant }, exponent))
}

/// The text of `digits` x 10^`exponent`.
fn scientific(digits: &str, exponent: i64) -> String {
    let count = digits.len() as i64;
    let adjusted = exponent + count - 1;
    let point = count + exponent;
    if exponent == 0 {
        digits.to_owned()
    } else if exponent < 0 && adjusted >= -6 {
        match usize::try_from(point) {
            Ok(point) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
            _ => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        }
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}E{adjusted:+}")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
