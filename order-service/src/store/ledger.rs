//! The requests that a transaction changes: locked together, written together.

use std::collections::BTreeMap;

use saga_contract::{Money, OrderNumber, Reason};
use saga_core::Time;
use saga_runtime::StoreError;
use saga_runtime::store::{Param, Transaction, execute, query, together};
use tokio_postgres::Row;
use uuid::Uuid;

use super::rows::{ORDER_ID, order_columns, read_order, read_request, request_columns, request_order};
use crate::domain::{Order, Request, State};

// Two statements, not a join: a join that waited for the lock would show the order as it was before.
const LOCK: &str = concat!(
    "SELECT ",
    request_columns!(),
    " FROM requests r WHERE r.order_id = ANY($1) ORDER BY r.order_id FOR UPDATE"
);
const LOCK_NUMBER: &str = concat!("SELECT ", request_columns!(), " FROM requests r WHERE r.number = $1 FOR UPDATE");
const ORDERS: &str = concat!("SELECT ", order_columns!(), ", o.order_id FROM orders o WHERE o.order_id = ANY($1)");

const UPDATE_REQUESTS: &str = "
    UPDATE requests r SET version = t.version, granted = t.granted, cancellation_requested = t.cancellation_requested,
           state = t.state, reason = t.reason
    FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::bool[], $5::bool[], $6::text[], $7::text[])
         AS t(order_id, expected, version, granted, cancellation_requested, state, reason)
    WHERE r.order_id = t.order_id AND r.order_id = ANY($1) AND r.version = t.expected";
const INSERT_ORDERS: &str = "
    INSERT INTO orders (order_id, state, reason, total, currency, version, created_at, updated_at)
    SELECT t.*, $7, $7 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::int8[]) AS t";
const UPDATE_ORDERS: &str = "
    UPDATE orders o SET state = t.state, reason = t.reason, total = t.total, currency = t.currency,
           version = t.version, updated_at = $7
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::int8[], $8::text[])
         AS t(order_id, state, reason, total, currency, version, expected)
    WHERE o.order_id = t.order_id AND o.order_id = ANY($1) AND o.state = t.expected";

/// The requests that a transaction touches: locked, changed in memory, written once.
#[derive(Debug, Default)]
pub struct Ledger {
    stored: BTreeMap<Uuid, Request>,
    current: BTreeMap<Uuid, Request>,
}

impl Ledger {
    /// A ledger of these requests, as they are stored.
    #[must_use]
    pub fn of(requests: impl IntoIterator<Item = Request>) -> Self {
        let stored: BTreeMap<Uuid, Request> = requests.into_iter().map(|request| (request.order, request)).collect();
        Self { current: stored.clone(), stored }
    }

    /// Locks these orders' requests, in key order, and reads them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock(
        transaction: &Transaction<'_>,
        orders: impl IntoIterator<Item = Uuid>,
    ) -> Result<Self, StoreError> {
        let orders: Vec<Uuid> = orders.into_iter().collect();
        if orders.is_empty() {
            return Ok(Self::default());
        }
        let params: [Param<'_>; 1] = [&orders];
        let (requests, orders) =
            together(query(transaction, LOCK, &params), query(transaction, ORDERS, &params)).await?;
        Self::read(&requests, &orders)
    }

    /// Locks the request with this public number, and gives it back with its ledger.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_number(
        transaction: &Transaction<'_>,
        number: OrderNumber,
    ) -> Result<Option<(Uuid, Self)>, StoreError> {
        let requests = query(transaction, LOCK_NUMBER, &[&number.get()]).await?;
        let Some(order) = requests.first().map(request_order) else { return Ok(None) };
        let orders = query(transaction, ORDERS, &[&vec![order]]).await?;
        Ok(Some((order, Self::read(&requests, &orders)?)))
    }

    fn read(requests: &[Row], orders: &[Row]) -> Result<Self, StoreError> {
        let mut stored = BTreeMap::new();
        for row in requests {
            let request = read_request(row)?;
            stored.insert(request.order, request);
        }
        for row in orders {
            if let Some(request) = stored.get_mut(&row.get(ORDER_ID)) {
                request.life = read_order(row, 0)?;
            }
        }
        Ok(Self::of(stored.into_values()))
    }

    /// The request of an order, with what this transaction changed.
    pub fn get_mut(&mut self, order: Uuid) -> Option<&mut Request> {
        self.current.get_mut(&order)
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save(self, transaction: &Transaction<'_>, now: Time) -> Result<(), StoreError> {
        let pairs = self.stored.values().zip(self.current.values());
        let changed: Vec<(&Request, &Request)> = pairs.filter(|(stored, current)| stored != current).collect();
        if changed.is_empty() {
            return Ok(());
        }
        together(update_requests(transaction, &changed), write_orders(transaction, &changed, now)).await?;
        Ok(())
    }
}

async fn update_requests(transaction: &Transaction<'_>, changed: &[(&Request, &Request)]) -> Result<(), StoreError> {
    let orders: Vec<Uuid> = changed.iter().map(|(_, r)| r.order).collect();
    let expected: Vec<i64> = changed.iter().map(|(s, _)| version(s)).collect();
    let versions: Vec<i64> = changed.iter().map(|(_, r)| version(r)).collect();
    let granted: Vec<bool> = changed.iter().map(|(_, r)| r.granted).collect();
    let cancelling: Vec<bool> = changed.iter().map(|(_, r)| r.cancellation_requested).collect();
    let states: Vec<&str> = changed.iter().map(|(_, r)| end_state(r).as_str()).collect();
    let reasons: Vec<Option<&str>> =
        changed.iter().map(|(_, r)| r.end.as_ref().map(|end| end.reason.as_str())).collect();
    let rows = execute(
        transaction,
        UPDATE_REQUESTS,
        &[&orders, &expected, &versions, &granted, &cancelling, &states, &reasons],
    )
    .await?;
    all_written(rows, changed.len())
}

/// Orders as the columns of one statement.
#[derive(Default)]
struct Columns<'a> {
    orders: Vec<Uuid>,
    states: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    totals: Vec<Option<i64>>,
    currencies: Vec<Option<String>>,
    versions: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, request: &Request, order: &'a Order) {
        self.orders.push(request.order);
        self.states.push(order.state.as_str());
        self.reasons.push(order.reason.as_ref().map(Reason::as_str));
        self.totals.push(order.total.map(Money::amount));
        self.currencies.push(order.total.map(|total| total.currency().to_string()));
        self.versions.push(version(request));
    }
}

async fn write_orders(
    transaction: &Transaction<'_>,
    changed: &[(&Request, &Request)],
    now: Time,
) -> Result<(), StoreError> {
    let (mut new, mut old, mut expected) = (Columns::default(), Columns::default(), Vec::new());
    for (stored, current) in changed {
        match (&stored.life, &current.life) {
            (None, Some(order)) => new.add(current, order),
            (Some(before), Some(order)) if before != order => {
                old.add(current, order);
                expected.push(before.state.as_str());
            }
            (Some(_) | None, None) | (Some(_), Some(_)) => {}
        }
    }
    together(insert_orders(transaction, &new, now), update_orders(transaction, &old, &expected, now)).await?;
    Ok(())
}

async fn insert_orders(transaction: &Transaction<'_>, new: &Columns<'_>, now: Time) -> Result<(), StoreError> {
    if new.orders.is_empty() {
        return Ok(());
    }
    let Columns { orders, states, reasons, totals, currencies, versions } = new;
    let params: [Param<'_>; 7] = [orders, states, reasons, totals, currencies, versions, &now];
    all_written(execute(transaction, INSERT_ORDERS, &params).await?, orders.len())
}

async fn update_orders(
    transaction: &Transaction<'_>,
    old: &Columns<'_>,
    expected: &[&str],
    now: Time,
) -> Result<(), StoreError> {
    if old.orders.is_empty() {
        return Ok(());
    }
    let Columns { orders, states, reasons, totals, currencies, versions } = old;
    let params: [Param<'_>; 8] = [orders, states, reasons, totals, currencies, versions, &now, &expected];
    all_written(execute(transaction, UPDATE_ORDERS, &params).await?, orders.len())
}

/// Rows are locked before they are changed, so one that is not as expected is a fault of ours.
fn all_written(rows: u64, expected: usize) -> Result<(), StoreError> {
    if usize::try_from(rows) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::Corrupt { what: "orders".to_owned(), why: format!("{rows} of {expected} rows were as expected") })
}

fn version(request: &Request) -> i64 {
    i64::try_from(request.version).unwrap_or(i64::MAX)
}

/// The state of the row `requests`: what its saga came to.
fn end_state(request: &Request) -> State {
    request.end.as_ref().map_or(State::Requested, |end| end.outcome.into())
}
