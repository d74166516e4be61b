//! What a process can hold against what it must be, beside what every process has: `saga verify`.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::Problem;

/// Rows of a process that are to be as something else says, looked at a part at a time.
pub trait Check: Send + Sync {
    /// What is looked at: `pets`.
    fn of(&self) -> &'static str;

    /// Looks at the part that begins at a place: the `next` of the part before, or the beginning without one.
    fn look<'a>(&'a self, place: Option<&'a str>) -> BoxFuture<'a, Result<Looked, Problem>>;
}

/// What a process has registered.
pub(crate) type Checks = Vec<Arc<dyn Check>>;

/// What was looked at in one part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many rows.
    pub rows: usize,
    /// What is not as it must be.
    pub disagree: Vec<Disagreement>,
    /// Where the next part begins; none at the end.
    pub next: Option<String>,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disagreement {
    /// A message, or a row.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}
