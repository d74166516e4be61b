//! A row of `pets`, as PostgreSQL reads and writes it as JSON, field for column.

use saga_contract::{Category, Currency, Money, PetNumber};
use saga_runtime::StoreError;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::{Entry, Holder, Pet, State, Tag};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PetRow {
    id: i64,
    uuid: Uuid,
    version: i64,
    name: String,
    category: Option<Category>,
    photo_urls: Vec<String>,
    tags: Vec<Tag>,
    price: i64,
    currency: Currency,
    status: Status,
    reserved_by_order: Option<Uuid>,
    reserved_by_saga: Option<Uuid>,
    sold_to_order: Option<Uuid>,
    sold_to_saga: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Available,
    Pending,
    Sold,
    Deleted,
}

impl PetRow {
    pub(super) fn number(&self) -> i64 {
        self.id
    }
}

/// The pet of a row.
pub(super) fn read(row: &Row) -> Result<Pet, StoreError> {
    let Json(row): Json<PetRow> = row.try_get(0).map_err(|error| corrupt(describe(&error)))?;
    let number = row.id;
    Pet::try_from(row).map_err(|why| corrupt(format!("pet {number}: {why}")))
}

/// What is stored of the pets cannot be right.
pub(super) fn corrupt(why: String) -> StoreError {
    StoreError::Corrupt { what: "pets".to_owned(), why }
}

/// A version as PostgreSQL stores it.
pub(super) fn to_int8(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

impl From<&Pet> for PetRow {
    fn from(pet: &Pet) -> Self {
        let (status, reserved_by, sold_to) = match pet.state {
            State::Available => (Status::Available, None, None),
            State::Reserved(holder) => (Status::Pending, Some(holder), None),
            State::Sold(holder) => (Status::Sold, None, Some(holder)),
            State::Deleted => (Status::Deleted, None, None),
        };
        let Entry { name, category, photo_urls, tags, price } = pet.entry.clone();
        Self {
            id: pet.number.get(),
            uuid: pet.id,
            version: to_int8(pet.version),
            name,
            category,
            photo_urls,
            tags,
            price: price.amount(),
            currency: price.currency(),
            status,
            reserved_by_order: reserved_by.map(|holder| holder.order),
            reserved_by_saga: reserved_by.map(|holder| holder.saga),
            sold_to_order: sold_to.map(|holder| holder.order),
            sold_to_saga: sold_to.map(|holder| holder.saga),
        }
    }
}

impl TryFrom<PetRow> for Pet {
    type Error = String;

    fn try_from(row: PetRow) -> Result<Self, String> {
        let state = match row.status {
            Status::Available => State::Available,
            Status::Pending => State::Reserved(holder(row.reserved_by_order, row.reserved_by_saga)?),
            Status::Sold => State::Sold(holder(row.sold_to_order, row.sold_to_saga)?),
            Status::Deleted => State::Deleted,
        };
        let PetRow { name, category, photo_urls, tags, .. } = row;
        let price = Money::new(row.price, row.currency).map_err(|error| error.to_string())?;
        Ok(Self {
            number: PetNumber::new(row.id).map_err(|error| error.to_string())?,
            id: row.uuid,
            version: u64::try_from(row.version).map_err(|error| error.to_string())?,
            entry: Entry { name, category, photo_urls, tags, price },
            state,
        })
    }
}

fn holder(order: Option<Uuid>, saga: Option<Uuid>) -> Result<Holder, String> {
    let holder = order.zip(saga).map(|(order, saga)| Holder { order, saga });
    holder.ok_or_else(|| "it has no holder".to_owned())
}

fn describe(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pet(state: State) -> Pet {
        let tags = vec![Tag { id: None, name: Some("shy".to_owned()) }, Tag::default()];
        let entry = Entry {
            name: "Miso".to_owned(),
            category: Some(Category { id: Some(i64::MIN), name: None }),
            photo_urls: vec!["a".to_owned(), String::new()],
            tags,
            price: Money::new(Money::MAX_AMOUNT, Currency::EUR).unwrap(),
        };
        Pet { number: PetNumber::MAX, id: Uuid::from_u128(7), version: 3, entry, state }
    }

    #[test]
    fn a_pet_comes_back_from_its_row_as_it_was() {
        let holder = Holder { order: Uuid::from_u128(1), saga: Uuid::from_u128(2) };
        for state in [State::Available, State::Reserved(holder), State::Sold(holder), State::Deleted] {
            let json = serde_json::to_string(&PetRow::from(&pet(state))).unwrap();
            let row: PetRow = serde_json::from_str(&json).unwrap();
            assert_eq!(Pet::try_from(row), Ok(pet(state)));
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_no_pet() {
        let row = PetRow { status: Status::Pending, ..PetRow::from(&pet(State::Available)) };
        assert_eq!(Pet::try_from(row), Err("it has no holder".to_owned()));
        let row = PetRow { id: 0, ..PetRow::from(&pet(State::Available)) };
        assert!(Pet::try_from(row).is_err());
    }
}
