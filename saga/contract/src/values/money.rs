//! Prices and totals, in whole minor units and never in fractions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::numbers::MAX_EXACT;
use super::{InvalidValue, Quantity};

/// An amount that one pays: never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub struct Money {
    amount: i64,
    currency: Currency,
}

/// An ISO 4217 code: three upper-case letters. Whether anybody mints it is not checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A sum that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of two currencies do not add up.
    #[error("{0} and {1} cannot be added")]
    CurrencyMixed(Currency, Currency),
    /// The amount would be above [`Money::MAX_AMOUNT`].
    #[error("the amount is above {max} minor units", max = Money::MAX_AMOUNT)]
    TooMuch,
}

impl Money {
    /// The largest amount, in minor units: 2^53 - 1, which every JSON reader holds exactly.
    pub const MAX_AMOUNT: i64 = MAX_EXACT;

    /// `amount` minor units (cents) of a currency, from 0 to [`Money::MAX_AMOUNT`].
    ///
    /// # Errors
    /// [`InvalidValue::OutOfRange`] otherwise.
    pub const fn new(amount: i64, currency: Currency) -> Result<Self, InvalidValue> {
        if amount < 0 || amount > Self::MAX_AMOUNT {
            let (what, min, max) = ("an amount of money", 0, Self::MAX_AMOUNT);
            return Err(InvalidValue::OutOfRange { what, min, max, found: amount });
        }
        Ok(Self { amount, currency })
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn amount(self) -> i64 {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError`]: two currencies, or too large a sum.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMixed(self.currency, other.currency));
        }
        self.with_amount(self.amount.checked_add(other.amount))
    }

    /// What so many units cost when this is the price of one.
    ///
    /// # Errors
    /// [`MoneyError::TooMuch`].
    pub fn times(self, quantity: Quantity) -> Result<Self, MoneyError> {
        self.with_amount(self.amount.checked_mul(quantity.get()))
    }

    fn with_amount(self, amount: Option<i64>) -> Result<Self, MoneyError> {
        let amount = amount.ok_or(MoneyError::TooMuch)?;
        Self::new(amount, self.currency).map_err(|_| MoneyError::TooMuch)
    }
}

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Three ASCII letters by law.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidValue::Currency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(InvalidValue::Currency) }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// [`Money`] before its law was checked.
#[derive(Deserialize)]
struct Wire {
    amount: i64,
    currency: Currency,
}

impl TryFrom<Wire> for Money {
    type Error = InvalidValue;

    fn try_from(wire: Wire) -> Result<Self, InvalidValue> {
        Self::new(wire.amount, wire.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(amount: i64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    #[test]
    fn money_adds_up_in_one_currency() {
        assert_eq!(eur(1250).plus(eur(50)), Ok(eur(1300)));
        assert_eq!(eur(1250).times(Quantity::new(3).unwrap()), Ok(eur(3750)));
    }

    #[test]
    fn two_currencies_do_not_add_up() {
        let usd: Currency = "USD".parse().unwrap();
        let mixed = eur(1).plus(Money::new(1, usd).unwrap());
        assert_eq!(mixed, Err(MoneyError::CurrencyMixed(Currency::EUR, usd)));
        assert_eq!(mixed.unwrap_err().to_string(), "EUR and USD cannot be added");
    }

    #[test]
    fn a_sum_never_overflows() {
        let most = eur(Money::MAX_AMOUNT);
        assert_eq!(most.plus(eur(1)), Err(MoneyError::TooMuch));
        assert_eq!(most.times(Quantity::new(2).unwrap()), Err(MoneyError::TooMuch));
        assert_eq!(most.times(Quantity::MAX), Err(MoneyError::TooMuch), "beyond 64 bits");
        assert_eq!(most.times(Quantity::ONE), Ok(most));
    }

    #[test]
    fn nonsense_is_refused_when_read() {
        for (json, ok) in [
            (r#"{"amount": 0, "currency": "EUR"}"#, true),
            (r#"{"amount": 5, "currency": "EUR", "exponent": 2}"#, true),
            (r#"{"amount": -1, "currency": "EUR"}"#, false),
            (r#"{"amount": 9007199254740992, "currency": "EUR"}"#, false),
            (r#"{"amount": 1.5, "currency": "EUR"}"#, false),
            (r#"{"amount": 1, "currency": "eur"}"#, false),
            (r#"{"amount": 1, "currency": "EURO"}"#, false),
            (r#"{"amount": 1, "currency": "€"}"#, false),
            (r#"{"amount": 1}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<Money>(json).is_ok(), ok, "{json}");
        }
    }
}
