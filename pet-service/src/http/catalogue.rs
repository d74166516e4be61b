//! What the owner of the store does: each change and the event that tells of it in one transaction.

use saga_contract::messages::{PetCreated, PetDeleted, PetUpdated};
use saga_contract::{Names, PetNumber, PetStatus, processes};
use saga_runtime::core::{Body, Ids, Message, Payload};
use saga_runtime::store::Lists;
use saga_runtime::{Outgoing, StoreError, Transaction, Writer, clock};

use super::query::{ByStatus, FeedPage};
use crate::domain::{Draft, Entry, Pet};
use crate::error::Error;
use crate::store::{self, Pets, Standing};

/// How many numbers are drawn at a time, until one is free: clients may have taken long runs.
const DRAWS: [i64; 4] = [1, 100, 10_000, 1_000_000];

/// The pets, as the owner of the store and their clients see them.
#[derive(Clone)]
pub struct Catalogue {
    writer: Writer,
    lists: Lists,
    ids: Ids,
    names: Names,
}

impl Catalogue {
    /// A catalogue that forges the ids of pets and events so.
    #[must_use]
    pub fn new(writer: Writer, ids: Ids, names: Names) -> Self {
        Self { lists: Lists::new(writer.pool().clone()), writer, ids, names }
    }

    /// Adds a pet under a number, or under a free one.
    ///
    /// # Errors
    /// [`Error`]: the number is or was taken, the draft is refused.
    pub async fn add(&self, number: Option<PetNumber>, draft: Draft) -> Result<Pet, Error> {
        let work = async |transaction: &Transaction<'_>| {
            let pet = match number {
                Some(number) => self.born(transaction, number, draft).await?.ok_or(Error::Exists(number))?,
                None => self.born_under_any(transaction, draft).await?,
            };
            let Entry { name, category, price, .. } = pet.entry.clone();
            let (number, status) = (pet.number, PetStatus::Available);
            let event = self.event(&pet, &PetCreated { pet: pet.id, pet_id: number, name, status, category, price })?;
            Ok((pet, vec![event]))
        };
        self.writer.write(work).await
    }

    /// Changes the entry of a pet. One that is as the draft says already stays as it is, and
    /// nothing is told.
    ///
    /// # Errors
    /// [`Error`]: the pet is unknown, the draft is refused.
    pub async fn update(&self, number: PetNumber, draft: Draft) -> Result<Pet, Error> {
        let work = async |transaction: &Transaction<'_>| {
            let mut pets = Pets::lock(transaction, [number]).await?;
            let pet = pets.get(number).ok_or(Error::Unknown(number.get()))?;
            let Some(pet) = pet.update(draft)? else { return Ok((pet.clone(), vec![])) };
            let status = pet.state.status().ok_or(Error::Unknown(number.get()))?;
            let Entry { name, category, price, .. } = pet.entry.clone();
            let event = self.event(&pet, &PetUpdated { pet: pet.id, pet_id: number, name, status, category, price })?;
            pets.set(pet.clone());
            pets.writes().send(transaction).await?;
            Ok((pet, vec![event]))
        };
        self.writer.write(work).await
    }

    /// Takes a pet out of the store. Its row stays.
    ///
    /// # Errors
    /// [`Error`]: the pet is unknown, reserved or sold.
    pub async fn delete(&self, number: PetNumber) -> Result<(), Error> {
        let work = async |transaction: &Transaction<'_>| {
            let mut pets = Pets::lock(transaction, [number]).await?;
            let pet = pets.get(number).ok_or(Error::Unknown(number.get()))?.delete()?;
            let Entry { name, category, price, .. } = pet.entry.clone();
            let status = PetStatus::Available;
            let event = self.event(&pet, &PetDeleted { pet: pet.id, pet_id: number, name, status, category, price })?;
            pets.set(pet);
            pets.writes().send(transaction).await?;
            Ok(((), vec![event]))
        };
        self.writer.write(work).await
    }

    /// The pet of this number.
    ///
    /// # Errors
    /// [`Error::Unknown`], also for a deleted one.
    pub async fn find(&self, number: PetNumber) -> Result<Pet, Error> {
        let client = self.writer.pool().get().await.map_err(StoreError::from)?;
        let pet = store::find(&client, number).await?;
        pet.filter(|pet| pet.state.status().is_some()).ok_or(Error::Unknown(number.get()))
    }

    /// One page of the pets of some statuses, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn find_by_status(&self, asked: &ByStatus) -> Result<(Vec<Pet>, bool), Error> {
        let ByStatus { statuses, after, skip, limit } = asked;
        let reading = async |on: &Transaction<'_>| store::find_by_status(on, statuses, *after, *skip, limit + 1).await;
        let mut pets = self.lists.read(reading).await?;
        let more = pets.len() as i64 > *limit;
        if more {
            pets.pop();
        }
        Ok((pets, more))
    }

    /// One page of the feed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn feed(&self, page: FeedPage) -> Result<Vec<Standing>, Error> {
        let client = self.writer.pool().get().await.map_err(StoreError::from)?;
        Ok(store::feed(&client, page.after, page.limit).await?)
    }

    /// A pet stored under a number; none when that is taken.
    async fn born(&self, on: &Transaction<'_>, number: PetNumber, draft: Draft) -> Result<Option<Pet>, Error> {
        let pet = Pet::born(number, self.names.pet(number), draft)?;
        Ok(store::insert(on, &pet).await?.then_some(pet))
    }

    async fn born_under_any(&self, on: &Transaction<'_>, draft: Draft) -> Result<Pet, Error> {
        for count in DRAWS {
            let Some(number) = store::draw(on, count).await? else { continue };
            if let Some(pet) = self.born(on, number, draft.clone()).await? {
                return Ok(pet);
            }
        }
        Err(Error::NoFreeId)
    }

    fn event<P: Payload>(&self, pet: &Pet, payload: &P) -> Result<Outgoing, Error> {
        let body = Body::of(payload)
            .map_err(|error| StoreError::Corrupt { what: P::TYPE.to_owned(), why: error.to_string() })?;
        let subject = pet.id.to_string();
        let id = self.ids.event_at(&subject, pet.version, P::TYPE);
        Ok(Message::new(id, processes::PET_SERVICE, subject, body, clock::now()).at_version(pet.version).into())
    }
}
