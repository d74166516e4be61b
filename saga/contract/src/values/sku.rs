//! The name of a supply.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// The name of a supply in its one spelling: trimmed, upper case, 1 to 64 characters. Another
/// spelling that is read becomes this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sku(String);

impl Sku {
    /// The longest, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let canonical = |text: &str| idforge::canonical::sku(text).map_err(|_| InvalidValue::Sku);
        let name = canonical(text)?;
        // A few letters have an upper case that is itself refused: such a name could not be read again.
        let is_stable = canonical(&name)? == name;
        if is_stable && name.chars().count() <= Self::MAX_LENGTH { Ok(Self(name)) } else { Err(InvalidValue::Sku) }
    }
}

impl TryFrom<String> for Sku {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_has_one_spelling() {
        for text in ["FOOD-CAT-2KG", " food-cat-2kg\n", "Food-Cat-2kg"] {
            assert_eq!(text.parse::<Sku>().unwrap().as_str(), "FOOD-CAT-2KG", "{text:?}");
        }
        assert_eq!(serde_json::from_str::<Sku>("\"toy-ball\"").unwrap().to_string(), "TOY-BALL");
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!("x".repeat(64).parse::<Sku>().unwrap().as_str().len(), 64);
        for wrong in [
            String::new(),
            "  ".to_owned(),
            "x".repeat(65),
            "TOY\u{0}BALL".to_owned(),
            "A\nB".to_owned(),
            "A\u{200b}B".to_owned(),
        ] {
            assert!(wrong.parse::<Sku>().is_err(), "{wrong:?}");
        }
        assert!("ß".repeat(33).parse::<Sku>().is_err(), "longer in upper case");
    }

    #[test]
    fn a_letter_whose_capital_is_younger_than_the_pinned_unicode_stays_as_it_is() {
        assert_eq!("\u{19b}".parse::<Sku>().unwrap().as_str(), "\u{19b}");
    }
}
