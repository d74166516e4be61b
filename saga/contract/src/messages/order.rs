//! The commands that order-service takes, and its events.

use saga_core::Outcome;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payloads;
use crate::values::{Items, Money, OrderNumber, PetNumber, Quantity, Reason, ShipDate};

payloads! {
    CloseOrder = "CLOSE_ORDER" v 1;
    ApproveOrder = "APPROVE_ORDER" v 1;
    OrderRequested = "ORDER_REQUESTED" v 1;
    OrderCreated = "ORDER_CREATED" v 1;
    OrderRefused = "ORDER_REFUSED" v 1;
    OrderRejected = "ORDER_REJECTED" v 1;
    OrderCancelled = "ORDER_CANCELLED" v 1;
    OrderApprovalGranted = "ORDER_APPROVAL_GRANTED" v 1;
    OrderCancellationRequested = "ORDER_CANCELLATION_REQUESTED" v 1;
    OrderApproved = "ORDER_APPROVED" v 1;
    OrderDelivered = "ORDER_DELIVERED" v 1;
}

/// Close an order that was created, as its saga is being undone. Answered by ORDER_REJECTED or
/// ORDER_CANCELLED; closing what was never created is success too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseOrder {
    /// The order.
    pub order: Uuid,
    /// How it ends: `rejected` or `cancelled`.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
}

/// Approve an order: the point of no return is behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApproveOrder {
    /// The order.
    pub order: Uuid,
    /// What it costs, the pet and the supplies together.
    pub total: Money,
}

/// A customer wants a pet. This starts the saga. Its `subject` is the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRequested {
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
    /// The customer.
    pub user_id: Uuid,
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// How many: a pet is one of a kind, so 1.
    pub quantity: Quantity,
    /// The supplies that the customer wants besides; all of them or nothing is sold.
    #[serde(default)]
    pub items: Items,
    /// When the customer wants it sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_date: Option<ShipDate>,
}

/// An order exists, for a pet that is reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The customer.
    pub user_id: Uuid,
}

/// An order cannot be created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRefused {
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
    /// Why not: `order_unknown`, `cancelled`, or a word of the participant's own.
    pub reason: Reason,
}

/// An order was closed because the system said no.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRejected {
    /// The order.
    pub order: Uuid,
    /// Why.
    pub reason: Reason,
}

/// An order was closed because a person or an expiry ended it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order.
    pub order: Uuid,
    /// Why.
    pub reason: Reason,
}

/// The store owner approves of an order. One that comes before its saga is prepared is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderApprovalGranted {
    /// The order.
    pub order: Uuid,
    /// Who says so: the name of an operator's token, never an e-mail address.
    pub by: String,
}

/// Somebody wants an order undone. It is refused once the order is approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancellationRequested {
    /// The order.
    pub order: Uuid,
    /// Who says so: `customer`, or the name of an operator's token, never an e-mail address.
    pub by: String,
    /// Why.
    pub reason: Reason,
}

/// An order is approved: the pet is to be sold and the supplies are to be handed out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderApproved {
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
    /// The pet.
    pub pet: Uuid,
    /// Its public number.
    pub pet_id: PetNumber,
    /// The customer.
    pub user_id: Uuid,
    /// The supplies that the order has besides.
    #[serde(default)]
    pub items: Items,
    /// What it costs, the pet and the supplies together.
    pub total: Money,
}

/// An order was handed to its customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDelivered {
    /// The order.
    pub order: Uuid,
    /// Its public number.
    pub order_id: OrderNumber,
}

/// What the saga's own events tell of an order: the `result` of SAGA_PREPARED and SAGA_COMPLETED.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderResult {
    /// What the order costs, the pet and the supplies together.
    pub total: Money,
}
