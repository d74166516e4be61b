//! Every "no" of the API, as the problem that a client gets (RFC 9457).

use axum::response::{IntoResponse, Response};
use saga_contract::{InvalidValue, Sku};
use saga_runtime::StoreError;
use saga_runtime::core::PayloadError;
use saga_runtime::http::problem::{INVALID_BODY, INVALID_PARAMETER, Problem};

use crate::domain::BelowReserved;

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter of the path or the query makes no sense.
    #[error("{name}: {why}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A field of the body makes no sense.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: InvalidValue,
    },
    /// No supply has this name.
    #[error("there is no supply {0}")]
    Unknown(Sku),
    /// Orders hold more than the stock would be.
    #[error(transparent)]
    BelowReserved(#[from] BelowReserved),
    /// What is to be told of it cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The database did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
}

saga_runtime::problem_types! {
    /// Every kind of error that inventory-service adds to those of the runtime.
    PROBLEMS;
    /// No supply has this name.
    SUPPLY_UNKNOWN = "supply_unknown", NOT_FOUND, "There is no such supply",
        "Check the SKU; GET /api/v3/stock lists those that there are.";
    /// Orders hold more than the stock would be.
    STOCK_BELOW_RESERVED = "stock_below_reserved", CONFLICT, "Orders hold more than this",
        "Set at least what is reserved (`reserved`), or cancel orders that hold units of it.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::Payload(error) => Self::internal(&error),
            Error::Parameter { .. } => Self::new(&INVALID_PARAMETER, detail),
            Error::Field { .. } => Self::new(&INVALID_BODY, detail),
            Error::Unknown(_) => Self::new(&SUPPLY_UNKNOWN, detail),
            Error::BelowReserved(why) => Self::new(&STOCK_BELOW_RESERVED, detail).with("reserved", why.reserved),
        }
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

    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn every_kind_of_problem_has_a_name_of_its_own() {
        let runtime = saga_runtime::http::problem::ALL.iter();
        let names: Vec<&str> = PROBLEMS.iter().chain(runtime).map(|kind| kind.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_conflict_says_how_much_is_reserved() {
        let why = BelowReserved { sku: "TOY-BALL".parse().unwrap(), reserved: 5, quantity: 4 };
        let problem = Problem::from(Error::from(why));
        assert_eq!(problem.status(), StatusCode::CONFLICT);
        assert_eq!(problem.kind(), "urn:sagaforge:problem:stock_below_reserved");
    }
}
