//! Python's `repr` of every value that can be forged, byte for byte.

mod decimal;
mod float;
mod fraction;
mod integer;
mod moment;
mod printable;
mod repr;
mod text;

pub use decimal::Decimal;
pub use fraction::Fraction;
pub use integer::Int;
pub use moment::{Date, DateTime, Offset, Time, TimeDelta};
pub use printable::{PYTHON_VERSION, UNICODE_VERSION};

pub(crate) use printable::is_printable;
pub(crate) use repr::{write_scalar, write_value};

use std::fmt::{self, Write};

/// Where text goes: a hash, or a string to look at. Writing cannot fail.
pub(crate) trait Sink {
    fn push(&mut self, text: &str);

    fn push_fmt(&mut self, arguments: fmt::Arguments<'_>)
    where
        Self: Sized,
    {
        struct Pieces<'a, S>(&'a mut S);
        impl<S: Sink> Write for Pieces<'_, S> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.push(text);
                Ok(())
            }
        }
        // Only a Display that fails of itself could make this an error, and none of ours does.
        let written = Pieces(self).write_fmt(arguments);
        debug_assert!(written.is_ok(), "a Display implementation failed");
    }
}

impl Sink for String {
    fn push(&mut self, text: &str) {
        self.push_str(text);
    }
}
