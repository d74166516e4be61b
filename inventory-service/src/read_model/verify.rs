//! The read model of the pets, held against pet-service's feed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use saga_runtime::check::{Check, Disagreement, Looked};
use saga_runtime::core::{Time, storable};
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
    /// Since then, to the millisecond.
    began: Time,
}

impl Place {
    fn first() -> Self {
        Self { after: 0, pets: 0, began: clock::now() }
    }

    /// A client may write anything: what no answer says is none.
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '/').map(|number| number.parse().ok().filter(|number: &i64| *number >= 0));
        let mut next = || numbers.next()?;
        let (after, pets, began) = (next()?, next()?, next()?);
        let began = Time::from_unix_timestamp_nanos(i128::from(began) * 1_000_000).ok().and_then(storable)?;
        Some(Self { after, pets, began })
    }

    /// After so many more pets, up to this number; `None` where there cannot be as many.
    fn next(self, number: i64, pets: usize) -> Option<Self> {
        let pets = self.pets.checked_add(i64::try_from(pets).ok()?)?;
        Some(Self { after: number, pets, ..self })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let began = self.began.unix_timestamp() * 1000 + i64::from(self.began.millisecond());
        write!(f, "{}/{}/{began}", self.after, self.pets)
    }
}

fn unknown() -> Problem {
    Problem::invalid_parameter("after is the next of no answer")
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
        let place = place.map_or_else(|| Some(Place::first()), Place::read).ok_or_else(unknown)?;
        let entries = self.feed_after(place.after).await?;
        let Some(after) = entries.last().map(|last| last.id) else {
            return Ok(Looked { disagree: self.too_many(place).await?, ..Looked::default() });
        };
        let next = place.next(after, entries.len()).ok_or_else(unknown)?;
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
        Ok(Looked { rows: entries.len(), disagree, next: Some(next.to_string()) })
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
        let client = self.pool.get().await.map_err(StoreError::from)?;
        let here = store::known_before(&client, place.began).await?;
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
