//! The small types of which messages are made. Each holds a law, in every way that it can be
//! made, reading from JSON included: a value that exists is a valid one.

mod items;
mod money;
mod numbers;
mod pet;
mod reason;
mod ship_date;
mod sku;

pub use items::{Item, Items, Line, PricedItem};
pub use money::{Currency, Money, MoneyError};
pub use numbers::{OnHand, OrderNumber, PetNumber, Quantity};
pub use pet::{Category, PetStatus};
pub use reason::Reason;
pub use ship_date::ShipDate;
pub use sku::Sku;

/// A value against the law of its type. The text can be shown to whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// A number below or above what its type allows.
    #[error("{what} must be between {min} and {max}, {found} is not")]
    OutOfRange {
        /// What it is: `a quantity`.
        what: &'static str,
        /// The smallest that is allowed.
        min: i64,
        /// The largest that is allowed.
        max: i64,
        /// What was found.
        found: i64,
    },
    /// A text that is no number at all.
    #[error("{what} must be a whole number")]
    NotANumber {
        /// What it is.
        what: &'static str,
    },
    /// A text that is no name of a supply.
    #[error("a SKU must have 1 to {max} characters, none of them invisible", max = Sku::MAX_LENGTH)]
    Sku,
    /// A currency that is not three upper-case letters.
    #[error("a currency must be an ISO 4217 code of three upper-case letters, as EUR")]
    Currency,
    /// More lines than one order may have.
    #[error("at most {max} items are allowed, these are {found}")]
    TooManyItems {
        /// How many are allowed.
        max: usize,
        /// How many were found.
        found: usize,
    },
    /// Two lines of the same supply.
    #[error("the item {0} is listed twice")]
    ItemTwice(Sku),
    /// A date that cannot be written in UTC.
    #[error("a ship date must lie in the years 1 to 9999, UTC")]
    ShipDate,
}
