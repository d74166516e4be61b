//! Every "no" of this service over HTTP, as a problem.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use saga_contract::{OrderNumber, Reason};
use saga_core::Outcome;
use saga_runtime::StoreError;
use saga_runtime::http::problem::{INVALID_PARAMETER, OVERLOADED, Problem, ProblemType};

use crate::domain::{Conflict, End, Invalid, KeyError};
use crate::http::Order;
use crate::waiters::Full;

/// Why a request is not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A part of the path or the query does not fit.
    #[error("{0}")]
    Parameter(String),
    /// The header is no idempotency key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No order can be made of the body.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The customer's address has characters that nobody sees, so that two could look the same.
    #[error("customerEmail: {0}")]
    Customer(#[from] idforge::Error),
    /// Never asked for.
    #[error("there is no order {0}")]
    UnknownOrder(i64),
    /// The same key, another order.
    #[error("the idempotency key was used for another order; an order of its own needs a key of its own")]
    KeyReused,
    /// The id is that of another order.
    #[error("the order id {0} is taken by another customer's order, or by one that was requested otherwise")]
    NumberTaken(OrderNumber),
    /// The order was not placed, and all is undone.
    #[error("the order is {}: {}", .end.outcome_word(), .end.reason)]
    Refused {
        /// How it ended.
        end: End,
        /// The order.
        order: Box<Order>,
    },
    /// The order's state does not allow it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// There is more to do than can be done.
    #[error("{0}")]
    Busy(&'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

saga_runtime::problem_types! {
    /// Every kind of error that order-service adds to those of the runtime.
    PROBLEMS;
    /// No idempotency key.
    INVALID_KEY = "invalid_idempotency_key", BAD_REQUEST, "The header Idempotency-Key is not valid",
        "Send 1 to 255 visible ASCII characters, quoted or bare; a UUID if there is no customerEmail.";
    /// No order.
    INVALID_ORDER = "invalid_order", UNPROCESSABLE_ENTITY, "No order can be made of this",
        "Correct the field that `detail` names.";
    /// No such order.
    UNKNOWN_ORDER = "unknown_order", NOT_FOUND, "No such order",
        "Check the id: every order that was ever accepted is found.";
    /// The same key, another order.
    KEY_REUSED = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another order",
        "Repeat the first request unchanged, or send another key.";
    /// The id is taken.
    ORDER_ID_TAKEN = "order_id_taken", CONFLICT, "The order id is taken",
        "Send another id, or none: then the store gives the order one.";
    /// The pet is taken.
    PET_TAKEN = "pet_taken", CONFLICT, "The pet is taken",
        "Nothing was reserved. Choose another pet; the reservation of another order may expire, too.";
    /// Somebody cancelled while the client waited.
    ORDER_CANCELLED = "order_cancelled", CONFLICT, "The order was cancelled while it was being placed",
        "All is undone; `reason` says who cancelled. Order again under another key.";
    /// A participant refused.
    ORDER_REJECTED = "order_rejected", UNPROCESSABLE_ENTITY, "The order was rejected",
        "All is undone; `reason` is the participant's. Order again under another key once it is removed.";
    /// The order's state does not allow it.
    ORDER_STATE = "order_state", CONFLICT, "The order's state does not allow this",
        "Look at `state`: an approved order cannot be cancelled, a closed one not be approved, and only an approved one be delivered.";
}

impl ApiError {
    /// The kind of problem.
    fn kind(&self) -> Option<&'static ProblemType> {
        match self {
            Self::Parameter(_) => Some(&INVALID_PARAMETER),
            Self::Key(_) => Some(&INVALID_KEY),
            Self::Invalid(_) | Self::Customer(_) => Some(&INVALID_ORDER),
            Self::UnknownOrder(_) => Some(&UNKNOWN_ORDER),
            Self::KeyReused => Some(&KEY_REUSED),
            Self::NumberTaken(_) => Some(&ORDER_ID_TAKEN),
            Self::Refused { end, .. } => Some(refusal(end)),
            Self::Conflict(_) => Some(&ORDER_STATE),
            Self::Busy(_) => Some(&OVERLOADED),
            Self::Store(_) => None,
        }
    }
}

/// A taken pet and a cancellation are conflicts with somebody else; the rest is the order's own fault.
fn refusal(end: &End) -> &'static ProblemType {
    match end.outcome {
        Outcome::Cancelled => &ORDER_CANCELLED,
        Outcome::Rejected if end.reason == Reason::PET_TAKEN => &PET_TAKEN,
        Outcome::Rejected => &ORDER_REJECTED,
    }
}

impl From<Full> for ApiError {
    fn from(_: Full) -> Self {
        Self::Busy("too many clients are waiting for their orders; send Prefer: respond-async to order without waiting")
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let detail = error.to_string();
        let problem = |kind: &ProblemType| Self::new(kind, detail);
        match (error.kind(), error) {
            (_, ApiError::Store(error)) => Self::from(error),
            (Some(kind), ApiError::Refused { end, order }) => refused(problem(kind), &end, &order),
            (Some(kind), ApiError::Conflict(Conflict(state))) => problem(kind).with("state", state.as_str()),
            (Some(kind), ApiError::Busy(_)) => problem(kind).retry_after(Duration::from_secs(1)),
            (Some(kind), _) => problem(kind),
            (None, error) => Self::internal(&error),
        }
    }
}

/// Says which order it was, so that it can be looked at.
fn refused(problem: Problem, end: &End, order: &Order) -> Problem {
    problem
        .with("reason", end.reason.as_str())
        .with("state", end.outcome_word())
        .with("id", order.id)
        .with("uuid", order.uuid.map(|id| id.to_string()))
        .with("sagaId", order.saga_id.map(|id| id.to_string()))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
