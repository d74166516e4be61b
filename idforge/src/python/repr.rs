//! `repr` of any value: which text goes where, and what has no stable text.

use std::collections::HashSet;

use uuid::fmt::Hyphenated;

use super::{Sink, float, moment, text};
use crate::{Error, Scalar, Value, guard};

/// Python's `repr` of a plain value, which cannot fail.
pub(crate) fn write_scalar(sink: &mut impl Sink, scalar: Scalar<'_>) {
    match scalar {
        Scalar::Bool(true) => sink.push("True"),
        Scalar::Bool(false) => sink.push("False"),
        // Dividing 128 bits is slow, and hardly any number needs them.
        Scalar::Int(number) => match i64::try_from(number) {
            Ok(number) => sink.push(itoa::Buffer::new().format(number)),
            Err(_) => sink.push(itoa::Buffer::new().format(number)),
        },
        Scalar::Float(number) => float::write_float(sink, number),
        Scalar::Text(plain) => text::write_text(sink, plain),
        Scalar::UuidText(uuid) => {
            sink.push("'");
            sink.push(uuid.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]));
            sink.push("'");
        }
    }
}

/// Python's `repr` of any value. Unless `lenient`, an enum's names, the one text that is not quoted, must be words.
pub(crate) fn write_value(sink: &mut impl Sink, value: &Value, lenient: bool) -> Result<(), Error> {
    write_nested(sink, value, Place { depth: 0, lenient })
}

/// Where in a value the writer is.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    lenient: bool,
}

impl Place {
    fn inside(self) -> Result<Self, Error> {
        if self.depth < Value::MOST_DEPTH { Ok(Place { depth: self.depth + 1, ..self }) } else { Err(Error::TooDeep) }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest holds no other values")]
fn write_nested(sink: &mut impl Sink, value: &Value, place: Place) -> Result<(), Error> {
    match value {
        Value::List(items) => {
            sink.push("[");
            write_items(sink, items, place)?;
            sink.push("]");
        }
        Value::Tuple(items) => {
            sink.push("(");
            write_items(sink, items, place)?;
            sink.push(if items.len() == 1 { ",)" } else { ")" });
        }
        Value::Map(entries) => write_map(sink, entries, place)?,
        Value::Set(items) if items.is_empty() => sink.push("set()"),
        Value::Set(items) => {
            sink.push("{");
            write_only_item(sink, items, place)?;
            sink.push("}");
        }
        Value::FrozenSet(items) if items.is_empty() => sink.push("frozenset()"),
        Value::FrozenSet(items) => {
            sink.push("frozenset({");
            write_only_item(sink, items, place)?;
            sink.push("})");
        }
        Value::Enum { class, name, value } => {
            guard::check_names([class, name], place.lenient)?;
            sink.push_fmt(format_args!("<{class}.{name}: "));
            write_nested(sink, value, place.inside()?)?;
            sink.push(">");
        }
        leaf => write_leaf(sink, leaf),
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what holds other values was written by write_nested")]
fn write_leaf(sink: &mut impl Sink, value: &Value) {
    match value {
        Value::Bool(plain) => write_scalar(sink, Scalar::Bool(*plain)),
        Value::Int(number) => sink.push(&number.text()),
        Value::Float(number) => float::write_float(sink, *number),
        Value::Text(plain) => text::write_text(sink, plain),
        Value::Bytes(bytes) => text::write_bytes(sink, bytes),
        Value::ByteArray(bytes) => text::write_bytearray(sink, bytes),
        Value::Uuid(uuid) => sink.push_fmt(format_args!("UUID('{uuid}')")),
        Value::Date(date) => moment::write_date(sink, *date),
        Value::Time(time) => moment::write_time(sink, time),
        Value::DateTime(moment) => moment::write_datetime(sink, moment),
        Value::TimeDelta(span) => moment::write_timedelta(sink, *span),
        Value::Decimal(number) => sink.push_fmt(format_args!("Decimal('{number}')")),
        Value::Fraction(number) => sink.push_fmt(format_args!("{number}")),
        Value::Complex(real, imaginary) => write_complex(sink, *real, *imaginary),
        _ => sink.push("None"),
    }
}

/// A real part of positive zero is left out, with the parentheses.
fn write_complex(sink: &mut impl Sink, real: f64, imaginary: f64) {
    if real == 0.0 && real.is_sign_positive() {
        float::write_component(sink, imaginary);
        return sink.push("j");
    }
    sink.push("(");
    float::write_component(sink, real);
    sink.push(if imaginary.is_nan() || imaginary.is_sign_positive() { "+" } else { "" });
    float::write_component(sink, imaginary);
    sink.push("j)");
}

fn write_items(sink: &mut impl Sink, items: &[Value], place: Place) -> Result<(), Error> {
    let place = place.inside()?;
    for (at, item) in items.iter().enumerate() {
        sink.push(if at == 0 { "" } else { ", " });
        write_nested(sink, item, place)?;
    }
    Ok(())
}

fn write_map(sink: &mut impl Sink, entries: &[(Value, Value)], place: Place) -> Result<(), Error> {
    let place = place.inside()?;
    check_keys(entries, place)?;
    sink.push("{");
    for (at, (key, value)) in entries.iter().enumerate() {
        sink.push(if at == 0 { "" } else { ", " });
        write_nested(sink, key, place)?;
        sink.push(": ");
        write_nested(sink, value, place)?;
    }
    sink.push("}");
    Ok(())
}

fn write_only_item(sink: &mut impl Sink, items: &[Value], place: Place) -> Result<(), Error> {
    let [item] = items else {
        return Err(Error::UnorderedSet { items: items.len() });
    };
    check_hashable(item, place)?;
    write_nested(sink, item, place.inside()?)
}

/// Refuses a map that no Python dict could be: with keys that cannot be hashed, or of which two are one.
fn check_keys(entries: &[(Value, Value)], place: Place) -> Result<(), Error> {
    let mut seen = HashSet::with_capacity(entries.len());
    for (at, (key, _)) in entries.iter().enumerate() {
        check_hashable(key, place)?;
        let fresh = match identity(key, at) {
            Some(identity) => seen.insert(identity),
            None => entries.len() == 1,
        };
        if !fresh {
            return Err(Error::EqualKeys(key.repr()?));
        }
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is hashable")]
fn check_hashable(value: &Value, place: Place) -> Result<(), Error> {
    match value {
        Value::List(_) => Err(Error::Unhashable("a list")),
        Value::Map(_) => Err(Error::Unhashable("a dict")),
        Value::Set(_) => Err(Error::Unhashable("a set")),
        Value::ByteArray(_) => Err(Error::Unhashable("a bytearray")),
        Value::Tuple(items) => {
            let place = place.inside()?;
            items.iter().try_for_each(|item| check_hashable(item, place))
        }
        _ => Ok(()),
    }
}

/// A text that two keys share exactly when Python takes them for equal, as `1`, `1.0` and `True`;
/// none for the kinds that are equal to others in more ways (Decimal, Fraction, enums ..), which must be a map's only key.
/// A NaN equals nothing, not even itself, so where it stands makes it its own.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a new kind of value is on the safe side until it is thought through"
)]
fn identity(key: &Value, at: usize) -> Option<String> {
    match key {
        Value::Float(number) if number.is_nan() => Some(format!("nan {at}")),
        Value::Bool(plain) => Some(u8::from(*plain).to_string()),
        Value::Float(number) if number.fract() == 0.0 => Some(format!("{:.0}", number + 0.0)),
        Value::Int(_)
        | Value::Float(_)
        | Value::None
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_) => key.repr().ok(),
        Value::Tuple(items) => {
            let parts: Option<Vec<_>> = items.iter().map(|item| identity(item, at)).collect();
            parts.map(|parts| format!("({})", parts.join(", ")))
        }
        _ => None,
    }
}
