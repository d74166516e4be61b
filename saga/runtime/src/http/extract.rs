//! Extractors whose refusals are problems.

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::object::Object;
use super::problem::{
    BAD_REQUEST, INVALID_BODY, INVALID_JSON, INVALID_PARAMETER, Problem, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE,
};

/// A JSON body, of a request or a response. A request's is an object.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A JSON body of which everything may be left out, and so the body itself.
#[derive(Debug, Clone, Copy)]
pub struct Options<T>(pub T);

/// Parts of the path.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// The query.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> Json<T> {
    /// What a request with this body is read as, once its headers say that it is JSON.
    ///
    /// # Errors
    /// The problem that its client is told.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        let axum::Json(Object(value)) = axum::Json::from_bytes(bytes)?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(Object(value)) = axum::Json::from_request(request, state).await?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Options<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::new(body), state).await.map_err(JsonRejection::from)?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let Json(value) = Json::from_request(Request::from_parts(parts, body.into()), state).await?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let kind = match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => &UNSUPPORTED_MEDIA_TYPE,
            StatusCode::PAYLOAD_TOO_LARGE => &TOO_LARGE,
            StatusCode::UNPROCESSABLE_ENTITY => &INVALID_BODY,
            _ if matches!(rejection, JsonRejection::JsonSyntaxError(_)) => &INVALID_JSON,
            _ => &BAD_REQUEST,
        };
        Self::new(kind, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        if rejection.status().is_server_error() {
            return Self::internal(&rejection);
        }
        Self::new(&INVALID_PARAMETER, rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(&INVALID_PARAMETER, rejection.body_text())
    }
}
