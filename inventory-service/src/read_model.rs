//! The read model of the pets, rebuilt from pet-service's feed and held against it.
//!
//! The feed tells of every pet that ever was where it stands at which version: all that the read model keeps, and more
//! than the messages of the last weeks do. Business asks no other service; this is for an operator's word alone.

mod verify;

use std::time::Duration;

use reqwest::{Client, Response, Url};
use saga_runtime::read_model::{Found, ReadModel};
use saga_runtime::{Pool, StoreError, Transaction, clock};
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::{Pet, PetChange};
use crate::store;

/// What operators call it: it answers getInventory.
pub const READ_MODEL: &str = "inventory";

/// How long pet-service may take for a part of the feed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The read model, with its source.
#[derive(Debug, Clone)]
pub struct Inventory {
    pool: Pool,
    feed: Feed,
}

/// pet-service's feed of all pets.
#[derive(Debug, Clone)]
struct Feed {
    client: Client,
    pet_service: Url,
}

/// A pet, as the feed tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Entry {
    id: i64,
    uuid: Uuid,
    status: String,
    version: u64,
}

impl Inventory {
    /// The read model in this database, of the pets of pet-service there.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(pool: Pool, pet_service: Url) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(PATIENCE).tcp_nodelay(true).build()?;
        Ok(Self { pool, feed: Feed { client, pet_service } })
    }
}

impl Feed {
    /// The pets after a number, as many as are told of at a time.
    async fn after(&self, number: i64) -> Result<Vec<Entry>, String> {
        let said = |error: reqwest::Error| format!("pet-service at {}: {}", self.pet_service, innermost(&error));
        let mut url = self.pet_service.join("api/v3/pet/feed").map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("after", &number.to_string());
        let answer = self.client.get(url).send().await.and_then(Response::error_for_status).map_err(said)?;
        answer.json().await.map_err(said)
    }
}

impl Entry {
    fn change(&self) -> Result<PetChange, StoreError> {
        let status = store::read_status(&self.status)?;
        Ok(PetChange { pet: self.uuid, after: Pet { status, version: self.version } })
    }
}

fn changes(entries: &[Entry]) -> Result<Vec<PetChange>, StoreError> {
    entries.iter().map(Entry::change).collect()
}

impl ReadModel for Inventory {
    type Part = Vec<PetChange>;

    fn name(&self) -> &'static str {
        READ_MODEL
    }

    async fn read(&self, after: i64) -> Result<Option<Found<Self::Part>>, String> {
        let entries = self.feed.after(after).await?;
        let Some(last) = entries.last() else { return Ok(None) };
        let part = changes(&entries).map_err(|error| error.to_string())?;
        Ok(Some(Found { part, entries: i64::try_from(entries.len()).unwrap_or(i64::MAX), place: last.id }))
    }

    async fn fill(&self, on: &Transaction<'_>, generation: i32, part: &Self::Part) -> Result<(), StoreError> {
        store::fill(on, generation, part, clock::now()).await
    }

    async fn clear(&self, on: &Transaction<'_>, before: i32) -> Result<bool, StoreError> {
        store::clear(on, before).await
    }
}

/// The innermost cause says most.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
