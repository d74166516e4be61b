//! Two sagas to try the engine on: one with the order saga's shape, one with three commands in a row.

use idforge::{UuidText, id};
use saga_core::Kind::{Compensatable, Pivot, Retriable};
use saga_core::{Body, DataFn, Definition, Engine, Facts, FactsError, Payload, Start, Step, Timings, Undo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ids;

/// What the start messages say.
#[derive(Serialize, Deserialize)]
struct Requested {
    /// What the saga is about.
    order: Uuid,
    /// How many supplies; none: for the pet alone.
    #[serde(default)]
    items: u32,
}

/// What the answers say of money.
#[derive(Serialize, Deserialize)]
struct Priced {
    price: i64,
}

impl Payload for Requested {
    const TYPE: &'static str = "REQUESTED";
    const VERSION: u16 = 1;
}

impl Payload for Priced {
    const TYPE: &'static str = "PRICED";
    const VERSION: u16 = 1;
}

/// The order saga's shape: a command, two steps side by side on its event, one of them
/// conditional; the pivot; a command, and again two side by side.
const ORDER: &[Step] = &[
    Step {
        name: "reserve_pet",
        kind: Compensatable,
        condition: None,
        start: command("RESERVE_PET", "pet.commands", |facts| body("RESERVE_PET", facts)),
        done: "PET_RESERVED",
        refused: Some("PET_RESERVATION_REFUSED"),
        undo: undo("RELEASE_PET", "pet.commands", |facts| body("RELEASE_PET", facts), &["PET_RELEASED"]),
    },
    Step {
        name: "create_order",
        kind: Compensatable,
        condition: None,
        start: Start::Event { of: "reserve_pet", queue: "order.pet-events" },
        done: "ORDER_CREATED",
        refused: Some("ORDER_REFUSED"),
        undo: undo(
            "CLOSE_ORDER",
            "order.commands",
            |facts| body("CLOSE_ORDER", facts),
            &["ORDER_REJECTED", "ORDER_CANCELLED"],
        ),
    },
    Step {
        name: "reserve_inventory",
        kind: Compensatable,
        condition: Some(has_items),
        start: Start::Event { of: "reserve_pet", queue: "inventory.pet-events" },
        done: "INVENTORY_RESERVED",
        refused: Some("INVENTORY_REFUSED"),
        undo: undo(
            "RELEASE_INVENTORY",
            "inventory.commands",
            |facts| body("RELEASE_INVENTORY", facts),
            &["INVENTORY_RELEASED"],
        ),
    },
    pivot("approval", "ORDER_APPROVAL_GRANTED", "ORDER_CANCELLATION_REQUESTED"),
    retriable("approve_order", command("APPROVE_ORDER", "order.commands", approve_order), "ORDER_APPROVED"),
    retriable("sell_pet", Start::Event { of: "approve_order", queue: "pet.order-events" }, "PET_SOLD"),
    Step {
        condition: Some(has_items),
        ..retriable(
            "commit_inventory",
            Start::Event { of: "approve_order", queue: "inventory.order-events" },
            "INVENTORY_COMMITTED",
        )
    },
];

/// An errand: three commands in a row, the pivot, one command more.
const ERRAND: &[Step] = &[
    Step {
        name: "first",
        kind: Compensatable,
        condition: None,
        start: command("DO_FIRST", "first.commands", |facts| body("DO_FIRST", facts)),
        done: "FIRST_DONE",
        refused: Some("FIRST_REFUSED"),
        undo: undo("UNDO_FIRST", "first.commands", |facts| body("UNDO_FIRST", facts), &["FIRST_UNDONE"]),
    },
    Step {
        name: "second",
        kind: Compensatable,
        condition: None,
        start: command("DO_SECOND", "second.commands", do_second),
        done: "SECOND_DONE",
        refused: Some("SECOND_REFUSED"),
        undo: undo("UNDO_SECOND", "second.commands", |facts| body("UNDO_SECOND", facts), &["SECOND_UNDONE"]),
    },
    Step {
        name: "third",
        kind: Compensatable,
        condition: Some(has_items),
        start: command("DO_THIRD", "third.commands", |facts| body("DO_THIRD", facts)),
        done: "THIRD_DONE",
        refused: Some("THIRD_REFUSED"),
        undo: undo("UNDO_THIRD", "third.commands", |facts| body("UNDO_THIRD", facts), &["THIRD_UNDONE"]),
    },
    pivot("go", "GO_GIVEN", "GO_DENIED"),
    retriable("last", command("DO_LAST", "last.commands", |facts| body("DO_LAST", facts)), "LAST_DONE"),
];

const fn command(kind: &'static str, queue: &'static str, data: DataFn) -> Start {
    Start::Command { kind, queue, data }
}

const fn undo(kind: &'static str, queue: &'static str, data: DataFn, undone: &'static [&'static str]) -> Option<Undo> {
    Some(Undo { kind, queue, data, undone })
}

const fn pivot(name: &'static str, done: &'static str, refused: &'static str) -> Step {
    Step { name, start: Start::Wait, done, refused: Some(refused), undo: None, kind: Pivot, condition: None }
}

const fn retriable(name: &'static str, start: Start, done: &'static str) -> Step {
    Step { name, start, done, refused: None, undo: None, kind: Retriable, condition: None }
}

fn has_items(start: &Value) -> bool {
    start["items"].as_u64().is_some_and(|items| items > 0)
}

fn body(kind: &'static str, facts: &Facts<'_>) -> Result<Body, FactsError> {
    let Requested { order, items } = facts.start()?;
    let data = json!({ "order": order, "items": items, "reason": facts.end().map(|end| &end.reason) });
    Ok(Body { kind, version: 1, data })
}

fn approve_order(facts: &Facts<'_>) -> Result<Body, FactsError> {
    Ok(Body { kind: "APPROVE_ORDER", version: 1, data: json!({ "total": total(facts)? }) })
}

fn do_second(facts: &Facts<'_>) -> Result<Body, FactsError> {
    let Priced { price } = facts.answer("first")?;
    Ok(Body { kind: "DO_SECOND", version: 1, data: json!({ "price": price }) })
}

fn total(facts: &Facts<'_>) -> Result<i64, FactsError> {
    let pet: Priced = facts.answer("reserve_pet")?;
    let Requested { items, .. } = facts.start()?;
    let supplies = if items == 0 { 0 } else { facts.answer::<Priced>("reserve_inventory")?.price };
    pet.price.checked_add(supplies).ok_or_else(|| FactsError::Invalid("the total is too large".to_owned()))
}

fn define(name: &'static str, starts_on: &'static str, steps: &'static [Step]) -> Definition {
    let ids = ids();
    let definition = Definition::new(name, 1, starts_on, steps, move |message| {
        let data = message.data.clone();
        let Requested { order, .. } = serde_json::from_value(data)
            .map_err(|error| saga_core::PayloadError::Malformed { kind: starts_on, why: error.to_string() })?;
        Ok(id!(ids.sagas(), "order_saga", user_id = "somebody", order_id = UuidText(order)))
    });
    definition.unwrap()
}

/// The order saga's shape; totals below `limit` pass the pivot by rule.
pub(crate) fn order(limit: i64) -> Definition {
    define("order_saga", "ORDER_REQUESTED", ORDER)
        .pass_pivot_when(move |facts| Ok(total(facts)? < limit))
        .with_result(|facts| Ok(json!({ "total": total(facts)? })))
}

/// Three commands in a row, whose pivot waits for a word.
pub(crate) fn errand() -> Definition {
    define("errand", "ERRAND_REQUESTED", ERRAND)
}

/// The same; its result asks for the third answer first, and then for the second.
pub(crate) fn errand_with_result() -> Definition {
    errand().with_result(|facts| {
        let Requested { items, .. } = facts.start()?;
        let third = if items == 0 { 0 } else { facts.answer::<Priced>("third")?.price };
        Ok(json!({ "third": third, "second": facts.answer::<Priced>("second")?.price }))
    })
}

/// The table of the order saga's shape.
pub(crate) fn order_steps() -> Vec<Step> {
    ORDER.to_vec()
}

/// The table of the errand.
pub(crate) fn errand_steps() -> Vec<Step> {
    ERRAND.to_vec()
}

/// An engine for a definition.
pub(crate) fn engine(definition: Definition) -> Engine {
    Engine { definition, ids: ids(), timings: Timings::default(), source: "saga" }
}
