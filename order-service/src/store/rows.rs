//! Rows as the domain's types. What is stored was valid once; what is not any longer is told as such.

use saga_contract::{Currency, InvalidValue, Items, Money, OrderNumber, PetNumber, Reason, ShipDate};
use saga_core::{Outcome, Time};
use saga_runtime::StoreError;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::{End, Order, Request, State};

/// The columns of a request, as [`read_request`] takes them.
macro_rules! request_columns {
    () => {
        "r.order_id, r.number, r.user_id, r.pet, r.pet_id, r.items, r.ship_date, r.saga_id, r.created_at,
         r.version, r.granted, r.cancellation_requested, r.state, r.reason"
    };
}

/// The columns of an order, as [`read_order`] takes them.
macro_rules! order_columns {
    () => {
        "o.state, o.reason, o.total, o.currency"
    };
}
pub(super) use {order_columns, request_columns};

/// Where the columns of an order begin behind those of a request.
const ORDER: usize = 14;
/// Where the hash is behind both.
pub(super) const HASH: usize = 18;
/// Where the order's id is behind the columns of an order alone.
pub(super) const ORDER_ID: usize = 4;

/// The order that a request is for.
pub(super) fn request_order(row: &Row) -> Uuid {
    row.get(0)
}

/// A request with its order.
pub(super) fn read_whole(row: &Row) -> Result<Request, StoreError> {
    Ok(Request { life: read_order(row, ORDER)?, ..read_request(row)? })
}

/// A request without its order.
pub(super) fn read_request(row: &Row) -> Result<Request, StoreError> {
    let Json(items): Json<serde_json::Value> = row.get(5);
    let items: Items = serde_json::from_value(items).map_err(corrupt)?;
    let ship_date: Option<Time> = row.get(6);
    Ok(Request {
        order: request_order(row),
        number: OrderNumber::new(row.get(1)).map_err(corrupt)?,
        user: row.get(2),
        pet: row.get(3),
        pet_number: PetNumber::new(row.get(4)).map_err(corrupt)?,
        items,
        ship_date: ship_date.map(ShipDate::new).transpose().map_err(corrupt)?,
        saga: row.get(7),
        created_at: row.get(8),
        version: u64::try_from(row.get::<_, i64>(9)).map_err(corrupt)?,
        granted: row.get(10),
        cancellation_requested: row.get(11),
        end: read_end(row.get(12), row.get(13))?,
        life: None,
    })
}

fn read_end(state: &str, reason: Option<String>) -> Result<Option<End>, StoreError> {
    let outcome = match State::from_name(state) {
        Some(State::Requested) => return Ok(None),
        Some(State::Rejected) => Outcome::Rejected,
        Some(State::Cancelled) => Outcome::Cancelled,
        Some(State::Pending | State::Placed | State::Approved | State::Delivered) | None => {
            return Err(corrupt(format!("{state} is no state of a request")));
        }
    };
    Ok(Some(End { outcome, reason: reason.unwrap_or_default().into() }))
}

/// The order whose columns begin at `first`, if there is one.
pub(super) fn read_order(row: &Row, first: usize) -> Result<Option<Order>, StoreError> {
    let Some(name) = row.get::<_, Option<&str>>(first) else { return Ok(None) };
    let state = State::from_name(name).ok_or_else(|| corrupt(format!("{name} is no state of an order")))?;
    let reason: Option<String> = row.get(first + 1);
    let money = |amount: i64, currency: &str| Money::new(amount, currency.parse::<Currency>()?);
    let total = match (row.get(first + 2), row.get::<_, Option<&str>>(first + 3)) {
        (Some(amount), Some(currency)) => Some(money(amount, currency).map_err(|e: InvalidValue| corrupt(e))?),
        (None | Some(_), None) | (None, Some(_)) => None,
    };
    Ok(Some(Order { state, total, reason: reason.map(Reason::from) }))
}

pub(super) fn corrupt(why: impl ToString) -> StoreError {
    StoreError::Corrupt { what: "orders".to_owned(), why: why.to_string() }
}
