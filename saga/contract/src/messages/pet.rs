//! The commands that pet-service takes, and its events.

use saga_core::Outcome;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payloads;
use crate::values::{Category, Items, Money, OrderNumber, PetNumber, PetStatus, Quantity, Reason, ShipDate};

payloads! {
    ReservePet = "RESERVE_PET" v 1;
    ReleasePet = "RELEASE_PET" v 1;
    PetCreated = "PET_CREATED" v 1;
    PetUpdated = "PET_UPDATED" v 1;
    PetDeleted = "PET_DELETED" v 1;
    PetReserved = "PET_RESERVED" v 1;
    PetReservationRefused = "PET_RESERVATION_REFUSED" v 1;
    PetReleased = "PET_RELEASED" v 1;
    PetSold = "PET_SOLD" v 1;
}

/// Reserve a pet for an order. It carries the whole order, which PET_RESERVED hands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservePet {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
    /// The customer.
    pub user_id: Uuid,
    /// How many: a pet is one of a kind, so 1.
    pub quantity: Quantity,
    /// The supplies that the order has besides.
    #[serde(default)]
    pub items: Items,
    /// When the customer wants it sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_date: Option<ShipDate>,
}

/// Give a reserved pet back. It can overtake RESERVE_PET, which is then refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasePet {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The order that held it.
    pub order: Uuid,
    /// How the order ends: `rejected` or `cancelled`.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
}

/// A pet came into the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetCreated {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// Its name.
    pub name: String,
    /// Where it stands after this.
    pub status: PetStatus,
    /// Its category, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What it costs.
    pub price: Money,
}

/// A pet's entry was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetUpdated {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// Its name.
    pub name: String,
    /// Where it stands after this.
    pub status: PetStatus,
    /// Its category, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What it costs.
    pub price: Money,
}

/// A pet left the store without being sold. Its id is never free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetDeleted {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// Its name.
    pub name: String,
    /// Where it stood when it left; it counts no longer.
    pub status: PetStatus,
    /// Its category, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What it cost.
    pub price: Money,
}

/// A pet is reserved for an order. It carries all that creating the order and reserving stock
/// need, as both start from this event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetReserved {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// Its name.
    pub name: String,
    /// Where it stands after this: `pending`.
    pub status: PetStatus,
    /// What it costs.
    pub price: Money,
    /// The order that holds it.
    pub order: Uuid,
    /// The order's public number.
    pub order_id: OrderNumber,
    /// The customer.
    pub user_id: Uuid,
    /// How many: 1.
    pub quantity: Quantity,
    /// The supplies that the order has besides.
    #[serde(default)]
    pub items: Items,
    /// When the customer wants it sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_date: Option<ShipDate>,
}

/// A pet cannot be reserved for an order. Nothing changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetReservationRefused {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The order that wanted it.
    pub order: Uuid,
    /// Why not: `pet_taken`, `pet_unknown`, `cancelled`, or a word of the participant's own.
    pub reason: Reason,
}

/// A pet is not, or no longer, reserved for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetReleased {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The order that held it.
    pub order: Uuid,
    /// Where it stands after this; absent when nothing changed, as it was never reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PetStatus>,
}

/// A pet is sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PetSold {
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The order that bought it.
    pub order: Uuid,
    /// Where it stands after this: `sold`.
    pub status: PetStatus,
}
