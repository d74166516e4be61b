//! The requests that a transaction changes: locked together, written together.

use std::collections::BTreeMap;

use saga_contract::{Money, OrderNumber};
use saga_runtime::store::{Place, Transaction, Writes, query};
use saga_runtime::{StoreError, values};
use tokio_postgres::Row;
use uuid::Uuid;

use super::rows::{COLUMNS, read_request, request_columns, request_order};
use crate::domain::{Request, State};

const LOCK: &str = concat!(
    "SELECT ",
    request_columns!(),
    ", r.ctid FROM requests r WHERE r.order_id = ANY($1) ORDER BY r.order_id FOR UPDATE"
);
const LOCK_NUMBER: &str =
    concat!("SELECT ", request_columns!(), ", r.ctid FROM requests r WHERE r.number = $1 FOR UPDATE");

const UPDATE: &str = "
    UPDATE requests r SET version = t.version, granted = t.granted, cancellation_requested = t.cancellation_requested,
           state = t.state, reason = t.reason, order_state = t.order_state, order_reason = t.order_reason,
           total = t.total, currency = t.currency
    FROM unnest($1::tid[], $2::uuid[], $3::int8[], $4::int8[], $5::bool[], $6::bool[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::int8[], $12::text[])
         AS t(place, order_id, expected, version, granted, cancellation_requested, state, reason, order_state, order_reason,
              total, currency)
    WHERE r.ctid = t.place AND r.order_id IS NOT DISTINCT FROM t.order_id AND r.version = t.expected";

/// The requests that a transaction touches: locked, changed in memory, written once.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Each as it is stored, and where.
    stored: BTreeMap<Uuid, (Option<Place>, Request)>,
    current: BTreeMap<Uuid, Request>,
}

impl Ledger {
    /// A ledger of these requests, without a database: what changes in it is written nowhere.
    #[must_use]
    pub fn of(requests: impl IntoIterator<Item = Request>) -> Self {
        Self::stored(requests.into_iter().map(|request| (None, request)))
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
        Self::read(&query(transaction, LOCK, &[&orders]).await?)
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
        Ok(Some((order, Self::read(&requests)?)))
    }

    fn read(requests: &[Row]) -> Result<Self, StoreError> {
        let stored = requests.iter().map(|row| Ok((Some(row.get(COLUMNS)), read_request(row)?)));
        Ok(Self::stored(stored.collect::<Result<Vec<_>, StoreError>>()?))
    }

    fn stored(requests: impl IntoIterator<Item = (Option<Place>, Request)>) -> Self {
        let stored: BTreeMap<_, _> = requests.into_iter().map(|stored| (stored.1.order, stored)).collect();
        Self { current: stored.iter().map(|(order, (_, request))| (*order, request.clone())).collect(), stored }
    }

    /// The request of an order, with what this transaction changed.
    #[must_use]
    pub fn get(&self, order: Uuid) -> Option<&Request> {
        self.current.get(&order)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, order: Uuid) -> Option<&mut Request> {
        self.current.get_mut(&order)
    }

    /// What changed.
    #[must_use]
    pub fn writes(self) -> Writes {
        let pairs = self.stored.values().zip(self.current.values());
        let (stored, changed): (Vec<&(Option<Place>, Request)>, Vec<&Request>) =
            pairs.filter(|((_, stored), current)| stored != *current).unzip();
        let mut writes = Writes::default();
        if changed.is_empty() {
            return writes;
        }
        let places: Vec<Option<Place>> = stored.iter().map(|(place, _)| *place).collect();
        let orders: Vec<Uuid> = changed.iter().map(|r| r.order).collect();
        let expected: Vec<i64> = stored.iter().map(|(_, r)| version(r)).collect();
        let versions: Vec<i64> = changed.iter().map(|r| version(r)).collect();
        let granted: Vec<bool> = changed.iter().map(|r| r.granted).collect();
        let cancelling: Vec<bool> = changed.iter().map(|r| r.cancellation_requested).collect();
        let states: Vec<&str> = changed.iter().map(|r| end_state(r).as_str()).collect();
        let reasons: Vec<Option<String>> =
            changed.iter().map(|r| r.end.as_ref().map(|end| end.reason.to_string())).collect();
        let lives = || changed.iter().map(|r| r.life.as_ref());
        let order_states: Vec<Option<&str>> = lives().map(|life| life.map(|order| order.state.as_str())).collect();
        let order_reasons: Vec<Option<String>> = lives().map(|life| Some(life?.reason.as_ref()?.to_string())).collect();
        let totals: Vec<Option<Money>> = lives().map(|life| life?.total).collect();
        let amounts: Vec<Option<i64>> = totals.iter().map(|total| total.map(Money::amount)).collect();
        let currencies: Vec<Option<String>> =
            totals.iter().map(|total| Some(total.as_ref()?.currency().to_string())).collect();
        let values = values![
            places,
            orders,
            expected,
            versions,
            granted,
            cancelling,
            states,
            reasons,
            order_states,
            order_reasons,
            amounts,
            currencies
        ];
        writes.add_exactly(changed.len(), UPDATE, values);
        writes
    }
}

fn version(request: &Request) -> i64 {
    i64::try_from(request.version).unwrap_or(i64::MAX)
}

/// The state of the row `requests`: what its saga came to.
fn end_state(request: &Request) -> State {
    request.end.as_ref().map_or(State::Requested, |end| end.outcome.into())
}
