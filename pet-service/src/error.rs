//! Every "no" of the API, as the problem that a client gets (RFC 9457).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use saga_contract::{InvalidValue, PetNumber};
use saga_runtime::StoreError;
use saga_runtime::http::problem::{INVALID_PARAMETER, Problem};

use crate::domain::Refusal;
use crate::http::query::InvalidQuery;

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The business says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No pet has this id, or not any more.
    #[error("there is no pet with the id {0}")]
    Unknown(i64),
    /// A pet has or had this id.
    #[error("the id {0} is or was another pet's, and is never given again")]
    Exists(PetNumber),
    /// Clients took every id that was drawn.
    #[error("no free id was found among those that were drawn")]
    NoFreeId,
    /// The body names no pet.
    #[error("the body has no id of a pet to update")]
    NoId,
    /// The id in the body is out of bounds.
    #[error("id: {0}")]
    InvalidId(InvalidValue),
    /// A parameter makes no sense.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    /// A text cannot be stored.
    #[error("a text of the pet contains the character U+0000")]
    ContainsNul,
    /// The database did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
}

saga_runtime::problem_types! {
    /// Every kind of error that pet-service adds to those of the runtime.
    ALL;
    /// The pet in the body breaks a rule.
    INVALID_PET = "invalid_pet", UNPROCESSABLE_ENTITY, "The pet is not valid",
        "Correct the field that `detail` names.";
    /// The id in the body is none that a pet can have.
    INVALID_ID = "invalid_id", BAD_REQUEST, "The id is not valid",
        "Send an id between 1 and 9007199254740991; leave it out to get a free one for a new pet.";
    /// A text has a character that cannot be stored.
    INVALID_TEXT = "invalid_text", BAD_REQUEST, "A text cannot be stored",
        "Remove the character U+0000.";
    /// No pet has this id.
    PET_UNKNOWN = "pet_unknown", NOT_FOUND, "There is no such pet",
        "Check the id. A pet that was deleted is unknown from then on.";
    /// A pet has or had this id.
    PET_EXISTS = "pet_exists", CONFLICT, "The id is taken for ever",
        "Choose another id, or none; to change the pet that has it, send PUT.";
    /// Only orders reserve and sell pets.
    STATUS_FOLLOWS_ORDERS = "status_follows_orders", CONFLICT, "A pet's status is not for clients to set",
        "Leave the status out, or name the present one. Place or cancel an order to change it.";
    /// An order holds the pet.
    PET_RESERVED = "pet_reserved", CONFLICT, "The pet is reserved",
        "Cancel the order that holds it first, or wait for its end.";
    /// The pet was sold.
    PET_SOLD = "pet_sold", CONFLICT, "The pet was sold",
        "Nothing: what was sold stays on record.";
    /// Clients took every id that was drawn.
    NO_FREE_ID = "no_free_id", SERVICE_UNAVAILABLE, "No free id was found",
        "Send the request again, or choose an id.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let kind = match error {
            Error::Store(error) => return error.into(),
            Error::NoFreeId => return Self::new(&NO_FREE_ID, detail).retry_after(Duration::from_secs(1)),
            Error::Refused(Refusal::Invalid(_)) => &INVALID_PET,
            Error::Refused(Refusal::StatusFollowsOrders { .. }) => &STATUS_FOLLOWS_ORDERS,
            Error::Refused(Refusal::Reserved) => &PET_RESERVED,
            Error::Refused(Refusal::Sold) => &PET_SOLD,
            Error::Refused(Refusal::Deleted) | Error::Unknown(_) => &PET_UNKNOWN,
            Error::Exists(_) => &PET_EXISTS,
            Error::NoId | Error::InvalidId(_) => &INVALID_ID,
            Error::Query(_) => &INVALID_PARAMETER,
            Error::ContainsNul => &INVALID_TEXT,
        };
        Self::new(kind, detail)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_problem_has_a_name_of_its_own() {
        let runtime = saga_runtime::http::problem::ALL.iter();
        let names: Vec<&str> = ALL.iter().chain(runtime).map(|kind| kind.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_deleted_pet_is_as_unknown_as_one_that_never_was() {
        let (deleted, never) = (Problem::from(Error::Refused(Refusal::Deleted)), Problem::from(Error::Unknown(7)));
        assert_eq!((deleted.status(), deleted.kind()), (never.status(), never.kind()));
    }
}
