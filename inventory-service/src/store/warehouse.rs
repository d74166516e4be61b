//! Reservations, and the supplies that a batch of messages touches.

use std::collections::{BTreeMap, BTreeSet};

use saga_contract::{Items, PricedItem, Quantity, Sku};
use saga_runtime::core::Time;
use saga_runtime::store::{Value, Writes, query, together};
use saga_runtime::{StoreError, Transaction, values};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{corrupt, from_bigint, stock, to_bigint};
use crate::domain::{Reservation, ReservationState, Stock, Warehouse};

const LOCK: &str = "
    SELECT saga_id, order_id, sku, quantity, price, currency, state, version FROM reservations
    WHERE saga_id = ANY($1) ORDER BY saga_id, sku FOR UPDATE";

// Plain: if another copy was first, this fails, and the batch is run again and sees it.
const INSERT: &str = "
    INSERT INTO reservations (saga_id, order_id, sku, quantity, price, currency, state, version, updated_at)
    SELECT t.*, $9
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[]) AS t";

const UPDATE: &str = "
    UPDATE reservations r SET state = t.state, version = t.version, updated_at = $5
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS t(saga_id, state, version, expected)
    WHERE r.saga_id = t.saga_id AND r.saga_id = ANY($1) AND r.version = t.expected";

// An operator's retry reserves anew, perhaps at other prices.
const DELETE: &str = "
    DELETE FROM reservations r USING unnest($1::uuid[], $2::bigint[]) AS t(saga_id, expected)
    WHERE r.saga_id = t.saga_id AND r.saga_id = ANY($1) AND r.version = t.expected";

type Entry<'a> = (&'a Uuid, &'a Reservation);

pub(super) async fn lock(
    on: &Transaction<'_>,
    sagas: &BTreeSet<Uuid>,
    supplies: &BTreeSet<Sku>,
) -> Result<Warehouse, StoreError> {
    let (reservations, stock) = together(lock_reservations(on, sagas), stock::lock(on, supplies, sagas)).await?;
    Ok(Warehouse::new(stock, reservations))
}

pub(super) fn writes(before: &Warehouse, after: &Warehouse, now: Time) -> Writes {
    let changed = after.reservations().filter(|(saga, known)| before.reservation(saga) != Some(known));
    let (mut new, mut moved, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for entry in changed {
        match before.reservation(entry.0) {
            None => new.push(entry),
            Some(old) if old.items == entry.1.items => moved.push((entry, old)),
            Some(old) => {
                replaced.push((entry, old));
                new.push(entry);
            }
        }
    }
    let mut writes = Writes::default();
    if !replaced.is_empty() {
        let (sagas, expected) = expected(&replaced);
        writes.add_exactly(lines(&replaced), DELETE, values![sagas, expected]);
    }
    if !moved.is_empty() {
        let (sagas, expected) = expected(&moved);
        let states: Vec<&str> = moved.iter().map(|((_, known), _)| known.state.as_str()).collect();
        let versions: Vec<i64> = moved.iter().map(|((_, known), _)| to_bigint(known.version)).collect();
        writes.add_exactly(lines(&moved), UPDATE, values![sagas, states, versions, expected, now]);
    }
    if !new.is_empty() {
        writes.add(INSERT, inserted(&new, now));
    }
    writes.and(stock::writes(&changed_supplies(before, after), now))
}

/// Every line of these reservations was locked.
fn lines(entries: &[(Entry<'_>, &Reservation)]) -> usize {
    entries.iter().map(|(_, old)| old.items.len()).sum()
}

fn changed_supplies<'a>(before: &'a Warehouse, after: &'a Warehouse) -> Vec<(&'a Stock, u64)> {
    let with_old = after.supplies().filter_map(|now| before.supply(&now.sku).map(|old| (now, old)));
    with_old.filter(|(now, old)| now != old).map(|(now, old)| (now, old.version)).collect()
}

fn expected(entries: &[(Entry<'_>, &Reservation)]) -> (Vec<Uuid>, Vec<i64>) {
    entries.iter().map(|((saga, _), old)| (**saga, to_bigint(old.version))).unzip()
}

fn inserted(new: &[Entry<'_>], now: Time) -> Vec<Value> {
    let lines: Vec<(Entry<'_>, &PricedItem)> =
        new.iter().flat_map(|entry| entry.1.items.iter().map(|line| (*entry, line))).collect();
    let sagas: Vec<Uuid> = lines.iter().map(|((saga, _), _)| **saga).collect();
    let orders: Vec<Uuid> = lines.iter().map(|((_, known), _)| known.order).collect();
    let skus: Vec<String> = lines.iter().map(|(_, line)| line.sku.to_string()).collect();
    let quantities: Vec<i64> = lines.iter().map(|(_, line)| line.quantity.get()).collect();
    let prices: Vec<i64> = lines.iter().map(|(_, line)| line.price.amount()).collect();
    let currencies: Vec<String> = lines.iter().map(|(_, line)| line.price.currency().into()).collect();
    let states: Vec<&str> = lines.iter().map(|((_, known), _)| known.state.as_str()).collect();
    let versions: Vec<i64> = lines.iter().map(|((_, known), _)| to_bigint(known.version)).collect();
    values![sagas, orders, skus, quantities, prices, currencies, states, versions, now]
}

async fn lock_reservations(
    on: &Transaction<'_>,
    sagas: &BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Reservation>, StoreError> {
    if sagas.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sagas: Vec<Uuid> = sagas.iter().copied().collect();
    let rows = query(on, LOCK, &[&sagas]).await?;
    let reservations = rows.chunk_by(|a, b| a.get::<_, Uuid>(0) == b.get::<_, Uuid>(0));
    reservations.map(|lines| Ok((lines[0].get(0), read(lines)?))).collect()
}

/// The lines of one reservation, at least one.
fn read(lines: &[Row]) -> Result<Reservation, StoreError> {
    let first = &lines[0];
    let state = first.get(6);
    let items = lines.iter().map(read_line).collect::<Result<_, _>>()?;
    Ok(Reservation {
        order: first.get(1),
        items: Items::new(items).map_err(|error| corrupt("reservations", error))?,
        state: ReservationState::from_name(state)
            .ok_or_else(|| corrupt("reservations", format!("unknown state {state}")))?,
        version: from_bigint(first.get(7)),
    })
}

fn read_line(row: &Row) -> Result<PricedItem, StoreError> {
    let law = |error| corrupt("reservations", error);
    Ok(PricedItem {
        sku: row.get::<_, &str>(2).parse().map_err(law)?,
        quantity: Quantity::new(row.get(3)).map_err(law)?,
        price: stock::read_price(row.get(4), row.get(5)).map_err(law)?,
    })
}
