//! Whether each pet has the id that its number leads to.

use futures_util::future::BoxFuture;
use saga_contract::{Names, PetNumber};
use saga_runtime::check::{Check, Disagreement, Looked};
use saga_runtime::http::problem::Problem;
use saga_runtime::{Pool, StoreError};

use crate::store::{self, Standing};

/// How many pets are looked at in one part.
const AT_ONCE: i64 = 1000;

/// The ids of the pets, computed again.
#[derive(Debug, Clone)]
pub struct PetIds {
    /// The database.
    pub pool: Pool,
    /// The forges of the ids.
    pub names: Names,
}

impl PetIds {
    async fn part(&self, place: Option<&str>) -> Result<Looked, Problem> {
        let unknown = |_| Problem::invalid_parameter("after is the next of no answer");
        let after = place.map_or(Ok(0), |place| place.parse().map_err(unknown))?;
        let pets = store::feed(&self.pool.get().await.map_err(StoreError::from)?, after, AT_ONCE).await?;
        let disagree = pets.iter().filter_map(|pet| self.wrong(pet)).collect();
        Ok(Looked { rows: pets.len(), disagree, next: pets.last().map(|last| last.number.to_string()) })
    }

    fn wrong(&self, pet: &Standing) -> Option<Disagreement> {
        let right = PetNumber::new(pet.number).is_ok_and(|number| self.names.pet(number) == pet.id);
        let what = || format!("pet {} {}", pet.number, pet.id);
        (!right).then(|| Disagreement { what: what(), why: "its id does not follow from its number".to_owned() })
    }
}

impl Check for PetIds {
    fn of(&self) -> &'static str {
        "pets"
    }

    fn look<'a>(&'a self, place: Option<&'a str>) -> BoxFuture<'a, Result<Looked, Problem>> {
        Box::pin(self.part(place))
    }
}
