//! Reads requests, so that every one that cannot be read gets a problem document.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use saga_contract::PetNumber;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The JSON document in the body.
pub(super) struct Document<T>(pub(super) T);

/// The pet that the path names.
pub(super) struct PetId(pub(super) PetNumber);

/// The parameters behind the question mark, repetitions included.
pub(super) struct QueryPairs(pub(super) Vec<(String, String)>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        Ok(Self(read.map_err(Error::Body)?.0))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PetId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Error::UnreadableId)?;
        let id: i64 = text.parse().map_err(|_| Error::UnreadableId)?;
        // A number that no pet can have is one that no pet has.
        PetNumber::new(id).map(Self).map_err(|_| Error::Unknown(id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(pairs)| Self(pairs)).map_err(|rejection| Error::UnreadableQuery(rejection.body_text()))
    }
}
