//! The order saga: one table.

use saga_contract::messages::{
    ApproveOrder, CloseOrder, InventoryReserved, OrderRequested, OrderResult, PetReserved, ReleaseInventory,
    ReleasePet, ReservePet,
};
use saga_contract::{Money, Reason, order_saga_id, queues, steps};
use saga_core::Kind::{Compensatable, Pivot, Retriable};
use saga_core::{Body, Definition, DefinitionError, Facts, FactsError, Ids, Outcome, Start, Step, Undo};
use serde_json::Value;

/// The steps, in order. What starts a step, what answers it, how it is undone.
#[rustfmt::skip]
const STEPS: &[Step] = &[
    Step { name: steps::RESERVE_PET, kind: Compensatable, condition: None,
           start: Start::Command { kind: "RESERVE_PET", queue: queues::PET_COMMANDS, data: reserve_pet },
           done: "PET_RESERVED", refused: Some("PET_RESERVATION_REFUSED"),
           undo: Some(Undo { kind: "RELEASE_PET", queue: queues::PET_COMMANDS, data: release_pet, undone: &["PET_RELEASED"] }) },
    Step { name: steps::CREATE_ORDER, kind: Compensatable, condition: None,
           start: Start::Event { of: steps::RESERVE_PET, queue: queues::ORDER_PET_EVENTS },
           done: "ORDER_CREATED", refused: Some("ORDER_REFUSED"),
           undo: Some(Undo { kind: "CLOSE_ORDER", queue: queues::ORDER_COMMANDS, data: close_order, undone: &["ORDER_REJECTED", "ORDER_CANCELLED"] }) },
    Step { name: steps::RESERVE_INVENTORY, kind: Compensatable, condition: Some(has_items),
           start: Start::Event { of: steps::RESERVE_PET, queue: queues::INVENTORY_PET_EVENTS },
           done: "INVENTORY_RESERVED", refused: Some("INVENTORY_REFUSED"),
           undo: Some(Undo { kind: "RELEASE_INVENTORY", queue: queues::INVENTORY_COMMANDS, data: release_inventory, undone: &["INVENTORY_RELEASED"] }) },
    Step { name: steps::APPROVAL, kind: Pivot, condition: None,
           start: Start::Wait,
           done: "ORDER_APPROVAL_GRANTED", refused: Some("ORDER_CANCELLATION_REQUESTED"), undo: None },
    Step { name: steps::APPROVE_ORDER, kind: Retriable, condition: None,
           start: Start::Command { kind: "APPROVE_ORDER", queue: queues::ORDER_COMMANDS, data: approve_order },
           done: "ORDER_APPROVED", refused: None, undo: None },
    Step { name: steps::SELL_PET, kind: Retriable, condition: None,
           start: Start::Event { of: steps::APPROVE_ORDER, queue: queues::PET_ORDER_EVENTS },
           done: "PET_SOLD", refused: None, undo: None },
    Step { name: steps::COMMIT_INVENTORY, kind: Retriable, condition: Some(has_items),
           start: Start::Event { of: steps::APPROVE_ORDER, queue: queues::INVENTORY_ORDER_EVENTS },
           done: "INVENTORY_COMMITTED", refused: None, undo: None },
];

/// The order saga. Orders below `approval_limit` (minor units) pass the pivot by rule; 0 lets the
/// store owner decide each.
///
/// # Errors
/// [`DefinitionError`] when the table contradicts itself, which a test rules out.
pub fn order_saga(ids: &Ids, approval_limit: i64) -> Result<Definition, DefinitionError> {
    let ids = ids.clone();
    let saga = Definition::new("order_saga", 1, "ORDER_REQUESTED", STEPS, move |message| {
        let order: OrderRequested = message.payload()?;
        Ok(order_saga_id(&ids, order.user_id, order.order))
    })?;
    Ok(saga.pass_pivot_when(move |facts| Ok(total(facts)?.amount() < approval_limit)).with_result(result))
}

fn has_items(start: &Value) -> bool {
    start.get("items").and_then(Value::as_array).is_some_and(|items| !items.is_empty())
}

fn reserve_pet(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let OrderRequested { order, order_id, user_id, pet, pet_id, quantity, items, ship_date } = facts.start()?;
    Ok(Body::of(&ReservePet { pet, pet_id, order, order_id, user_id, quantity, items, ship_date })?)
}

fn release_pet(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let OrderRequested { order, pet, pet_id, .. } = facts.start()?;
    let (outcome, reason) = end(facts)?;
    Ok(Body::of(&ReleasePet { pet, pet_id, order, outcome, reason })?)
}

fn close_order(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let OrderRequested { order, .. } = facts.start()?;
    let (outcome, reason) = end(facts)?;
    Ok(Body::of(&CloseOrder { order, outcome, reason })?)
}

fn release_inventory(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let OrderRequested { order, .. } = facts.start()?;
    Ok(Body::of(&ReleaseInventory { order })?)
}

fn approve_order(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let OrderRequested { order, .. } = facts.start()?;
    Ok(Body::of(&ApproveOrder { order, total: total(facts)? })?)
}

/// The pet's price and the supplies': set by those who own them.
fn total(facts: &Facts<'_>) -> Result<Money, FactsError> {
    let pet: PetReserved = facts.answer(steps::RESERVE_PET)?;
    let OrderRequested { items, .. } = facts.start()?;
    if items.is_empty() {
        return Ok(pet.price);
    }
    let supplies: InventoryReserved = facts.answer(steps::RESERVE_INVENTORY)?;
    pet.price.plus(supplies.total).map_err(|error| FactsError::Invalid(error.to_string()))
}

fn result(facts: &Facts<'_>) -> Result<Value, FactsError> {
    let result = OrderResult { total: total(facts)? };
    serde_json::to_value(result).map_err(|error| FactsError::Invalid(error.to_string()))
}

fn end(facts: &Facts<'_>) -> Result<(Outcome, Reason), FactsError> {
    let end = facts.end().ok_or_else(|| FactsError::Invalid("the saga is not being ended".to_owned()))?;
    Ok((end.outcome, Reason::from(end.reason.clone())))
}
