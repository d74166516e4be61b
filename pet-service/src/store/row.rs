//! A row of `pets`. It is written as JSON, field for column, when all of it may have changed.

use saga_contract::{Category, Currency, Money, PetNumber};
use saga_runtime::StoreError;
use serde::{Serialize, Serializer};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::domain::{Entry, Holder, Pet, State, Tag};

/// The columns of a pet, as [`read`] takes them.
macro_rules! pet_columns {
    () => {
        "p.id, p.uuid, p.version, p.name, p.category, p.photo_urls, p.tags, p.price, p.currency, p.status,
         p.reserved_by_order, p.reserved_by_saga, p.sold_to_order, p.sold_to_saga"
    };
}
pub(super) use pet_columns;

/// How many they are: what a statement asks for behind them comes next.
pub(super) const COLUMNS: usize = 14;

#[derive(Debug, Serialize)]
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
    #[serde(flatten)]
    stand: Stand,
}

/// The columns of a pet that orders change.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Stand {
    pub(super) status: Status,
    pub(super) reserved_by_order: Option<Uuid>,
    pub(super) reserved_by_saga: Option<Uuid>,
    pub(super) sold_to_order: Option<Uuid>,
    pub(super) sold_to_saga: Option<Uuid>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Status {
    Available,
    Pending,
    Sold,
    Deleted,
}

impl Status {
    const ALL: [Self; 4] = [Self::Available, Self::Pending, Self::Sold, Self::Deleted];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Pending => "pending",
            Self::Sold => "sold",
            Self::Deleted => "deleted",
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The pet of a row.
pub(super) fn read(row: &Row) -> Result<Pet, StoreError> {
    let number: i64 = row.get(0);
    let wrong = |why: String| corrupt(format!("pet {number}: {why}"));
    Pet::try_from(columns(row).map_err(|error| wrong(describe(error.as_ref())))?).map_err(wrong)
}

fn columns(row: &Row) -> Result<PetRow, Box<dyn std::error::Error + Send + Sync>> {
    let category: Option<Json<Category>> = row.try_get(4)?;
    let (Json(photo_urls), Json(tags)) = (row.try_get(5)?, row.try_get(6)?);
    let (currency, status): (&str, &str) = (row.try_get(8)?, row.try_get(9)?);
    Ok(PetRow {
        id: row.try_get(0)?,
        uuid: row.try_get(1)?,
        version: row.try_get(2)?,
        name: row.try_get(3)?,
        category: category.map(|Json(category)| category),
        photo_urls,
        tags,
        price: row.try_get(7)?,
        currency: currency.parse()?,
        stand: Stand {
            status: Status::ALL.into_iter().find(|known| known.as_str() == status).ok_or("its status is unknown")?,
            reserved_by_order: row.try_get(10)?,
            reserved_by_saga: row.try_get(11)?,
            sold_to_order: row.try_get(12)?,
            sold_to_saga: row.try_get(13)?,
        },
    })
}

/// What is stored of the pets cannot be right.
pub(super) fn corrupt(why: String) -> StoreError {
    StoreError::Corrupt { what: "pets".to_owned(), why }
}

/// A version as PostgreSQL stores it.
pub(super) fn to_int8(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

impl From<State> for Stand {
    fn from(state: State) -> Self {
        let (status, reserved_by, sold_to) = match state {
            State::Available => (Status::Available, None, None),
            State::Reserved(holder) => (Status::Pending, Some(holder), None),
            State::Sold(holder) => (Status::Sold, None, Some(holder)),
            State::Deleted => (Status::Deleted, None, None),
        };
        Self {
            status,
            reserved_by_order: reserved_by.map(|holder| holder.order),
            reserved_by_saga: reserved_by.map(|holder| holder.saga),
            sold_to_order: sold_to.map(|holder| holder.order),
            sold_to_saga: sold_to.map(|holder| holder.saga),
        }
    }
}

impl From<&Pet> for PetRow {
    fn from(pet: &Pet) -> Self {
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
            stand: Stand::from(pet.state),
        }
    }
}

impl TryFrom<PetRow> for Pet {
    type Error = String;

    fn try_from(row: PetRow) -> Result<Self, String> {
        let stand = row.stand;
        let state = match stand.status {
            Status::Available => State::Available,
            Status::Pending => State::Reserved(holder(stand.reserved_by_order, stand.reserved_by_saga)?),
            Status::Sold => State::Sold(holder(stand.sold_to_order, stand.sold_to_saga)?),
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

fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
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
            assert_eq!(Pet::try_from(PetRow::from(&pet(state))), Ok(pet(state)));
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_no_pet() {
        let held = Stand { status: Status::Pending, ..Stand::from(State::Available) };
        let row = PetRow { stand: held, ..PetRow::from(&pet(State::Available)) };
        assert_eq!(Pet::try_from(row), Err("it has no holder".to_owned()));
        let row = PetRow { id: 0, ..PetRow::from(&pet(State::Available)) };
        assert!(Pet::try_from(row).is_err());
    }
}
