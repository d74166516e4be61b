//! The `$py` tags: Python's types that JSON has no way to write.

use uuid::Uuid;

use crate::python::{Date, DateTime, Decimal, Fraction, Int, Offset, Time, TimeDelta};
use crate::{Error, Value};

/// The member that makes an object a tag.
pub(super) const MEMBER: &str = "$py";

/// The value that a tagged object stands for. Its members are values already, tags inside included.
pub(super) fn resolve(members: Vec<(String, Value)>) -> Result<Value, Error> {
    let mut tagged = Tagged { members };
    let tag = match tagged.take(MEMBER) {
        Some(Value::Text(tag)) => tag,
        _ => return Err(Error::Tag { tag: MEMBER.to_owned(), wants: "the name of a Python type" }),
    };
    let value = if tag == "enum" { tagged.enumeration() } else { tagged.plain(&tag) };
    match value? {
        Some(value) if tagged.members.is_empty() => Ok(value),
        _ => Err(Error::Tag { wants: wanted(&tag), tag }),
    }
}

fn wanted(tag: &str) -> &'static str {
    match tag {
        "int" | "Decimal" | "UUID" => "a text as \"value\" and nothing else",
        "float" => "\"nan\", \"inf\" or \"-inf\" as \"value\"",
        "tuple" | "list" | "set" | "frozenset" => "an array as \"value\"",
        "dict" => "an array of [key, value] pairs as \"value\"",
        "bytes" | "bytearray" => "hexadecimal digits, two for each byte, as \"value\"",
        "date" => "[year, month, day] as \"value\"",
        "time" => "[hour, minute, second, microsecond] as \"value\", and \"tz\" and \"fold\"",
        "datetime" => "[year, month, day, hour, minute, second, microsecond] as \"value\", and \"tz\" and \"fold\"",
        "timedelta" => "[days, seconds, microseconds] as \"value\"",
        "Fraction" => "[numerator, denominator] in lowest terms as \"value\"",
        "complex" => "[real, imaginary] as \"value\"",
        "enum" => "\"kind\" (Enum, IntEnum or StrEnum), \"class\", \"name\" and \"value\"",
        _ => "a Python type that idforge knows (see docs/ids.md)",
    }
}

/// A tagged object's members, taken out as they are understood: one that is left was not.
struct Tagged {
    members: Vec<(String, Value)>,
}

impl Tagged {
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(key, _)| key == name)?;
        Some(self.members.swap_remove(at).1)
    }

    /// The value of a tag whose content is `value`; none when the content does not fit the tag.
    fn plain(&mut self, tag: &str) -> Result<Option<Value>, Error> {
        let Some(value) = self.take("value") else { return Ok(None) };
        Ok(match (tag, value) {
            ("int", Value::Text(text)) => Some(Value::Int(Int::parse(&text)?)),
            ("float", Value::Text(text)) => special_float(&text).map(Value::Float),
            ("float", Value::Float(number)) => Some(Value::Float(number)),
            ("list", Value::List(items)) => Some(Value::List(items)),
            ("tuple", Value::List(items)) => Some(Value::Tuple(items)),
            ("set", Value::List(items)) => Some(Value::Set(items)),
            ("frozenset", Value::List(items)) => Some(Value::FrozenSet(items)),
            ("dict", Value::List(items)) => items.into_iter().map(pair).collect::<Option<_>>().map(Value::Map),
            ("bytes", Value::Text(hex)) => bytes(&hex).map(Value::Bytes),
            ("bytearray", Value::Text(hex)) => bytes(&hex).map(Value::ByteArray),
            ("Decimal", Value::Text(text)) => Some(Value::Decimal(Decimal::parse(&text)?)),
            ("UUID", Value::Text(text)) => Uuid::try_parse(&text).ok().map(Value::Uuid),
            ("Fraction", Value::List(items)) => fraction(items)?,
            ("complex", Value::List(items)) => complex(&items),
            ("date", value) => numbers(&value).map(|[y, m, d]| date(y, m, d)).transpose()?.map(Value::Date),
            ("timedelta", value) => numbers(&value).map(timedelta).transpose()?.map(Value::TimeDelta),
            ("time", value) => match numbers(&value) {
                Some([h, m, s, us]) => self.clock(time(h, m, s, us)?)?.map(Value::Time),
                None => None,
            },
            ("datetime", value) => match numbers(&value) {
                Some([y, mo, d, h, m, s, us]) => {
                    let date = date(y, mo, d)?;
                    self.clock(time(h, m, s, us)?)?.map(|time| Value::DateTime(DateTime { date, time }))
                }
                None => None,
            },
            _ => None,
        })
    }

    /// A time with the `tz` and `fold` beside it.
    fn clock(&mut self, mut time: Time) -> Result<Option<Time>, Error> {
        match self.take("tz") {
            None | Some(Value::None) => {}
            Some(Value::Text(zone)) if zone == "utc" => time = time.at(Offset::UTC),
            Some(distance) => match numbers(&distance) {
                Some(distance) => time = time.at(Offset::new(timedelta(distance)?)?),
                None => return Ok(None),
            },
        }
        match self.take("fold").as_ref().map(number) {
            None | Some(Some(0)) => Ok(Some(time)),
            Some(Some(1)) => Ok(Some(time.folded())),
            Some(_) => Ok(None),
        }
    }

    fn enumeration(&mut self) -> Result<Option<Value>, Error> {
        let kind = self.take("kind");
        let known = matches!(&kind, Some(Value::Text(kind)) if ["Enum", "IntEnum", "StrEnum"].contains(&kind.as_str()));
        Ok(match (known, self.take("class"), self.take("name"), self.take("value")) {
            (true, Some(Value::Text(class)), Some(Value::Text(name)), Some(value)) => {
                Some(Value::Enum { class, name, value: Box::new(value) })
            }
            _ => None,
        })
    }
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let Value::List(items) = value else { return None };
    <[Value; 2]>::try_from(items).ok().map(|[key, value]| (key, value))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok()));
    let nibbles: Vec<u8> = digits.collect::<Option<_>>()?;
    nibbles.len().is_multiple_of(2).then(|| nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn fraction(items: Vec<Value>) -> Result<Option<Value>, Error> {
    let Ok([Value::Int(over), Value::Int(under)]) = <[Value; 2]>::try_from(items) else { return Ok(None) };
    let impossible = || Error::Tag { tag: "Fraction".to_owned(), wants: "numbers that fit 128 bits" };
    let (over, under) = over.to_i128().zip(under.to_i128()).ok_or_else(impossible)?;
    Ok(Some(Value::Fraction(Fraction::new(over, under)?)))
}

fn complex(items: &[Value]) -> Option<Value> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::wildcard_enum_match_arm,
        reason = "Python converts an int the same way; nothing else is a part"
    )]
    let part = |value: &Value| match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => number.to_i128().map(|number| number as f64),
        _ => None,
    };
    let [real, imaginary] = items else { return None };
    Some(Value::Complex(part(real)?, part(imaginary)?))
}

fn number(value: &Value) -> Option<i64> {
    let Value::Int(number) = value else { return None };
    number.to_i128().and_then(|number| i64::try_from(number).ok())
}

fn numbers<const N: usize>(value: &Value) -> Option<[i64; N]> {
    let Value::List(items) = value else { return None };
    let numbers: Vec<i64> = items.iter().map(number).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Numbers out of their type's range become its largest, which the constructors refuse.
fn date(year: i64, month: i64, day: i64) -> Result<Date, Error> {
    Date::new(u16::try_from(year).unwrap_or(u16::MAX), small(month), small(day))
}

fn time(hour: i64, minute: i64, second: i64, microsecond: i64) -> Result<Time, Error> {
    Time::new(small(hour), small(minute), small(second), u32::try_from(microsecond).unwrap_or(u32::MAX))
}

fn timedelta([days, seconds, microseconds]: [i64; 3]) -> Result<TimeDelta, Error> {
    let unsigned = |number| u32::try_from(number).unwrap_or(u32::MAX);
    TimeDelta::new(i32::try_from(days).unwrap_or(i32::MAX), unsigned(seconds), unsigned(microseconds))
}

fn small(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
