//! The engine's own events: what a saga says of itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::instance::Outcome;
use crate::message::Payload;

/// Every compensatable step is done and the pivot is ahead.
pub const SAGA_PREPARED: &str = "SAGA_PREPARED";
/// All steps are done.
pub const SAGA_COMPLETED: &str = "SAGA_COMPLETED";
/// The system said no, and all is undone.
pub const SAGA_REJECTED: &str = "SAGA_REJECTED";
/// A person or an expiry ended it, and all is undone.
pub const SAGA_CANCELLED: &str = "SAGA_CANCELLED";
/// A live saga that a person should look at; it goes on trying.
pub const SAGA_NEEDS_INTERVENTION: &str = "SAGA_NEEDS_INTERVENTION";

/// Why and how a saga that will not complete ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Rejected or cancelled.
    pub outcome: Outcome,
    /// The reason, a word: `out_of_stock`.
    pub reason: String,
}

/// Data of [`SAGA_PREPARED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaPrepared {
    /// The saga's definition.
    pub definition: String,
    /// What the definition tells of the outcome.
    #[serde(default)]
    pub result: Value,
}

/// Data of [`SAGA_COMPLETED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaCompleted {
    /// The saga's definition.
    pub definition: String,
    /// What the definition tells of the outcome.
    #[serde(default)]
    pub result: Value,
}

/// Data of [`SAGA_REJECTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaRejected {
    /// The saga's definition.
    pub definition: String,
    /// The reason, a word: `out_of_stock`.
    pub reason: String,
}

/// Data of [`SAGA_CANCELLED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaCancelled {
    /// The saga's definition.
    pub definition: String,
    /// The reason, a word: `reservation_expired`.
    pub reason: String,
}

/// Data of [`SAGA_NEEDS_INTERVENTION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsIntervention {
    /// The saga's definition.
    pub definition: String,
    /// The step that does not answer.
    pub step: String,
    /// What was asked of it: `do` or `undo`.
    pub direction: String,
}

macro_rules! payload {
    ($type:ty, $name:expr) => {
        impl Payload for $type {
            const TYPE: &'static str = $name;
            const VERSION: u16 = 1;
        }
    };
}

payload!(SagaPrepared, SAGA_PREPARED);
payload!(SagaCompleted, SAGA_COMPLETED);
payload!(SagaRejected, SAGA_REJECTED);
payload!(SagaCancelled, SAGA_CANCELLED);
payload!(NeedsIntervention, SAGA_NEEDS_INTERVENTION);
