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
         r.version, r.granted, r.cancellation_requested, r.state, r.reason,
         r.order_state, r.order_reason, r.total, r.currency"
    };
}
pub(super) use request_columns;

/// How many they are: what a statement asks for behind them comes next.
pub(super) const COLUMNS: usize = 18;

/// The order that a request is for.
pub(super) fn request_order(row: &Row) -> Uuid {
    row.get(0)
}

/// A request with its order.
pub(super) fn read_request(row: &Row) -> Result<Request, StoreError> {
    let Json(items): Json<Items> = row.try_get(5).map_err(corrupt)?;
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
        life: read_order(row)?,
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

fn read_order(row: &Row) -> Result<Option<Order>, StoreError> {
    let Some(name) = row.get::<_, Option<&str>>(14) else { return Ok(None) };
    let state = State::from_name(name).ok_or_else(|| corrupt(format!("{name} is no state of an order")))?;
    let reason: Option<String> = row.get(15);
    let money = |amount: i64, currency: &str| Money::new(amount, currency.parse::<Currency>()?);
    let total = match (row.get(16), row.get::<_, Option<&str>>(17)) {
        (Some(amount), Some(currency)) => Some(money(amount, currency).map_err(|e: InvalidValue| corrupt(e))?),
        (None | Some(_), None) | (None, Some(_)) => None,
    };
    Ok(Some(Order { state, total, reason: reason.map(Reason::from) }))
}

pub(super) fn corrupt(why: impl ToString) -> StoreError {
    StoreError::Corrupt { what: "orders".to_owned(), why: why.to_string() }
}
