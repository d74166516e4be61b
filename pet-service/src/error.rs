//! Every "no" of the API, as the problem document that a client gets (RFC 9457).

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saga_contract::{InvalidValue, PetNumber};
use saga_runtime::StoreError;
use saga_runtime::error::Remedy;

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
    /// Clients took every number that was drawn.
    #[error("no free id was found; try again, or choose one")]
    NoFreeNumber,
    /// The id in the body is missing or out of bounds.
    #[error("{0}")]
    InvalidId(InvalidValue),
    /// The id in the path is no whole number of 64 bits.
    #[error("the id must be a whole number of 64 bits")]
    UnreadableId,
    /// A parameter makes no sense.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    /// The query string cannot be read.
    #[error("{0}")]
    UnreadableQuery(String),
    /// The body cannot be read.
    #[error("{}", .0.body_text())]
    Body(JsonRejection),
    /// A text contains U+0000, which cannot be stored.
    #[error("a text contains the character U+0000")]
    ContainsNul,
    /// The database did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
}
