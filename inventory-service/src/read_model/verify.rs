//! The read model of the pets, held against pet-service's feed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use saga_runtime::check::{Check, Disagreement, Looked};
use saga_runtime::core::Time;
use saga_runtime::http::problem::{PROCESS_SILENT, Problem};
use saga_runtime::{StoreError, clock};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Entry, Inventory, READ_MODEL, changes};
use crate::domain::{Pet, PetChange, Pets};
use crate::store;

/// How long the event of a pet may be on its way. Whoever asks through the orchestrator has 3 seconds.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// How often to look for it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How far the feed was held against the read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Up to this number.
    after: i64,
    /// So many pets until then.
    pets: i64,
    /// Since then, in milliseconds.
    began: i64,
}

impl Place {
    fn first() -> Self {
        let now = clock::now();
        Self { after: 0, pets: 0, began: now.unix_timestamp() * 1000 + i64::from(now.millisecond()) }
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '/').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { after: next()?, pets: next()?, began: next()? })
    }

    fn began(self) -> Option<Time> {
        Time::from_unix_timestamp_nanos(i128::from(self.began) * 1_000_000).ok()
    }
}

impl Check for Inventory {
    fn of(&self) -> &'static str {
        READ_MODEL
    }

    fn look<'a>(&'a self, place: Option<&'a str>) -> BoxFuture<'a, Result<Looked, Problem>> {
        Box::pin(self.hold_against_feed(place))
    }
}

impl Inventory {
    /// Holds a part of the feed against the read model. Both move on meanwhile: what differs is looked at again for as
    /// long as an event may be on its way.
    async fn hold_against_feed(&self, place: Option<&str>) -> Result<Looked, Problem> {
        let unknown = || Problem::invalid_parameter("after is the next of no answer");
        let place = place.map_or_else(|| Some(Place::first()), Place::read).ok_or_else(unknown)?;
        let entries = self.feed_after(place.after).await?;
        let Some(after) = entries.last().map(|last| last.id) else {
            return Ok(Looked { disagree: self.too_many(place).await?, ..Looked::default() });
        };
        let told = changes(&entries)?;
        let first = self.here(&told).await?;
        let (mut here, until) = (first.clone(), Instant::now() + ON_ITS_WAY);
        while told.iter().any(|told| version_of(told.pet, &here) < told.after.version) && Instant::now() < until {
            sleep(LOOK_EVERY).await;
            here = self.here(&told).await?;
        }
        let mut disagree: Vec<Disagreement> = told.iter().filter_map(|told| difference(told, &here)).collect();
        // What the read model knew better than the feed told a moment before, the feed tells now.
        let is_ahead = |told: &PetChange| version_of(told.pet, &first) > told.after.version;
        if told.iter().any(is_ahead) {
            let now = changes(&self.feed_after(place.after).await?)?;
            let now: BTreeMap<Uuid, PetChange> = now.into_iter().map(|told| (told.pet, told)).collect();
            let now = told.iter().map(|told| now.get(&told.pet).unwrap_or(told));
            disagree.extend(now.filter(|now| is_ahead(now)).map(|now| invented(now, &first)));
        }
        let (rows, pets) = (entries.len(), place.pets + i64::try_from(entries.len()).unwrap_or_default());
        Ok(Looked { rows, disagree, next: Some(format!("{after}/{pets}/{}", place.began)) })
    }

    async fn feed_after(&self, number: i64) -> Result<Vec<Entry>, Problem> {
        self.feed.after(number).await.map_err(|why| Problem::new(&PROCESS_SILENT, why))
    }

    async fn here(&self, told: &[PetChange]) -> Result<Pets, StoreError> {
        let pets: Vec<Uuid> = told.iter().map(|told| told.pet).collect();
        store::stand(&self.pool.get().await?, &pets).await
    }

    /// What the read model has beyond the pets that the feed told of. What came since then is left aside.
    async fn too_many(&self, place: Place) -> Result<Vec<Disagreement>, Problem> {
        let began = place.began().ok_or_else(|| Problem::invalid_parameter("after is the next of no answer"))?;
        let client = self.pool.get().await.map_err(StoreError::from)?;
        let here = store::known_before(&client, began).await?;
        let why = format!("the read model has {here} pets, pet-service has {}", place.pets);
        Ok(if here > place.pets { vec![Disagreement { what: READ_MODEL.to_owned(), why }] } else { Vec::new() })
    }
}

fn version_of(pet: Uuid, here: &Pets) -> u64 {
    here.get(&pet).map_or(0, |pet| pet.version)
}

/// In what the read model contradicts the feed, or is behind it.
fn difference(told: &PetChange, here: &Pets) -> Option<Disagreement> {
    let version = told.after.version;
    let why = match here.get(&told.pet) {
        None => format!("not in the read model; pet-service has it at version {version}"),
        Some(pet) if pet.version < version => format!("at version {}; pet-service is at {version}", pet.version),
        Some(pet) if pet.version == version && pet.status != told.after.status => {
            format!("{} at version {version}; pet-service says {}", word(pet), word(&told.after))
        }
        Some(_) => return None,
    };
    Some(Disagreement { what: format!("pet {}", told.pet), why })
}

fn invented(told: &PetChange, here: &Pets) -> Disagreement {
    let why = format!("at version {}, which pet-service never had", version_of(told.pet, here));
    Disagreement { what: format!("pet {}", told.pet), why }
}

fn word(pet: &Pet) -> &'static str {
    pet.status.map_or("deleted", saga_contract::PetStatus::as_str)
}
