//! PostgreSQL: the table `pets` and all SQL on it.

mod row;

use std::collections::BTreeMap;

use saga_contract::{PetNumber, PetStatus};
use saga_runtime::StoreError;
use saga_runtime::store::{Place, Statements, Transaction, Value, Writes, execute, query, query_opt};
use saga_runtime::values;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::Pet;
use row::{PetRow, Stand, corrupt, pet_columns};

const LOCK: &str =
    concat!("SELECT ", pet_columns!(), ", p.ctid FROM pets p WHERE p.id = ANY($1) ORDER BY p.id FOR UPDATE");

const BY_NUMBER: &str = concat!("SELECT ", pet_columns!(), " FROM pets p WHERE p.id = $1");

// Per status first, so that the index serves a rare one among millions of others.
const BY_STATUS: &str = concat!(
    "SELECT ",
    pet_columns!(),
    " FROM unnest($1::text[]) AS asked(status)
    CROSS JOIN LATERAL (
        SELECT * FROM pets WHERE pets.status = asked.status AND pets.id > $4
        ORDER BY pets.id LIMIT $2::int8 + $3::int8) AS p
    ORDER BY p.id OFFSET $2::int8 LIMIT $3::int8"
);

const FEED: &str = "SELECT id, uuid, status, version FROM pets WHERE id > $1 ORDER BY id LIMIT $2";

// Numbers are drawn in bulk, so that a long run that clients took is passed at once.
const DRAW: &str = "
    SELECT min(drawn.id) FROM (SELECT nextval('pet_numbers') AS id FROM generate_series(1, $1::int8)) AS drawn
    WHERE NOT EXISTS (SELECT FROM pets WHERE pets.id = drawn.id)";

const INSERT: &str = "
    INSERT INTO pets SELECT * FROM jsonb_populate_record(NULL::pets, $1)
    ON CONFLICT DO NOTHING";

// Almost every change is an order's: it moves a pet on and leaves alone what the catalogue says of it.
const MOVE_ON: &str = "
    UPDATE pets p
    SET version = t.version, status = t.status,
        reserved_by_order = t.reserved_by_order, reserved_by_saga = t.reserved_by_saga,
        sold_to_order = t.sold_to_order, sold_to_saga = t.sold_to_saga
    FROM unnest($1::tid[], $2::int8[], $3::int8[], $4::int8[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[])
         AS t(place, id, stored, version, status, reserved_by_order, reserved_by_saga, sold_to_order, sold_to_saga)
    WHERE p.ctid = t.place AND p.id IS NOT DISTINCT FROM t.id AND p.version = t.stored";

const UPDATE: &str = "
    UPDATE pets p
    SET version = t.version, name = t.name, category = t.category, photo_urls = t.photo_urls, tags = t.tags,
        price = t.price, currency = t.currency, status = t.status,
        reserved_by_order = t.reserved_by_order, reserved_by_saga = t.reserved_by_saga,
        sold_to_order = t.sold_to_order, sold_to_saga = t.sold_to_saga
    FROM jsonb_populate_recordset(NULL::pets, $1) AS t
    WHERE p.id = t.id AND p.id = ANY($2) AND p.version = ($3::int8[])[array_position($2::int8[], p.id)]";

/// The pets that a transaction touches: locked, changed in memory, written once.
#[derive(Debug, Default)]
pub struct Pets {
    known: BTreeMap<PetNumber, Pet>,
    stored: BTreeMap<PetNumber, Stored>,
    /// Whether what the catalogue says of one of them was changed.
    described: bool,
}

/// What was stored of a pet, and where.
#[derive(Debug, Clone, Copy)]
struct Stored {
    place: Option<Place>,
    version: u64,
}

impl Pets {
    /// These pets, without a database: what changes of them is written nowhere.
    #[must_use]
    pub fn of(pets: impl IntoIterator<Item = Pet>) -> Self {
        Self::stored(pets.into_iter().map(|pet| (None, pet)))
    }

    fn stored(pets: impl IntoIterator<Item = (Option<Place>, Pet)>) -> Self {
        let mut all = Self::default();
        for (place, pet) in pets {
            all.stored.insert(pet.number, Stored { place, version: pet.version });
            all.known.insert(pet.number, pet);
        }
        all
    }

    /// Locks and reads pets, in the order of their numbers. Unknown ones are not in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock(
        transaction: &Transaction<'_>,
        numbers: impl IntoIterator<Item = PetNumber>,
    ) -> Result<Self, StoreError> {
        let numbers: Vec<i64> = numbers.into_iter().map(PetNumber::get).collect();
        if numbers.is_empty() {
            return Ok(Self::default());
        }
        let rows = query(transaction, LOCK, &[&numbers]).await?;
        let pets = rows.iter().map(|row| Ok((Some(row.get(row::COLUMNS)), row::read(row)?)));
        Ok(Self::stored(pets.collect::<Result<Vec<_>, StoreError>>()?))
    }

    /// The pet of this number, with what was changed.
    #[must_use]
    pub fn get(&self, number: PetNumber) -> Option<&Pet> {
        self.known.get(&number)
    }

    /// Takes over a changed pet, which must be one of those that were locked.
    pub fn set(&mut self, pet: Pet) {
        self.described |= self.known.get(&pet.number).is_none_or(|known| known.entry != pet.entry);
        self.known.insert(pet.number, pet);
    }

    /// What was changed.
    #[must_use]
    pub fn writes(self) -> Writes {
        let pairs = self.known.values().map(|pet| (pet, self.stored.get(&pet.number)));
        let changed = pairs.filter(|(pet, stored)| stored.map(|stored| stored.version) != Some(pet.version));
        let (pets, stored): (Vec<&Pet>, Vec<Option<&Stored>>) = changed.unzip();
        let mut writes = Writes::default();
        if !pets.is_empty() {
            let (sql, values) = if self.described { update(&pets, &stored) } else { move_on(&pets, &stored) };
            writes.add_exactly(pets.len(), sql, values);
        }
        writes
    }
}

fn numbers(pets: &[&Pet]) -> Vec<i64> {
    pets.iter().map(|pet| pet.number.get()).collect()
}

fn versions(stored: &[Option<&Stored>]) -> Vec<Option<i64>> {
    stored.iter().map(|stored| Some(row::to_int8(stored.as_ref()?.version))).collect()
}

fn update(pets: &[&Pet], stored: &[Option<&Stored>]) -> (&'static str, Vec<Value>) {
    let rows: Vec<PetRow> = pets.iter().copied().map(PetRow::from).collect();
    (UPDATE, values![Json(rows), numbers(pets), versions(stored)])
}

fn move_on(pets: &[&Pet], stored: &[Option<&Stored>]) -> (&'static str, Vec<Value>) {
    let places: Vec<Option<Place>> = stored.iter().map(|stored| stored.as_ref()?.place).collect();
    let now: Vec<i64> = pets.iter().map(|pet| row::to_int8(pet.version)).collect();
    let stands: Vec<Stand> = pets.iter().map(|pet| Stand::from(pet.state)).collect();
    let statuses: Vec<&str> = stands.iter().map(|stand| stand.status.as_str()).collect();
    let held = |of: fn(&Stand) -> Option<Uuid>| stands.iter().map(of).collect::<Vec<_>>();
    let (reserved_by_order, reserved_by_saga) =
        (held(|stand| stand.reserved_by_order), held(|stand| stand.reserved_by_saga));
    let (sold_to_order, sold_to_saga) = (held(|stand| stand.sold_to_order), held(|stand| stand.sold_to_saga));
    let values = values![
        places,
        numbers(pets),
        versions(stored),
        now,
        statuses,
        reserved_by_order,
        reserved_by_saga,
        sold_to_order,
        sold_to_saga
    ];
    (MOVE_ON, values)
}

/// The pet of this number, deleted ones included.
///
/// # Errors
/// [`StoreError`].
pub async fn find(on: &impl Statements, number: PetNumber) -> Result<Option<Pet>, StoreError> {
    query_opt(on, BY_NUMBER, &[&number.get()]).await?.as_ref().map(row::read).transpose()
}

/// The pets of these statuses with a number above `after`, in the order of their numbers: at most `limit`, after the
/// first `skip`.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_status(
    on: &impl Statements,
    statuses: &[PetStatus],
    after: i64,
    skip: i64,
    limit: i64,
) -> Result<Vec<Pet>, StoreError> {
    let statuses: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    query(on, BY_STATUS, &[&statuses, &skip, &limit, &after]).await?.iter().map(row::read).collect()
}

/// Where a pet stands: what a read model of the pets is rebuilt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The pet's public number.
    pub number: i64,
    /// Its id.
    pub id: Uuid,
    /// `available`, `pending`, `sold` or `deleted`.
    pub status: String,
    /// Its version.
    pub version: i64,
}

/// Where the pets with a number above `after` stand, in the order of their numbers: at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub async fn feed(on: &impl Statements, after: i64, limit: i64) -> Result<Vec<Standing>, StoreError> {
    let rows = query(on, FEED, &[&after, &limit]).await?;
    let standing = rows.iter().map(|row| Standing {
        number: row.get("id"),
        id: row.get("uuid"),
        status: row.get("status"),
        version: row.get("version"),
    });
    Ok(standing.collect())
}

/// Draws `count` numbers that were never drawn before, and gives the first that no pet has.
///
/// # Errors
/// [`StoreError`].
pub async fn draw(transaction: &Transaction<'_>, count: i64) -> Result<Option<PetNumber>, StoreError> {
    let row = query_opt(transaction, DRAW, &[&count]).await?;
    let number: Option<i64> = row.and_then(|row| row.get(0));
    number.map(PetNumber::new).transpose().map_err(|error| corrupt(error.to_string()))
}

/// Adds a new pet; `false` when its number was taken before.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(transaction: &Transaction<'_>, pet: &Pet) -> Result<bool, StoreError> {
    Ok(execute(transaction, INSERT, &[&Json(PetRow::from(pet))]).await? == 1)
}
