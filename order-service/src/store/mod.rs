//! The SQL of requests and orders.

mod ledger;
mod rows;

use saga_contract::{OrderNumber, ShipDate};
use saga_runtime::StoreError;
use saga_runtime::store::{Statements, Transaction, query, query_opt};
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::{Request, State};
use rows::{HASH, corrupt, order_columns, read_whole, request_columns};

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
    ($rest:literal) => {
        concat!(
            "SELECT ",
            request_columns!(),
            ", ",
            order_columns!(),
            ", r.request_hash FROM requests r LEFT JOIN orders o USING (order_id) ",
            $rest
        )
    };
}

const FIND: &str = select_requests!("WHERE r.number = $1");
const FIND_MANY: &str = select_requests!("WHERE r.order_id = ANY($1)");
// The state that is shown (`Request::state`), as SQL.
const LIST: &str = select_requests!(
    "WHERE ($1::uuid IS NULL OR r.user_id = $1)
       AND ($2::text IS NULL OR $2 = CASE WHEN r.state <> 'requested' THEN r.state ELSE coalesce(o.state, 'requested') END)
     ORDER BY r.created_at DESC, r.number DESC OFFSET $3 LIMIT $4"
);

const INSERT_REQUEST: &str = "
    INSERT INTO requests (order_id, number, user_id, idempotency_key, request_hash, pet, pet_id, items, ship_date,
                          saga_id, created_at, version)
    VALUES ($1, coalesce($2, nextval('order_numbers')), $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)
    ON CONFLICT DO NOTHING RETURNING number";
/// What is stored of a request besides the request.
#[derive(Debug)]
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

/// Stores a new request under its number, or under the next free one. `None`: its order or its
/// number is there already.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    transaction: &Transaction<'_>,
    request: &Request,
    new: &NewRequest,
) -> Result<Option<OrderNumber>, StoreError> {
    let number = new.number.map(OrderNumber::get);
    let ship_date = request.ship_date.map(ShipDate::time);
    let row = query_opt(
        transaction,
        INSERT_REQUEST,
        &[
            &request.order,
            &number,
            &request.user,
            &new.key,
            &new.hash.as_slice(),
            &request.pet,
            &request.pet_number.get(),
            &Json(&request.items),
            &ship_date,
            &request.saga,
            &request.created_at,
        ],
    )
    .await?;
    row.map(|row| OrderNumber::new(row.get(0)).map_err(corrupt)).transpose()
}

/// The request of an order, with the hash of what was asked for.
///
/// # Errors
/// [`StoreError`].
pub async fn find(on: &impl Statements, order: Uuid) -> Result<Option<(Request, Vec<u8>)>, StoreError> {
    let rows = query(on, FIND_MANY, &[&vec![order]]).await?;
    rows.first().map(|row| Ok((read_whole(row)?, row.get(HASH)))).transpose()
}

/// The request with this public number.
///
/// # Errors
/// [`StoreError`].
pub async fn find_number(on: &impl Statements, number: OrderNumber) -> Result<Option<Request>, StoreError> {
    query_opt(on, FIND, &[&number.get()]).await?.as_ref().map(read_whole).transpose()
}

/// The requests of these orders, in any order.
///
/// # Errors
/// [`StoreError`].
pub async fn find_many(on: &impl Statements, orders: &[Uuid]) -> Result<Vec<Request>, StoreError> {
    query(on, FIND_MANY, &[&orders]).await?.iter().map(read_whole).collect()
}

/// Requests, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(on: &impl Statements, filter: &Filter) -> Result<Vec<Request>, StoreError> {
    let state = filter.state.map(State::as_str);
    let rows = query(on, LIST, &[&filter.user, &state, &filter.skip, &filter.limit]).await?;
    rows.iter().map(read_whole).collect()
}
