//! The rows of replays. Whoever delivers writes position and counters at once, and names its fence.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::source::{Extent, Position};
use super::{Counters, Details, Plan, Remark, Replay};
use crate::error::StoreError;
use crate::store::{Param, Statements, Transaction, execute, query, query_opt};
use saga_core::Time;

/// Until when it is ours: a replay whose owner is silent for this long is somebody else's. It must be longer than a chunk
/// takes.
macro_rules! owned_until {
    () => {
        "now() + interval '20 seconds'"
    };
}

const COLUMNS: &str = "id, plan, state, total, pending, done, failed, skipped, details, begins, trouble, who, why, \
                       created_at, updated_at, ended_at";

const INSERT: &str = "
    INSERT INTO replays (id, source, plan, extent, position, begins, who, why, state, total, pending, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9, $9, $10, $10)";

const CLAIM: &str = concat!(
    "UPDATE replays SET fence = fence + 1, owned_until = ",
    owned_until!(),
    " WHERE id = (SELECT id FROM replays WHERE state = 'running' AND (owned_until IS NULL OR owned_until < now())
                  ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, plan, total, pending, done, failed, skipped, details, fence, extent, position"
);

// Its state may have changed meanwhile, by an operator's word: what was delivered counts all the same.
const MOVE: &str = concat!(
    "UPDATE replays SET position = $3, done = done + $4, failed = failed + $5, skipped = skipped + $6,
            pending = greatest(pending - ($4 + $5 + $6), 0),
            total = total + greatest(($4 + $5 + $6) - pending, 0),
            details = $7, trouble = NULL, updated_at = now(), owned_until = ",
    owned_until!(),
    " WHERE id = $1 AND fence = $2 RETURNING state = 'running'"
);

// What a queue still holds is looked at again by each owner.
const BEGIN_AGAIN: &str = "
    UPDATE replays SET pending = pending + failed + skipped + CASE WHEN $4 THEN done ELSE 0 END, failed = 0,
           skipped = 0, done = CASE WHEN $4 THEN 0 ELSE done END, details = $3
    WHERE id = $1 AND fence = $2 AND state = 'running'";

const FORGET_REMARKS: &str = "DELETE FROM replay_messages WHERE replay = $1";

const FINISH: &str = "
    UPDATE replays SET state = 'finished', skipped = skipped + pending, pending = 0, details = $3, trouble = NULL,
           updated_at = now(), ended_at = now()
    WHERE id = $1 AND fence = $2 AND state = 'running'";

const STOP: &str = "
    UPDATE replays SET state = 'stopped', trouble = $3, updated_at = now()
    WHERE id = $1 AND fence = $2 AND state = 'running'";

const TROUBLE: &str = "
    UPDATE replays SET trouble = $3, updated_at = now() WHERE id = $1 AND fence = $2 AND state = 'running'";

// Whoever is told something by an operator is not the owner at once: what it holds of a queue is given back first.
const LEAVE: &str = "UPDATE replays SET owned_until = now() + make_interval(secs => $3) WHERE id = $1 AND fence = $2";

const REMARK: &str = "
    INSERT INTO replay_messages (replay, message, type, queue, outcome, why)
    SELECT $1, t.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS t";

const REMARKS: &str = "
    SELECT n, message, type, queue, outcome, why FROM replay_messages WHERE replay = $1 AND n > $2 ORDER BY n LIMIT $3";

/// A replay that is asked for, with what there is.
pub(crate) struct Asked<'a> {
    pub(crate) id: Uuid,
    pub(crate) plan: &'a Plan,
    pub(crate) extent: &'a Extent,
    pub(crate) position: &'a Position,
    pub(crate) begins: Option<Time>,
    pub(crate) who: &'a str,
    pub(crate) why: Option<&'a str>,
    pub(crate) total: i64,
}

/// A replay that is ours for now.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) id: Uuid,
    pub(super) fence: i64,
    pub(super) plan: Plan,
    pub(super) extent: Extent,
    pub(super) position: Position,
    pub(super) counters: Counters,
    pub(super) details: Details,
}

/// Whether a replay is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    /// It is, and runs.
    GoOn,
    /// It is, and somebody paused, stopped or cancelled it.
    ToldToRest,
    /// Somebody else has it.
    NoLonger,
}

/// What an operator says to a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Pause,
    Resume,
    Cancel,
}

impl Word {
    /// The word, for the audit.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Pause => "UPDATE replays SET state = 'paused', updated_at = $2 WHERE id = $1 AND state = 'running'",
            Self::Resume => {
                "UPDATE replays SET state = 'running', trouble = NULL, updated_at = $2
                 WHERE id = $1 AND state IN ('paused', 'stopped')"
            }
            Self::Cancel => {
                "UPDATE replays SET state = 'cancelled', updated_at = $2, ended_at = $2
                 WHERE id = $1 AND state IN ('running', 'paused', 'stopped')"
            }
        }
    }
}

impl Asked<'_> {
    /// Writes it down; from then on somebody delivers it.
    pub(crate) async fn insert(&self, transaction: &Transaction<'_>, now: Time) -> Result<(), StoreError> {
        let (plan, extent, position) = (json(self.plan)?, json(self.extent)?, json(self.position)?);
        let source = self.plan.source.as_str();
        let params: [Param<'_>; 10] =
            [&self.id, &source, &plan, &extent, &position, &self.begins, &self.who, &self.why, &self.total, &now];
        execute(transaction, INSERT, &params).await?;
        Ok(())
    }
}

/// Makes a replay that runs and is nobody's ours.
pub(super) async fn claim(on: &impl Statements) -> Result<Option<Owned>, StoreError> {
    let Some(row) = query_opt(on, CLAIM, &[]).await? else { return Ok(None) };
    let id = row.get(0);
    Ok(Some(Owned {
        id,
        plan: read(id, row.get(1))?,
        counters: counters(&row, 2),
        details: read(id, row.get(7))?,
        fence: row.get(8),
        extent: read(id, row.get(9))?,
        position: read(id, row.get(10))?,
    }))
}

impl Owned {
    /// Writes down how far it is, if it is ours still.
    pub(super) async fn advance(
        &mut self,
        transaction: &Transaction<'_>,
        position: Position,
        news: &Details,
        remarks: &[Remark],
    ) -> Result<Ours, StoreError> {
        let mut details = self.details.clone();
        details.add(news);
        let (done, failed, skipped) = (news.of("done"), news.of("failed"), news.of("skipped"));
        let (place, counts) = (json(&position)?, json(&details)?);
        let params: [Param<'_>; 7] = [&self.id, &self.fence, &place, &done, &failed, &skipped, &counts];
        let Some(row) = query_opt(transaction, MOVE, &params).await? else { return Ok(Ours::NoLonger) };
        self.remark(transaction, remarks).await?;
        let all = done + failed + skipped;
        let c = &mut self.counters;
        c.total += (all - c.pending).max(0);
        c.pending = (c.pending - all).max(0);
        (c.done, c.failed, c.skipped) = (c.done + done, c.failed + failed, c.skipped + skipped);
        (self.position, self.details) = (position, details);
        Ok(if row.get(0) { Ours::GoOn } else { Ours::ToldToRest })
    }

    async fn remark(&self, transaction: &Transaction<'_>, remarks: &[Remark]) -> Result<(), StoreError> {
        if remarks.is_empty() {
            return Ok(());
        }
        let messages: Vec<&str> = remarks.iter().map(|r| r.message.as_str()).collect();
        let kinds: Vec<Option<&str>> = remarks.iter().map(|r| r.kind.as_deref()).collect();
        let queues: Vec<Option<&str>> = remarks.iter().map(|r| r.queue.as_deref()).collect();
        let outcomes: Vec<&str> = remarks.iter().map(|r| r.outcome.as_str()).collect();
        let whys: Vec<Option<&str>> = remarks.iter().map(|r| r.why.as_deref()).collect();
        execute(transaction, REMARK, &[&self.id, &messages, &kinds, &queues, &outcomes, &whys]).await?;
        Ok(())
    }

    /// Counts as pending again what a queue still holds: what was left in it, and all of a dry run.
    pub(super) async fn begin_again(&mut self, transaction: &Transaction<'_>) -> Result<bool, StoreError> {
        let dry_run = self.plan.dry_run;
        let mut details = self.details.clone();
        details.0.retain(|kind, _| kind == "done" && !dry_run);
        let ours = execute(transaction, BEGIN_AGAIN, &[&self.id, &self.fence, &json(&details)?, &dry_run]).await? > 0;
        execute(transaction, FORGET_REMARKS, &[&self.id]).await?;
        let done = if dry_run { 0 } else { self.counters.done };
        self.counters = Counters { pending: self.counters.total - done, done, failed: 0, skipped: 0, ..self.counters };
        self.details = details;
        Ok(ours)
    }

    /// Writes down that it is at its end. What is still pending is not there any more.
    pub(super) async fn finish(&self, on: &impl Statements) -> Result<bool, StoreError> {
        let mut details = self.details.clone();
        if self.counters.pending > 0 {
            details.count(super::Became::Skipped("gone"), self.counters.pending);
        }
        Ok(execute(on, FINISH, &[&self.id, &self.fence, &json(&details)?]).await? > 0)
    }

    /// Writes down that it stops until somebody resumes it.
    pub(super) async fn stop(&self, on: &impl Statements, why: &str) -> Result<(), StoreError> {
        execute(on, STOP, &[&self.id, &self.fence, &why]).await.map(|_| ())
    }

    /// Writes down what is in its way.
    pub(super) async fn trouble(&self, on: &impl Statements, why: &str) -> Result<(), StoreError> {
        execute(on, TROUBLE, &[&self.id, &self.fence, &why]).await.map(|_| ())
    }

    /// Lets it go: after so many seconds, and not before, somebody may go on with it, if it is to go on. To be called once
    /// nothing is held any more that the next owner would miss.
    pub(super) async fn leave(&self, on: &impl Statements, seconds: f64) -> Result<(), StoreError> {
        execute(on, LEAVE, &[&self.id, &self.fence, &seconds]).await.map(|_| ())
    }
}

/// Says a word to a replay. False when its state does not allow it.
pub(crate) async fn say(transaction: &Transaction<'_>, id: Uuid, word: Word, now: Time) -> Result<bool, StoreError> {
    Ok(execute(transaction, word.sql(), &[&id, &now]).await? > 0)
}

/// One replay.
pub(crate) async fn find(on: &impl Statements, id: Uuid) -> Result<Option<Replay>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM replays WHERE id = $1");
    query_opt(on, &sql, &[&id]).await?.map(|row| to_replay(&row)).transpose()
}

/// Replays, youngest first.
pub(crate) async fn list(on: &impl Statements, state: Option<&str>, limit: i64) -> Result<Vec<Replay>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM replays WHERE $1::text IS NULL OR state = $1 ORDER BY created_at DESC, id LIMIT $2"
    );
    query(on, &sql, &[&state, &limit]).await?.iter().map(to_replay).collect()
}

/// What is said of single messages of a replay.
pub(crate) async fn remarks(on: &impl Statements, id: Uuid, after: i64, limit: i64) -> Result<Vec<Remark>, StoreError> {
    let rows = query(on, REMARKS, &[&id, &after, &limit]).await?;
    let remark = |row: &Row| Remark {
        n: row.get(0),
        message: row.get(1),
        kind: row.get(2),
        queue: row.get(3),
        outcome: row.get(4),
        why: row.get(5),
    };
    Ok(rows.iter().map(remark).collect())
}

fn to_replay(row: &Row) -> Result<Replay, StoreError> {
    let id = row.get(0);
    Ok(Replay {
        id,
        plan: read(id, row.get(1))?,
        state: row.get(2),
        counters: counters(row, 3),
        details: read(id, row.get(8))?,
        begins: row.get(9),
        trouble: row.get(10),
        who: row.get(11),
        why: row.get(12),
        created_at: row.get(13),
        updated_at: row.get(14),
        ended_at: row.get(15),
    })
}

fn counters(row: &Row, at: usize) -> Counters {
    Counters {
        total: row.get(at),
        pending: row.get(at + 1),
        done: row.get(at + 2),
        failed: row.get(at + 3),
        skipped: row.get(at + 4),
    }
}

fn json(value: &impl Serialize) -> Result<Value, StoreError> {
    let corrupt =
        |error: serde_json::Error| StoreError::Corrupt { what: "a replay".to_owned(), why: error.to_string() };
    serde_json::to_value(value).map_err(corrupt)
}

fn read<T: DeserializeOwned>(id: Uuid, value: Value) -> Result<T, StoreError> {
    let corrupt =
        |error: serde_json::Error| StoreError::Corrupt { what: format!("replay {id}"), why: error.to_string() };
    serde_json::from_value(value).map_err(corrupt)
}
