//! The SQL of requests and orders.

mod ledger;
mod rows;

use std::collections::BTreeMap;

use saga_contract::{Items, OrderNumber, ShipDate};
use saga_core::Time;
use saga_runtime::StoreError;
use saga_runtime::store::{Param, Statements, Transaction, query, query_opt};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::{Request, State};
use rows::{COLUMNS, corrupt, read_request, request_columns};

pub use ledger::Ledger;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The service's own migrations.
#[must_use]
pub fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}

macro_rules! select_requests {
    ($($rest:literal),+) => {
        concat!("SELECT ", request_columns!(), ", r.request_hash FROM requests r ", $($rest),+)
    };
}

const FIND: &str = select_requests!("WHERE r.number = $1");
const FIND_ORDER: &str = select_requests!("WHERE r.order_id = $1");
// Each a search for one row, and only what is news is read: thousands may be waited for.
const CHANGED: &str = concat!(
    "SELECT ",
    request_columns!(),
    " FROM unnest($1::uuid[], $2::int8[]) AS t(order_id, known) CROSS JOIN LATERAL (
          SELECT * FROM requests r WHERE r.order_id = t.order_id AND r.version > t.known OFFSET 0) AS r"
);
// By the state that is shown (`Request::state`), as SQL.
macro_rules! list_requests {
    ($whose:literal) => {
        select_requests!(
            "WHERE ",
            $whose,
            "($1::text IS NULL
              OR $1 = CASE WHEN r.state <> 'requested' THEN r.state ELSE coalesce(r.order_state, 'requested') END)
             ORDER BY r.created_at DESC, r.number DESC OFFSET $2 LIMIT $3"
        )
    };
}

const LIST: &str = list_requests!("");
// Of one customer, by their own index: one plan for both would read everybody's requests until it has enough of theirs.
const LIST_OF_USER: &str = list_requests!("r.user_id = $4 AND ");

const INSERT: &str = "
    INSERT INTO requests (order_id, number, user_id, idempotency_key, request_hash, pet, pet_id, items, ship_date,
                          saga_id, created_at, version)
    SELECT t.order_id, coalesce(t.number, nextval('order_numbers')), t.user_id, t.key, t.hash, t.pet, t.pet_id, t.items,
           t.ship_date, t.saga_id, t.created_at, 1
    FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::text[], $5::bytea[], $6::uuid[], $7::int8[], $8::jsonb[],
                $9::timestamptz[], $10::uuid[], $11::timestamptz[])
         AS t(order_id, number, user_id, key, hash, pet, pet_id, items, ship_date, saga_id, created_at)
    ON CONFLICT DO NOTHING RETURNING order_id, number";

/// What is stored of a request besides the request.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// The number that the client chose, if it did.
    pub number: Option<OrderNumber>,
    /// The idempotency key.
    pub key: String,
    /// What was asked for.
    pub hash: [u8; 32],
}

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of this customer only.
    pub user: Option<Uuid>,
    /// Those in this state only.
    pub state: Option<State>,
    /// How many of the newest to pass over.
    pub skip: i64,
    /// How many at most.
    pub limit: i64,
}

/// Stores new requests, each under its number or under the next free one, and says which; in their order. `None`: its
/// order or its number is there already.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    transaction: &Transaction<'_>,
    new: &[(&Request, &NewRequest)],
) -> Result<Vec<Option<OrderNumber>>, StoreError> {
    let column = |of: fn(&Request) -> Uuid| new.iter().map(|(request, _)| of(request)).collect::<Vec<Uuid>>();
    let numbers: Vec<Option<i64>> = new.iter().map(|(_, new)| new.number.map(OrderNumber::get)).collect();
    let keys: Vec<&str> = new.iter().map(|(_, new)| new.key.as_str()).collect();
    let hashes: Vec<&[u8]> = new.iter().map(|(_, new)| new.hash.as_slice()).collect();
    let pet_numbers: Vec<i64> = new.iter().map(|(request, _)| request.pet_number.get()).collect();
    let items: Vec<Json<&Items>> = new.iter().map(|(request, _)| Json(&request.items)).collect();
    let ship_dates: Vec<Option<Time>> = new.iter().map(|(request, _)| request.ship_date.map(ShipDate::time)).collect();
    let created: Vec<Time> = new.iter().map(|(request, _)| request.created_at).collect();
    let params: [Param<'_>; 11] = [
        &column(|request| request.order),
        &numbers,
        &column(|request| request.user),
        &keys,
        &hashes,
        &column(|request| request.pet),
        &pet_numbers,
        &items,
        &ship_dates,
        &column(|request| request.saga),
        &created,
    ];
    let rows = query(transaction, INSERT, &params).await?;
    let read = |row: &Row| Ok((row.get(0), OrderNumber::new(row.get(1)).map_err(corrupt)?));
    // Of two for the same order the first one is stored.
    let mut stored = rows.iter().map(read).collect::<Result<BTreeMap<Uuid, OrderNumber>, StoreError>>()?;
    Ok(new.iter().map(|(request, _)| stored.remove(&request.order)).collect())
}

/// The request of an order, with the hash of what was asked for.
///
/// # Errors
/// [`StoreError`].
pub async fn find(on: &impl Statements, order: Uuid) -> Result<Option<(Request, Vec<u8>)>, StoreError> {
    let row = query_opt(on, FIND_ORDER, &[&order]).await?;
    row.map(|row| Ok((read_request(&row)?, row.get(COLUMNS)))).transpose()
}

/// The request with this public number.
///
/// # Errors
/// [`StoreError`].
pub async fn find_number(on: &impl Statements, number: OrderNumber) -> Result<Option<Request>, StoreError> {
    query_opt(on, FIND, &[&number.get()]).await?.as_ref().map(read_request).transpose()
}

/// Those of these requests that are past the version that is known of them (0: none), in any order.
///
/// # Errors
/// [`StoreError`].
pub async fn changed(on: &impl Statements, known: &[(Uuid, u64)]) -> Result<Vec<Request>, StoreError> {
    let version = |version| i64::try_from(version).unwrap_or(i64::MAX);
    let (orders, versions): (Vec<Uuid>, Vec<i64>) =
        known.iter().map(|(order, known)| (*order, version(*known))).unzip();
    query(on, CHANGED, &[&orders, &versions]).await?.iter().map(read_request).collect()
}

/// Requests, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(on: &impl Statements, filter: &Filter) -> Result<Vec<Request>, StoreError> {
    let state = filter.state.map(State::as_str);
    let rows = match filter.user {
        Some(user) => query(on, LIST_OF_USER, &[&state, &filter.skip, &filter.limit, &user]).await?,
        None => query(on, LIST, &[&state, &filter.skip, &filter.limit]).await?,
    };
    rows.iter().map(read_request).collect()
}
