//! What our requests have in common, and the runtime's do not.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use saga_contract::PetNumber;
use saga_runtime::http::Path;
use saga_runtime::http::problem::{INVALID_PARAMETER, Problem};

use crate::error::Error;

/// The pet that the path names.
pub(super) struct PetId(pub(super) PetNumber);

impl<S: Send + Sync> FromRequestParts<S> for PetId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        let id: i64 =
            text.parse().map_err(|_| Problem::new(&INVALID_PARAMETER, "petId must be a whole number of 64 bits"))?;
        // A number that no pet can have is one that no pet has.
        PetNumber::new(id).map(Self).map_err(|_| Error::Unknown(id).into())
    }
}
