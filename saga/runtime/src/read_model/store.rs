//! The rows of read models. Whoever fills one names its fence.

use saga_core::Time;
use tokio_postgres::Row;

use super::ReadModelView;
use crate::error::StoreError;
use crate::store::{Statements, Transaction, execute, query, query_opt};

pub(super) const LIVE: &str = "SELECT serving, filling FROM read_models WHERE name = $1";

const COLUMNS: &str = "name, state, serving, filling, filled, trouble, who, why, started_at, ended_at";

const START: &str = "
    UPDATE read_models SET state = 'filling', filling = serving + 1, place = 0, filled = 0, trouble = NULL, who = $2,
           why = $3, started_at = $4, updated_at = $4, ended_at = NULL
    WHERE name = $1 AND state <> 'filling'";

/// Until when it is ours: an owner that is silent for this long is somebody else's. It must be longer than a part takes.
macro_rules! owned_until {
    () => {
        "now() + interval '10 seconds'"
    };
}

const CLAIM: &str = concat!(
    "UPDATE read_models SET fence = fence + 1, owned_until = ",
    owned_until!(),
    " WHERE name = $1 AND state <> 'served' AND (owned_until IS NULL OR owned_until < now())
    RETURNING fence"
);

const NEXT: &str = "
    SELECT state, serving, filling, place FROM read_models WHERE name = $1 AND fence = $2 AND state <> 'served'";

const ADVANCE: &str = concat!(
    "UPDATE read_models SET place = $4, filled = filled + $5, trouble = NULL, updated_at = now(), owned_until = ",
    owned_until!(),
    " WHERE name = $1 AND fence = $2 AND filling = $3"
);

const SERVE: &str = concat!(
    "UPDATE read_models SET state = 'clearing', serving = filling, filling = NULL, trouble = NULL, updated_at = now(),
            ended_at = now(), owned_until = ",
    owned_until!(),
    " WHERE name = $1 AND fence = $2 AND filling = $3"
);

const CLEARED: &str = concat!(
    "UPDATE read_models SET state = CASE WHEN $4 THEN state ELSE 'served' END, updated_at = now(),
            owned_until = CASE WHEN $4 THEN ",
    owned_until!(),
    " END WHERE name = $1 AND fence = $2 AND serving = $3 AND state = 'clearing'"
);

const WAIT: &str = "
    UPDATE read_models SET trouble = $3, owned_until = now() + make_interval(secs => $4)
    WHERE name = $1 AND fence = $2 AND state <> 'served'";

/// What came of asking for a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// It is under way from now on.
    Now,
    /// One is under way already.
    Before,
}

/// A read model that is ours to fill for now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    pub(super) name: &'static str,
    fence: i64,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Fill this generation with what comes after this place of the source.
    Fill { generation: i32, after: i64 },
    /// Remove the rows of the generations before this one.
    Clear { before: i32 },
    /// Nothing; or it is somebody else's.
    Nothing,
}

/// Opens the next generation, unless one is being filled; an error when there is no such read model.
pub(crate) async fn start(
    on: &Transaction<'_>,
    name: &str,
    who: &str,
    why: Option<&str>,
    now: Time,
) -> Result<Started, StoreError> {
    let opened = execute(on, START, &[&name, &who, &why, &now]).await? > 0;
    Ok(if opened { Started::Now } else { Started::Before })
}

/// One read model.
pub(crate) async fn find(on: &impl Statements, name: &str) -> Result<Option<ReadModelView>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM read_models WHERE name = $1");
    Ok(query_opt(on, &sql, &[&name]).await?.as_ref().map(view))
}

/// All of this process.
pub(crate) async fn list(on: &impl Statements) -> Result<Vec<ReadModelView>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM read_models ORDER BY name");
    Ok(query(on, &sql, &[]).await?.iter().map(view).collect())
}

/// Makes a read model that is to be filled or cleared, and is nobody's, ours.
pub(super) async fn claim(on: &impl Statements, name: &'static str) -> Result<Option<Owned>, StoreError> {
    let row = query_opt(on, CLAIM, &[&name]).await?;
    Ok(row.map(|row| Owned { name, fence: row.get(0) }))
}

impl Owned {
    pub(super) async fn next(&self, on: &impl Statements) -> Result<Next, StoreError> {
        let Some(row) = query_opt(on, NEXT, &[&self.name, &self.fence]).await? else { return Ok(Next::Nothing) };
        Ok(match row.get(2) {
            Some(generation) => Next::Fill { generation, after: row.get(3) },
            None => Next::Clear { before: row.get(1) },
        })
    }

    /// Writes down how far the source was read. False when it is not ours any more.
    pub(super) async fn advance(
        &self,
        on: &Transaction<'_>,
        generation: i32,
        place: i64,
        entries: i64,
    ) -> Result<bool, StoreError> {
        Ok(execute(on, ADVANCE, &[&self.name, &self.fence, &generation, &place, &entries]).await? > 0)
    }

    /// Serves the generation that is filled, from this moment on. False when it is not ours any more.
    pub(super) async fn serve(&self, on: &impl Statements, generation: i32) -> Result<bool, StoreError> {
        Ok(execute(on, SERVE, &[&self.name, &self.fence, &generation]).await? > 0)
    }

    /// Writes down that rows were removed, and whether there may be more. False when it is not ours any more.
    pub(super) async fn cleared(&self, on: &Transaction<'_>, before: i32, more: bool) -> Result<bool, StoreError> {
        Ok(execute(on, CLEARED, &[&self.name, &self.fence, &before, &more]).await? > 0)
    }

    /// Lets it go for so many seconds: something is in its way, or somebody else is to go on.
    pub(super) async fn wait(&self, on: &impl Statements, why: Option<&str>, seconds: f64) -> Result<(), StoreError> {
        execute(on, WAIT, &[&self.name, &self.fence, &why, &seconds]).await.map(|_| ())
    }
}

fn view(row: &Row) -> ReadModelView {
    ReadModelView {
        name: row.get(0),
        state: row.get(1),
        serving: row.get(2),
        filling: row.get(3),
        filled: row.get(4),
        trouble: row.get(5),
        who: row.get(6),
        why: row.get(7),
        started_at: row.get(8),
        ended_at: row.get(9),
    }
}
