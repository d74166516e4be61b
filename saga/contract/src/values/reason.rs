//! Why something was refused or ended, as a word.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused or ended: a word for programs, which people can read too. The words
/// of the pet store are the constants here; a participant of somebody else's may have its own, and
/// no answer is lost over its wording: what cannot be shown is cut away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The longest, in characters.
    pub const MAX_LENGTH: usize = 200;

    /// The pet is reserved or sold to another order.
    pub const PET_TAKEN: Self = Self::word("pet_taken");
    /// No such pet, or one that was deleted.
    pub const PET_UNKNOWN: Self = Self::word("pet_unknown");
    /// The request came after its own undo.
    pub const CANCELLED: Self = Self::word("cancelled");
    /// The order was never requested here.
    pub const ORDER_UNKNOWN: Self = Self::word("order_unknown");
    /// Fewer units lie in stock than the order wants.
    pub const OUT_OF_STOCK: Self = Self::word("out_of_stock");
    /// No such supply.
    pub const SKU_UNKNOWN: Self = Self::word("sku_unknown");
    /// The prices of one order are in two currencies.
    pub const CURRENCY_MIXED: Self = Self::word("currency_mixed");
    /// A participant never answered.
    pub const PARTICIPANT_TIMEOUT: Self = Self::word("participant_timeout");
    /// What the participants answered does not add up: two currencies, or too much money.
    pub const RESULT_INVALID: Self = Self::word("result_invalid");
    /// Nobody approved the order while its pet was reserved.
    pub const RESERVATION_EXPIRED: Self = Self::word("reservation_expired");
    /// The customer changed their mind.
    pub const CANCELLED_BY_CUSTOMER: Self = Self::word("cancelled_by_customer");
    /// An operator ended it.
    pub const CANCELLED_BY_OPERATOR: Self = Self::word("cancelled_by_operator");
    /// Whoever said no gave no reason.
    pub const UNSPECIFIED: Self = Self::word("unspecified");

    const fn word(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Reason {
    /// Control characters become spaces, and what is longer than [`Reason::MAX_LENGTH`] is cut.
    fn from(text: String) -> Self {
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(Self::MAX_LENGTH);
        match shown.collect::<String>().trim() {
            "" => Self::UNSPECIFIED,
            word => Self(Cow::Owned(word.to_owned())),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_was_read_equals_the_constant() {
        let read: Reason = serde_json::from_str("\"pet_taken\"").unwrap();
        assert_eq!(read, Reason::PET_TAKEN);
        assert_eq!(serde_json::to_string(&Reason::PET_TAKEN).unwrap(), "\"pet_taken\"");
    }

    #[test]
    fn somebody_elses_reason_is_taken_and_made_fit_to_be_shown() {
        for (text, word) in [
            ("credit_exceeded", "credit_exceeded".to_owned()),
            (" two\nlines\t", "two lines".to_owned()),
            ("", "unspecified".to_owned()),
            (" \u{0} ", "unspecified".to_owned()),
            (&"x".repeat(201), "x".repeat(200)),
        ] {
            let read: Reason = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read.as_str(), word, "{text:?}");
        }
    }
}
