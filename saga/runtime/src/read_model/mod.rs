//! Read models that can be refilled while they are served.
//!
//! Rows of a read model belong to a generation. A rebuild opens the next one: from then on whoever applies an event
//! applies it to both, by version. The owner of the rebuild fills the new one from a source that says where everything
//! stands, part by part, by version too; then one statement makes it the one that is served. What was handled before
//! the generation was open is in the source; what is handled later is in both. So nothing is lost, in any order.

mod store;
mod worker;

use saga_core::Time;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::ToSchema;

use crate::error::StoreError;
use crate::store::{Statements, Transaction};

pub(crate) use store::{Started, find, list, start};
pub(crate) use worker::rebuild_always;

/// A read model of a process, as a rebuild sees it.
pub trait ReadModel: Send + Sync + 'static {
    /// A part of the source.
    type Part: Send + Sync;

    /// Its name: what operators call it, and its row in the table `read_models`, which a migration of the process makes.
    fn name(&self) -> &'static str;

    /// Reads the part of the source that comes after a place, 0 at first; none at the end.
    ///
    /// # Errors
    /// Why the source does not answer, in words. It is asked again.
    fn read(&self, after: i64) -> impl Future<Output = Result<Option<Found<Self::Part>>, String>> + Send;

    /// Applies a part to a generation: an older version than is there already changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fill<'a>(
        &'a self,
        on: &'a Transaction<'_>,
        generation: i32,
        part: &'a Self::Part,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes some rows of generations before this one, and says whether there may be more.
    ///
    /// # Errors
    /// [`StoreError`].
    fn clear<'a>(
        &'a self,
        on: &'a Transaction<'_>,
        before: i32,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// What was read of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<P> {
    /// The part.
    pub part: P,
    /// How many entries it has.
    pub entries: i64,
    /// The place after it.
    pub place: i64,
}

/// A read model, and the rebuild of it that is under way, or the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadModelView {
    /// Its name.
    pub name: String,
    /// `filling` while a rebuild fills the next generation, `clearing` while the rows of the last one are removed,
    /// otherwise `served`.
    pub state: String,
    /// The generation that is served.
    pub serving: i32,
    /// The generation that is filled.
    pub filling: Option<i32>,
    /// How many entries of its source were read.
    pub filled: i64,
    /// What holds the rebuild up.
    pub trouble: Option<String>,
    /// Who asked for it.
    pub who: Option<String>,
    /// Why, as they said.
    pub why: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    /// When its generation was served.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
}

/// The generations of a read model that an event is to be applied to: the one that is served, and during a rebuild
/// the one that is filled. Asked in the transaction that applies it.
///
/// # Errors
/// [`StoreError`].
pub async fn live_generations(on: &impl Statements, name: &str) -> Result<Vec<i32>, StoreError> {
    let row = crate::store::query_opt(on, store::LIVE, &[&name]).await?;
    let missing = || StoreError::Corrupt { what: format!("the read model {name}"), why: "it has no row".to_owned() };
    let live = |row: Row| std::iter::once(row.get(0)).chain(row.get::<_, Option<i32>>(1)).collect();
    row.map(live).ok_or_else(missing)
}
