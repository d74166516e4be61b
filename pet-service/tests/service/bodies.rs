//! The law of the bodies of pets, for the fuzz target and for what it kept: any bytes are a pet that can be stored, or the
//! client's to correct.

use pet_service::domain::Pet;
use pet_service::error::Error;
use pet_service::http::wire::PetDocument;
use pet_service::http::{to_add, to_update};
use saga_contract::PetNumber;
use saga_runtime::http::{Json, Problem};
use saga_runtime::testing::is_taken;
use serde_json::{Value, json};
use uuid::Uuid;

/// Reads a body as both requests that have one do; says whether it is taken to add a pet, and to update one.
///
/// # Panics
/// When the law does not hold.
pub(crate) fn check(bytes: &[u8]) -> (bool, bool) {
    (is_taken(added(bytes)), is_taken(updated(bytes)))
}

fn added(bytes: &[u8]) -> Result<Value, Problem> {
    let Json(document) = Json::from_bytes(bytes)?;
    let (number, draft) = to_add(document)?;
    let pet = Pet::born(number.unwrap_or(PetNumber::MIN), Uuid::nil(), draft).map_err(Error::from)?;
    Ok(stored(pet))
}

fn updated(bytes: &[u8]) -> Result<Value, Problem> {
    let Json(document) = Json::from_bytes(bytes)?;
    let (number, draft) = to_update(document)?;
    let (name, price) = ("Miso".to_owned(), Some(25_000));
    let before = Pet::born(number, Uuid::nil(), pet_service::domain::Draft { name, price, ..Default::default() });
    let before = before.map_err(Error::from)?;
    Ok(stored(before.update(draft).map_err(Error::from)?.unwrap_or(before)))
}

/// Everything of a pet that came from its client.
fn stored(pet: Pet) -> Value {
    json!(PetDocument::from(pet))
}
