//! Rows of supplies: one by one for clients, all that a batch touches for messages.

use std::collections::BTreeSet;

use saga_contract::{Money, Sku};
use saga_runtime::core::Time;
use saga_runtime::store::{Statements, Writes, execute, query, query_opt};
use saga_runtime::{StoreError, Transaction, values};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{corrupt, from_bigint, to_bigint};
use crate::domain::Stock;

const FIND: &str = "
    SELECT sku, on_hand, reserved, taken, price, currency, version FROM stock WHERE sku = $1";

const LIST: &str = "
    SELECT sku, on_hand, reserved, taken, price, currency, version FROM stock ORDER BY sku OFFSET $1 LIMIT $2";

// A row of version 0 to lock; it is never committed as such.
const CLAIM: &str = "
    INSERT INTO stock (sku, on_hand, reserved, taken, price, currency, version, updated_at)
    VALUES ($1, 0, 0, 0, $2, $3, 0, $4) ON CONFLICT (sku) DO NOTHING";

const LOCK: &str = "
    SELECT sku, on_hand, reserved, taken, price, currency, version FROM stock WHERE sku = $1 FOR UPDATE";

const LOCK_ALL: &str = "
    SELECT sku, on_hand, reserved, taken, price, currency, version FROM stock
    WHERE sku = ANY($1::text[] || ARRAY(SELECT sku FROM reservations WHERE saga_id = ANY($2))) ORDER BY sku FOR UPDATE";

const UPDATE: &str = "
    UPDATE stock s
    SET on_hand = t.on_hand, reserved = t.reserved, taken = t.taken, price = t.price, currency = t.currency,
        version = t.version, updated_at = $9
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[])
         AS t(sku, on_hand, reserved, taken, price, currency, version, expected)
    WHERE s.sku = t.sku AND s.sku = ANY($1) AND s.version = t.expected";

/// The supply of that name.
///
/// # Errors
/// [`StoreError`].
pub async fn find(on: &impl Statements, sku: &Sku) -> Result<Option<Stock>, StoreError> {
    query_opt(on, FIND, &[&sku.as_str()]).await?.as_ref().map(read).transpose()
}

/// At most `limit` supplies after the first `skip`, in the order of their names.
///
/// # Errors
/// [`StoreError`].
pub async fn list(on: &impl Statements, skip: i64, limit: i64) -> Result<Vec<Stock>, StoreError> {
    query(on, LIST, &[&skip, &limit]).await?.iter().map(read).collect()
}

/// Locks a supply, whether or not somebody has set it before: of two that set a new one, the
/// second sees what the first did.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_to_set(on: &Transaction<'_>, sku: &Sku, price: Money, now: Time) -> Result<Stock, StoreError> {
    let (name, amount, currency) = (sku.as_str(), price.amount(), price.currency());
    if let Some(row) = query_opt(on, LOCK, &[&name]).await? {
        return read(&row);
    }
    execute(on, CLAIM, &[&name, &amount, &currency.as_str(), &now]).await?;
    let row = query_opt(on, LOCK, &[&name]).await?;
    row.as_ref().map_or_else(|| Err(corrupt("stock", format!("{sku} cannot be claimed"))), read)
}

/// Writes a supply that was locked at version `expected`.
///
/// # Errors
/// [`StoreError`].
pub async fn save_set(on: &Transaction<'_>, stock: &Stock, expected: u64, now: Time) -> Result<(), StoreError> {
    writes(&[(stock, expected)], now).send(on).await
}

/// Locks these supplies and those that are reserved for these sagas, whose reservations are locked.
pub(super) async fn lock(
    on: &Transaction<'_>,
    skus: &BTreeSet<Sku>,
    sagas: &BTreeSet<Uuid>,
) -> Result<Vec<Stock>, StoreError> {
    if skus.is_empty() && sagas.is_empty() {
        return Ok(Vec::new());
    }
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let sagas: Vec<Uuid> = sagas.iter().copied().collect();
    query(on, LOCK_ALL, &[&skus, &sagas]).await?.iter().map(read).collect()
}

/// Supplies, each with the version at which it was locked.
pub(super) fn writes(changed: &[(&Stock, u64)], now: Time) -> Writes {
    let mut writes = Writes::default();
    if changed.is_empty() {
        return writes;
    }
    let numbers = |of: fn(&Stock) -> i64| changed.iter().map(|(stock, _)| of(stock)).collect::<Vec<i64>>();
    let skus: Vec<String> = changed.iter().map(|(stock, _)| stock.sku.to_string()).collect();
    let on_hand = numbers(|stock| stock.on_hand);
    let reserved = numbers(|stock| stock.reserved);
    let taken = numbers(|stock| stock.taken);
    let prices = numbers(|stock| stock.price.amount());
    let versions = numbers(|stock| to_bigint(stock.version));
    let currencies: Vec<String> = changed.iter().map(|(stock, _)| stock.price.currency().into()).collect();
    let expected: Vec<i64> = changed.iter().map(|(_, expected)| to_bigint(*expected)).collect();
    let values = values![skus, on_hand, reserved, taken, prices, currencies, versions, expected, now];
    writes.add_exactly(changed.len(), UPDATE, values);
    writes
}

fn read(row: &Row) -> Result<Stock, StoreError> {
    let sku: &str = row.get(0);
    Ok(Stock {
        sku: sku.parse().map_err(|error| corrupt("stock", error))?,
        on_hand: row.get(1),
        reserved: row.get(2),
        taken: row.get(3),
        price: read_price(row.get(4), row.get(5)).map_err(|error| corrupt("stock", error))?,
        version: from_bigint(row.get(6)),
    })
}

pub(super) fn read_price(amount: i64, currency: &str) -> Result<Money, saga_contract::InvalidValue> {
    Money::new(amount, currency.parse()?)
}
