//! What messages tell of a pet.

use serde::{Deserialize, Serialize};

/// Where a pet stands in the store, in the Petstore's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PetStatus {
    /// Anybody may order it.
    Available,
    /// Reserved by an order.
    Pending,
    /// Sold.
    Sold,
}

/// The kind of pet, as its owner filed it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Category {
    /// Its number, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its name, if it has one: `Cats`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl PetStatus {
    /// All of them, in the order of a pet's life.
    pub const ALL: [Self; 3] = [Self::Available, Self::Pending, Self::Sold];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Pending => "pending",
            Self::Sold => "sold",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_it_is_named() {
        for status in PetStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!(serde_json::from_str::<PetStatus>("\"reserved\"").is_err());
    }
}
