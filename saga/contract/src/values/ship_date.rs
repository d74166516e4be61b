//! When a customer wants an order to be sent.

use saga_core::{Time, storable};
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// When a customer wants an order to be sent: UTC, to the microsecond, so that what was stored
/// and what was sent are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct ShipDate(Time);

impl ShipDate {
    /// The same instant in UTC, cut to the microsecond.
    ///
    /// # Errors
    /// [`InvalidValue::ShipDate`] when that does not lie in the years 1 to 9999.
    pub fn new(time: Time) -> Result<Self, InvalidValue> {
        storable(time).map(Self).ok_or(InvalidValue::ShipDate)
    }

    /// The instant.
    #[must_use]
    pub fn time(self) -> Time {
        self.0
    }
}

impl TryFrom<Time> for ShipDate {
    type Error = InvalidValue;

    fn try_from(time: Time) -> Result<Self, InvalidValue> {
        Self::new(time)
    }
}

/// The instant as RFC 3339 text, before the law was checked.
#[derive(Serialize, Deserialize)]
struct Wire(#[serde(with = "time::serde::rfc3339")] Time);

impl TryFrom<Wire> for ShipDate {
    type Error = InvalidValue;

    fn try_from(wire: Wire) -> Result<Self, InvalidValue> {
        Self::new(wire.0)
    }
}

impl From<ShipDate> for Wire {
    fn from(date: ShipDate) -> Self {
        Self(date.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_utc_to_the_microsecond() {
        for (text, written) in [
            ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
            ("2026-11-20T12:00:00+02:00", "2026-11-20T10:00:00Z"),
            ("2026-11-20T12:00:00.123456789Z", "2026-11-20T12:00:00.123456Z"),
        ] {
            let date: ShipDate = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(date).unwrap(), written, "{text}");
        }
    }

    #[test]
    fn a_date_that_utc_cannot_hold_is_refused_and_does_not_panic() {
        for wrong in ["9999-12-31T23:59:59-01:00", "0000-06-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "tomorrow", ""]
        {
            assert!(serde_json::from_value::<ShipDate>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
