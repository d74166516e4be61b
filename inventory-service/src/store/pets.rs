//! Rows of the read model, and their counts.
//!
//! Counting a million rows by an index on their status takes 46 ms at best (PostgreSQL 15, two
//! cores, freshly vacuumed), the sum of 32 slots 0.1 ms; so each transaction adds what it changed
//! to the slot of its connection. Eight writers at once made 4,350 changes a second with slots and
//! 1,980 with one row that all of them wait for.

use std::collections::{BTreeMap, BTreeSet};

use saga_contract::PetStatus;
use saga_runtime::core::Time;
use saga_runtime::read_model::live_generations;
use saga_runtime::store::{Statements, Writes, execute, query, together};
use saga_runtime::{StoreError, Transaction, values};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{corrupt, from_bigint, to_bigint};
use crate::domain::{Counts, Generations, Pet, PetChange, Pets};
use crate::read_model::READ_MODEL;

const DELETED: &str = "deleted";

// A search for each pet: asked for in one, the order would be had by reading all of a generation.
const LOCK: &str = "
    SELECT p.generation, p.pet, p.status, p.version
    FROM unnest($1::uuid[]) AS asked(pet) CROSS JOIN LATERAL (
        SELECT generation, pet, status, version FROM pets
        WHERE generation = ANY(ARRAY(SELECT unnest(ARRAY[serving, filling]) FROM read_models WHERE name = $2))
          AND pets.pet = asked.pet
        ORDER BY generation FOR UPDATE) AS p";

const LOCK_IN: &str = "
    SELECT p.generation, p.pet, p.status, p.version
    FROM unnest($1::uuid[]) AS asked(pet) CROSS JOIN LATERAL (
        SELECT generation, pet, status, version FROM pets
        WHERE generation = $2 AND pets.pet = asked.pet FOR UPDATE) AS p";

// Plain: if another copy was first, this fails, and the batch is run again and sees it.
const INSERT: &str = "
    INSERT INTO pets (generation, pet, status, version, updated_at)
    SELECT $5, t.pet, t.status, t.version, $4
    FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS t(pet, status, version)";

// A search for each pet here, too, whatever the table held when this was planned. The rows are locked: they stay where
// they are found.
const UPDATE: &str = "
    UPDATE pets SET status = t.status, version = t.version, updated_at = $4
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $6::bigint[]) AS t(pet, status, version, expected)
    CROSS JOIN LATERAL (
        SELECT ctid FROM pets
        WHERE generation = $5 AND pets.pet = t.pet AND pets.version = t.expected OFFSET 0) AS found(place)
    WHERE pets.ctid = found.place";

const ADD: &str = "
    INSERT INTO pet_counts AS c (generation, slot, available, pending, sold)
    VALUES ($4, pg_backend_pid() % 32, $1, $2, $3)
    ON CONFLICT (generation, slot) DO UPDATE
    SET available = c.available + $1, pending = c.pending + $2, sold = c.sold + $3";

const COUNTS: &str = "
    SELECT coalesce(sum(available), 0)::bigint, coalesce(sum(pending), 0)::bigint, coalesce(sum(sold), 0)::bigint
    FROM pet_counts WHERE generation = (SELECT serving FROM read_models WHERE name = $1)";

const STAND: &str = "
    SELECT p.generation, p.pet, p.status, p.version
    FROM unnest($1::uuid[]) AS asked(pet) CROSS JOIN LATERAL (
        SELECT generation, pet, status, version FROM pets
        WHERE generation = (SELECT serving FROM read_models WHERE name = $2) AND pets.pet = asked.pet OFFSET 0) AS p";

const KNOWN_BEFORE: &str = "
    SELECT count(*) FROM pets
    WHERE generation = (SELECT serving FROM read_models WHERE name = $1) AND updated_at < $2";

// In the order of the keys, as everybody locks.
const CLEAR: &str = "
    DELETE FROM pets WHERE (generation, pet) IN (
        SELECT generation, pet FROM pets WHERE generation < $1 ORDER BY generation, pet LIMIT $2 FOR UPDATE)";

const CLEAR_COUNTS: &str = "DELETE FROM pet_counts WHERE generation < $1";

/// How many rows are removed in one transaction.
const AT_ONCE: i64 = 2000;

/// How many pets have each status.
///
/// # Errors
/// [`StoreError`].
pub async fn counts(on: &impl Statements) -> Result<Counts, StoreError> {
    let rows = query(on, COUNTS, &[&READ_MODEL]).await?;
    let row = rows.first().ok_or_else(|| corrupt("pet_counts", "no sum"))?;
    Ok(Counts { available: row.get(0), pending: row.get(1), sold: row.get(2) })
}

/// Where these pets stand by the read model, as far as it knows them.
///
/// # Errors
/// [`StoreError`].
pub async fn stand(on: &impl Statements, pets: &[Uuid]) -> Result<Pets, StoreError> {
    let rows = query(on, STAND, &[&pets, &READ_MODEL]).await?;
    rows.iter().map(|row| read(row).map(|(_, pet)| pet)).collect()
}

/// How many pets the read model knows that no event has changed since this time.
///
/// # Errors
/// [`StoreError`].
pub async fn known_before(on: &impl Statements, time: Time) -> Result<i64, StoreError> {
    let rows = query(on, KNOWN_BEFORE, &[&READ_MODEL, &time]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Applies what is known of pets to one generation of the read model.
///
/// # Errors
/// [`StoreError`]; a unique violation when an event was first with a new row.
pub async fn fill(on: &Transaction<'_>, generation: i32, changes: &[PetChange], now: Time) -> Result<(), StoreError> {
    // In the order of the keys, as everybody locks.
    let ids: Vec<Uuid> = changes.iter().map(|change| change.pet).collect::<BTreeSet<_>>().into_iter().collect();
    let before = of_rows([generation], &query(on, LOCK_IN, &[&ids, &generation]).await?)?;
    let mut after = before.clone();
    for change in changes {
        after.apply(*change);
    }
    writes(&before, &after, now).send(on).await
}

/// Removes some rows of generations before this one, and says whether there may be more.
///
/// # Errors
/// [`StoreError`].
pub async fn clear(on: &Transaction<'_>, before: i32) -> Result<bool, StoreError> {
    let removed = execute(on, CLEAR, &[&before, &AT_ONCE]).await?;
    let more = i64::try_from(removed).is_ok_and(|removed| removed >= AT_ONCE);
    if !more {
        execute(on, CLEAR_COUNTS, &[&before]).await?;
    }
    Ok(more)
}

pub(super) async fn lock(on: &Transaction<'_>, pets: &BTreeSet<Uuid>) -> Result<Generations, StoreError> {
    if pets.is_empty() {
        return Ok(Generations::default());
    }
    let pets: Vec<Uuid> = pets.iter().copied().collect();
    // A generation that is opened or dropped between the two is one that this transaction need not write.
    let (live, rows) = together(live_generations(on, READ_MODEL), query(on, LOCK, &[&pets, &READ_MODEL])).await?;
    of_rows(live, &rows)
}

/// Rows sorted by their generations, of which there are these.
fn of_rows(live: impl IntoIterator<Item = i32>, rows: &[Row]) -> Result<Generations, StoreError> {
    let mut generations: BTreeMap<i32, Vec<(Uuid, Pet)>> = live.into_iter().map(|live| (live, Vec::new())).collect();
    for row in rows {
        let (generation, pet) = read(row)?;
        generations.entry(generation).and_modify(|pets| pets.push(pet));
    }
    Ok(generations.into_iter().map(|(generation, pets)| (generation, pets.into_iter().collect())).collect())
}

fn read(row: &Row) -> Result<(i32, (Uuid, Pet)), StoreError> {
    let status = read_status(row.get(2))?;
    Ok((row.get(0), (row.get(1), Pet { status, version: from_bigint(row.get(3)) })))
}

pub(super) fn writes(before: &Generations, after: &Generations, now: Time) -> Writes {
    let mut writes = Writes::default();
    for (generation, after) in after.iter() {
        let Some(before) = before.get(generation) else { continue };
        let changed = after.iter().filter(|(pet, now)| before.get(pet) != Some(now));
        let (old, new): (Vec<_>, Vec<_>) = changed.partition(|(pet, _)| before.get(pet).is_some());
        if !new.is_empty() {
            let (pets, states, versions) = columns(&new);
            writes.add(INSERT, values![pets, states, versions, now, generation]);
        }
        if !old.is_empty() {
            let expected = old.iter().filter_map(|(pet, _)| before.get(pet)).map(|pet| to_bigint(pet.version));
            let expected: Vec<i64> = expected.collect();
            let (pets, states, versions) = columns(&old);
            writes.add_exactly(old.len(), UPDATE, values![pets, states, versions, now, generation, expected]);
        }
        let counts = after.counts() - before.counts();
        if counts != Counts::default() {
            writes.add(ADD, values![counts.available, counts.pending, counts.sold, generation]);
        }
    }
    writes
}

fn columns<'a>(pets: &[(&'a Uuid, &'a Pet)]) -> (Vec<Uuid>, Vec<&'static str>, Vec<i64>) {
    let ids = pets.iter().map(|(id, _)| **id).collect();
    let states = pets.iter().map(|(_, pet)| pet.status.map_or(DELETED, PetStatus::as_str)).collect();
    let versions = pets.iter().map(|(_, pet)| to_bigint(pet.version)).collect();
    (ids, states, versions)
}

/// A status as it is kept, and as pet-service's feed tells it.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_status(name: &str) -> Result<Option<PetStatus>, StoreError> {
    if name == DELETED {
        return Ok(None);
    }
    let status = PetStatus::ALL.into_iter().find(|status| status.as_str() == name);
    status.map(Some).ok_or_else(|| corrupt("pets", format!("unknown status {name}")))
}
