//! The command that inventory-service takes, and its events.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payloads;
use crate::values::{Items, Money, OnHand, PricedItem, Reason, Sku};

payloads! {
    ReleaseInventory = "RELEASE_INVENTORY" v 1;
    InventoryReserved = "INVENTORY_RESERVED" v 1;
    InventoryRefused = "INVENTORY_REFUSED" v 1;
    InventoryReleased = "INVENTORY_RELEASED" v 1;
    InventoryCommitted = "INVENTORY_COMMITTED" v 1;
    StockSet = "STOCK_SET" v 1;
}

/// Put the supplies of an order back. It can overtake the request to reserve them, which is then
/// refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseInventory {
    /// The order.
    pub order: Uuid,
}

/// All supplies of an order are set aside for it, at these prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryReserved {
    /// The order.
    pub order: Uuid,
    /// What is set aside, each with the price of one unit.
    pub items: Items<PricedItem>,
    /// What all supplies cost together, without the pet.
    pub total: Money,
}

/// The supplies of an order cannot be reserved. Nothing is set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryRefused {
    /// The order.
    pub order: Uuid,
    /// Why not: `out_of_stock`, `sku_unknown`, `currency_mixed`, `cancelled`, or a word of the
    /// participant's own.
    pub reason: Reason,
    /// The supply that is the cause, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
}

/// Nothing is set aside for an order any longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryReleased {
    /// The order.
    pub order: Uuid,
    /// What was put back; empty when nothing was set aside.
    #[serde(default)]
    pub items: Items,
}

/// The supplies of an order left the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryCommitted {
    /// The order.
    pub order: Uuid,
    /// What left.
    pub items: Items,
}

/// The stock of a supply was counted, and its price set. Its `subject` is the SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockSet {
    /// The supply.
    pub sku: Sku,
    /// How many units are on hand after this, those that are set aside included.
    pub quantity: OnHand,
    /// The price of one unit.
    pub price: Money,
}
