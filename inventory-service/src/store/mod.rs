//! The service's SQL: statements as named constants, prepared once per connection.
//!
//! Every transaction locks in the same order, and within a table in the order of its keys:
//! pets, reservations, supplies, and last one slot of the counts; pets and slots for each generation of
//! the read model. So none waits for another in a circle.

mod pets;
mod stock;
mod warehouse;

use std::collections::BTreeSet;

use saga_contract::Sku;
use saga_runtime::core::Time;
use saga_runtime::store::{Writes, together};
use saga_runtime::{StoreError, Transaction};
use uuid::Uuid;

use crate::domain::{Generations, Warehouse};

pub use pets::{clear, counts, fill, known_before, read_status, stand};
pub use stock::{find, list, lock_to_set, save_set};

/// What a batch of messages touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The sagas whose reservations are asked for.
    pub sagas: BTreeSet<Uuid>,
    /// The supplies that are asked for; those of the reservations come in by themselves.
    pub supplies: BTreeSet<Sku>,
    /// The pets.
    pub pets: BTreeSet<Uuid>,
}

/// Locks and reads all that is touched, as far as it exists.
///
/// # Errors
/// [`StoreError`].
pub async fn lock(on: &Transaction<'_>, touched: &Touched) -> Result<(Warehouse, Generations), StoreError> {
    let (pets, warehouse) =
        together(pets::lock(on, &touched.pets), warehouse::lock(on, &touched.sagas, &touched.supplies)).await?;
    Ok((warehouse, pets))
}

/// What became of what was locked: the difference between before and after. It meets a unique violation when another
/// copy was first with a new row.
#[must_use]
pub fn writes(before: &(Warehouse, Generations), after: &(Warehouse, Generations), now: Time) -> Writes {
    warehouse::writes(&before.0, &after.0, now).and(pets::writes(&before.1, &after.1, now))
}

fn corrupt(what: &str, why: impl ToString) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), why: why.to_string() }
}

/// A version as the database keeps it.
fn to_bigint(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// A version as it was kept.
fn from_bigint(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}
