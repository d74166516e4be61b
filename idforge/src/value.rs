//! What can be forged: values, each with the text that Python gives it.

use uuid::Uuid;

use crate::Error;
use crate::python::{self, Date, DateTime, Decimal, Fraction, Int, Time, TimeDelta};

/// A value that uuid-forge knows, with Python's name for it. `1`, `1.0`, `True` and `"1"` are four values and make four ids.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(Int),
    /// `float`. Every NaN is the same value; `0.0` and `-0.0` are two.
    Float(f64),
    /// `str`.
    Text(String),
    /// `list`.
    List(Vec<Value>),
    /// `tuple`.
    Tuple(Vec<Value>),
    /// `dict`, in the order given: another order is another value.
    Map(Vec<(Value, Value)>),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `bytearray`.
    ByteArray(Vec<u8>),
    /// `uuid.UUID`, which is not the same as its text: see [`UuidText`].
    Uuid(Uuid),
    /// `datetime.date`.
    Date(Date),
    /// `datetime.time`.
    Time(Time),
    /// `datetime.datetime`.
    DateTime(DateTime),
    /// `datetime.timedelta`.
    TimeDelta(TimeDelta),
    /// `decimal.Decimal`.
    Decimal(Decimal),
    /// `fractions.Fraction`.
    Fraction(Fraction),
    /// `complex`: real and imaginary part.
    Complex(f64, f64),
    /// `set` of at most one item: with more, Python has no stable order.
    Set(Vec<Value>),
    /// `frozenset` of at most one item.
    FrozenSet(Vec<Value>),
    /// A member of an `enum.Enum`, `IntEnum` or `StrEnum`.
    Enum {
        /// The class, by its bare name.
        class: String,
        /// The member.
        name: String,
        /// What it stands for.
        value: Box<Value>,
    },
}

impl Value {
    /// How deep values may be nested. Python manages some 990 from a plain script, fewer the deeper it is itself.
    pub const MOST_DEPTH: usize = 500;

    /// Python's `repr` of it, whatever an enum's names.
    ///
    /// # Errors
    /// When Python could not hold the value, or not print it the same way twice.
    pub fn repr(&self) -> Result<String, Error> {
        let mut text = String::new();
        python::write_value(&mut text, self, true)?;
        Ok(text)
    }
}

/// A value that needs no check and no memory of its own: what a service's ids are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scalar<'a> {
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i128),
    /// `float`.
    Float(f64),
    /// `str`.
    Text(&'a str),
    /// `str`: the hyphenated lower-case text of a UUID.
    UuidText(Uuid),
}

/// A UUID to be forged as its hyphenated lower-case text, the form that services exchange.
///
/// There is no conversion from a bare [`Uuid`], because in Python the object and its text make different ids: say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidText(pub Uuid);

/// One argument or attribute of an id being built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Arg<'a> {
    /// A value that needs no check.
    Scalar(Scalar<'a>),
    /// Any value, borrowed.
    Borrowed(&'a Value),
    /// Any value, owned.
    Owned(Box<Value>),
}

impl From<UuidText> for Scalar<'_> {
    fn from(UuidText(uuid): UuidText) -> Self {
        Scalar::UuidText(uuid)
    }
}

impl<'a> From<&'a Value> for Arg<'a> {
    fn from(value: &'a Value) -> Self {
        Arg::Borrowed(value)
    }
}

impl From<Value> for Arg<'_> {
    fn from(value: Value) -> Self {
        Arg::Owned(Box::new(value))
    }
}

impl From<String> for Arg<'_> {
    fn from(text: String) -> Self {
        Value::Text(text).into()
    }
}

impl From<Int> for Arg<'_> {
    fn from(number: Int) -> Self {
        Value::Int(number).into()
    }
}

impl From<u128> for Arg<'_> {
    fn from(number: u128) -> Self {
        Int::from(number).into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<Int> for Value {
    fn from(number: Int) -> Self {
        Value::Int(number)
    }
}

impl From<u128> for Value {
    fn from(number: u128) -> Self {
        Value::Int(number.into())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

/// Gives each plain Rust type its scalar, and through it its argument and its value.
macro_rules! scalars {
    ($($type:ty => $variant:ident($from:expr);)*) => {$(
        impl<'a> From<$type> for Scalar<'a> {
            fn from(plain: $type) -> Self {
                Scalar::$variant($from(plain))
            }
        }

        impl<'a> From<$type> for Arg<'a> {
            fn from(plain: $type) -> Self {
                Arg::Scalar(plain.into())
            }
        }

        impl<'a> From<$type> for Value {
            fn from(plain: $type) -> Self {
                Scalar::from(plain).into()
            }
        }
    )*};
}

scalars! {
    bool => Bool(|plain| plain);
    i8 => Int(i128::from);
    i16 => Int(i128::from);
    i32 => Int(i128::from);
    i64 => Int(i128::from);
    i128 => Int(i128::from);
    u8 => Int(i128::from);
    u16 => Int(i128::from);
    u32 => Int(i128::from);
    u64 => Int(i128::from);
    usize => Int(|plain| plain as i128);
    f64 => Float(|plain| plain);
    &'a str => Text(|plain| plain);
    &'a String => Text(|plain: &'a String| plain.as_str());
}

impl From<UuidText> for Arg<'_> {
    fn from(uuid: UuidText) -> Self {
        Arg::Scalar(uuid.into())
    }
}

impl From<Scalar<'_>> for Value {
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Bool(plain) => Value::Bool(plain),
            Scalar::Int(plain) => Value::Int(plain.into()),
            Scalar::Float(plain) => Value::Float(plain),
            Scalar::Text(plain) => Value::Text(plain.to_owned()),
            Scalar::UuidText(uuid) => Value::Text(uuid.hyphenated().to_string()),
        }
    }
}
