//! Whole numbers with bounds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// The largest whole number that every JSON reader holds exactly: 2^53 - 1.
pub(super) const MAX_EXACT: i64 = (1 << 53) - 1;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $what:literal, $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The smallest.
            pub const MIN: Self = Self($min);
            /// The largest.
            pub const MAX: Self = Self($max);

            /// The number, when it lies between [`Self::MIN`] and [`Self::MAX`].
            ///
            /// # Errors
            /// [`InvalidValue::OutOfRange`] otherwise.
            pub const fn new(number: i64) -> Result<Self, InvalidValue> {
                if number < $min || number > $max {
                    return Err(InvalidValue::OutOfRange { what: $what, min: $min, max: $max, found: number });
                }
                Ok(Self(number))
            }

            /// The number itself.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidValue;

            fn try_from(number: i64) -> Result<Self, InvalidValue> {
                Self::new(number)
            }
        }

        impl From<$name> for i64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::new(text.parse().map_err(|_| InvalidValue::NotANumber { what: $what })?)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

bounded! {
    /// The public number of a pet, as in `/pet/{petId}`: 1 to 2^53 - 1.
    PetNumber, "a pet's id", 1, MAX_EXACT
}

bounded! {
    /// The public number of an order, as in `/store/order/{orderId}`: 1 to 2^53 - 1.
    OrderNumber, "an order's id", 1, MAX_EXACT
}

bounded! {
    /// How many units somebody wants: 1 to 1,000,000.
    Quantity, "a quantity", 1, 1_000_000
}

bounded! {
    /// How many units lie in stock: 0 to 1,000,000,000.
    OnHand, "a stock", 0, 1_000_000_000
}

impl Quantity {
    /// One unit.
    pub const ONE: Self = Self(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_within_its_bounds_or_is_refused() {
        assert_eq!(PetNumber::new(9_007_199_254_740_991).unwrap(), PetNumber::MAX);
        for wrong in [i64::MIN, -1, 0, 9_007_199_254_740_992, i64::MAX] {
            assert!(PetNumber::new(wrong).is_err(), "{wrong}");
            assert!(OrderNumber::new(wrong).is_err(), "{wrong}");
            assert!(Quantity::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Quantity::new(1_000_000).unwrap(), Quantity::MAX);
        assert!(Quantity::new(1_000_001).is_err());
        assert_eq!(OnHand::new(0).unwrap(), OnHand::MIN);
        assert!(OnHand::new(-1).is_err());
        assert!(OnHand::new(1_000_000_001).is_err());
    }

    #[test]
    fn a_number_is_read_from_json_and_from_text_by_the_same_law() {
        for (json, ok) in [("1", true), ("0", false), ("1.5", false), ("\"1\"", false), ("1e400", false), ("-3", false)]
        {
            assert_eq!(serde_json::from_str::<Quantity>(json).is_ok(), ok, "{json}");
        }
        for (text, ok) in [("17", true), ("0", false), ("", false), ("1 ", false), ("99999999999999999999", false)] {
            assert_eq!(text.parse::<PetNumber>().is_ok(), ok, "{text:?}");
        }
        assert_eq!(serde_json::to_string(&OrderNumber::new(1001).unwrap()).unwrap(), "1001");
        assert_eq!(OrderNumber::new(1001).unwrap().to_string(), "1001");
    }

    #[test]
    fn the_error_says_what_where_and_which_bounds() {
        let error = Quantity::new(0).unwrap_err().to_string();
        assert_eq!(error, "a quantity must be between 1 and 1000000, 0 is not");
    }
}
