//! Errors over HTTP: RFC 9457, `application/problem+json`.
//!
//! <https://www.rfc-editor.org/rfc/rfc9457>

use std::borrow::Cow;
use std::time::Duration;

pub use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{Remedy, StoreError};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One kind of error, as a constant: what the reference lists and clients match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// Its name: `pet_taken`. The `type` on the wire is `urn:sagaforge:problem:pet_taken`.
    pub name: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, the same for every occurrence.
    pub title: &'static str,
    /// What whoever meets it can do, for the reference.
    pub remedy: &'static str,
}

/// Declares kinds of errors, each a constant, and `$all`, the list of them for the reference.
#[macro_export]
macro_rules! problem_types {
    ($(#[$about:meta])* $all:ident;
     $($(#[$doc:meta])* $constant:ident = $name:literal, $status:ident, $title:literal, $remedy:literal;)*) => {
        $($(#[$doc])* pub const $constant: $crate::http::ProblemType = $crate::http::ProblemType {
            name: $name,
            status: $crate::http::problem::StatusCode::$status,
            title: $title,
            remedy: $remedy,
        };)*

        $(#[$about])*
        pub const $all: &[&$crate::http::ProblemType] = &[$(&$constant),*];
    };
}

problem_types! {
    /// Every kind of error that the runtime itself answers with.
    ALL;
    /// The request cannot be understood.
    BAD_REQUEST = "bad_request", BAD_REQUEST, "The request cannot be understood",
        "Correct what `detail` names.";
    /// The body is no JSON.
    INVALID_JSON = "invalid_json", BAD_REQUEST, "The body is not valid JSON",
        "Correct the JSON at the position that `detail` names.";
    /// A part of the path or of the query does not fit.
    INVALID_PARAMETER = "invalid_parameter", BAD_REQUEST, "A parameter of the path or the query is not valid",
        "Correct the parameter that `detail` names.";
    /// Nobody has shown who they are.
    UNAUTHORIZED = "unauthorized", UNAUTHORIZED, "A bearer token is needed",
        "Send `Authorization: Bearer <token>` with a token of the file that SAGA_TOKENS_FILE names.";
    /// Nothing is here.
    NOT_FOUND = "not_found", NOT_FOUND, "Nothing is here",
        "Check the path and the id.";
    /// This can be done elsewhere.
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "This method is not allowed here",
        "Use one of the methods in the header `Allow`.";
    /// The thing is not in a state that allows it.
    CONFLICT = "conflict", CONFLICT, "The present state does not allow this",
        "Read the thing again; `detail` says what is in the way.";
    /// The body is too large.
    TOO_LARGE = "too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "Send at most 1 MiB.";
    /// The body is not JSON by its own account.
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body has the wrong media type",
        "Send the header `Content-Type: application/json`.";
    /// The body is JSON, but not what is expected here.
    INVALID_BODY = "invalid_body", UNPROCESSABLE_ENTITY, "The body does not have the expected shape",
        "Correct the field that `detail` names; the shapes are in /openapi.json.";
    /// A bug, or something that needs a person.
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here",
        "The log of the process has the cause, under the request's id (header `x-request-id`).";
    /// The process has as much to do as it can.
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, "Too many requests at once",
        "Wait as long as the header `Retry-After` says and send the same request again.";
    /// The process is still coming up.
    STARTING = "starting", SERVICE_UNAVAILABLE, "The process is starting",
        "Wait until /readyz answers 200.";
    /// It took too long.
    TIMEOUT = "timeout", SERVICE_UNAVAILABLE, "The request took too long",
        "Whether it was done is open: send the same request again.";
    /// The database is not there at present.
    DATABASE_UNAVAILABLE = "database_unavailable", SERVICE_UNAVAILABLE, "The database is not available",
        "Wait as long as the header `Retry-After` says and send the same request again.";
    /// No queue takes the message.
    UNROUTABLE = "unroutable", UNPROCESSABLE_ENTITY, "No queue takes this message",
        "Check exchange and routing key; `saga topology declare` makes what is missing. Nothing was published.";
    /// Another process does not answer.
    PROCESS_SILENT = "process_silent", SERVICE_UNAVAILABLE, "Another process does not answer",
        "Check that the process runs where SAGA_PROCESSES says, and ask again.";
    /// The broker is not there at present, and this cannot wait for it.
    BROKER_UNAVAILABLE = "broker_unavailable", SERVICE_UNAVAILABLE, "The message broker is not available",
        "Wait as long as the header `Retry-After` says and send the same request again.";
}

/// An error as the client sees it. Return it from a handler, as it is or by `?`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    body: Body,
    status: StatusCode,
    headers: HeaderMap,
}

/// A problem on the wire.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
struct Body {
    /// What kind of problem: a URN, stable, for programs to match on.
    #[serde(rename = "type")]
    #[schema(example = "urn:sagaforge:problem:not_found")]
    kind: Cow<'static, str>,
    /// The same in words.
    title: Cow<'static, str>,
    /// The HTTP status.
    status: u16,
    /// What happened this time, for the person who reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What the kind of problem adds.
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of this kind, with what happened this time.
    #[must_use]
    pub fn new(kind: &ProblemType, detail: impl Into<String>) -> Self {
        Self::from(kind).detail(detail)
    }

    /// A problem of which only the status is known.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        if let Some(kind) = ALL.iter().find(|kind| kind.status == status && kind.is_plain()) {
            return Self::from(*kind);
        }
        let title = status.canonical_reason().unwrap_or("Unknown error");
        Self::build(Cow::Borrowed("about:blank"), Cow::Borrowed(title), status)
    }

    /// Nothing is here: what was looked for.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(&NOT_FOUND, detail)
    }

    /// The present state does not allow it: what is in the way.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(&CONFLICT, detail)
    }

    /// A parameter is not valid: which, and why.
    #[must_use]
    pub fn invalid_parameter(detail: impl Into<String>) -> Self {
        Self::new(&INVALID_PARAMETER, detail)
    }

    /// A bug, or something that needs a person. The cause goes to the log, never to the client.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::from(&INTERNAL)
    }

    /// With what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.body.detail = Some(detail.into());
        self
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.body.members.insert(name.to_owned(), value.into());
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Tells the client to come again after this time, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What happened, for the person who reads it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.body.detail.as_deref().unwrap_or(&self.0.body.title)
    }

    /// What kind of problem, a URN.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.body.kind
    }

    fn build(kind: Cow<'static, str>, title: Cow<'static, str>, status: StatusCode) -> Self {
        let body = Body { kind, title, status: status.as_u16(), detail: None, members: Map::new() };
        Self(Box::new(Inner { body, status, headers: HeaderMap::new() }))
    }
}

impl ProblemType {
    /// The `type` on the wire.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("urn:sagaforge:problem:{}", self.name)
    }

    /// Whether it says no more than its status does.
    fn is_plain(&self) -> bool {
        [&BAD_REQUEST, &UNAUTHORIZED, &NOT_FOUND, &METHOD_NOT_ALLOWED, &CONFLICT, &TOO_LARGE, &UNSUPPORTED_MEDIA_TYPE]
            .into_iter()
            .chain([&INVALID_BODY, &INTERNAL, &OVERLOADED])
            .any(|plain| plain == self)
    }
}

impl From<&ProblemType> for Problem {
    fn from(kind: &ProblemType) -> Self {
        Self::build(Cow::Owned(kind.urn()), Cow::Borrowed(kind.title), kind.status)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::TooLong(_) = error {
            return Self::new(&TIMEOUT, error.to_string()).retry_after(Duration::from_secs(1));
        }
        match error.remedy() {
            Remedy::Wait | Remedy::Again => {
                tracing::warn!(%error, "a request failed for want of the database");
                Self::from(&DATABASE_UNAVAILABLE).retry_after(Duration::from_secs(1))
            }
            Remedy::Person => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { body, status, headers } = *self.0;
        (status, headers, [(CONTENT_TYPE, MEDIA_TYPE)], axum::Json(body).into_response().into_body()).into_response()
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}
