//! What an operator may ask about sagas.

use saga_core::{Instance, Message, Phase, Time};
use serde::de::{self, IntoDeserializer as _};
use serde::{Deserialize as _, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::read_row;
use crate::clock::{EVER, MOST_APART};
use crate::error::StoreError;
use crate::store::admin::{self, SentFilter};
use crate::store::{ONE_SAGA_WITHIN, Param, Pool, Transaction, day_of, query, query_opt};

// Many sagas begin in one batch, all at one time: their ids put them in order. Compared as one row, both find their place in
// the index of times. What only a saga that lives can be is looked for among those: there is an index of them, and history is long.
const LIST: &str = "
    SELECT id, definition, subject, phase, reason, needs_intervention, started_at, updated_at, ended_at
    FROM sagas
    WHERE ($1::text IS NULL OR phase = $1) AND ($2::text IS NULL OR reason = $2)
      AND ($3::timestamptz IS NULL OR (started_at, id) < ($3, $9)) AND (NOT $4 OR needs_intervention)
      AND ($5::text IS NULL OR subject = $5)
      AND ($7::text[] IS NULL OR state::json->'start' #>> $7 = $8) AND (NOT $10 OR ended_at IS NULL)
    ORDER BY started_at DESC, id DESC LIMIT $6";

const FIND: &str = "
    SELECT id, state FROM sagas WHERE id = $1
    UNION ALL SELECT id, state FROM sagas WHERE subject = $1::text LIMIT 1";

// A saga that goes on trying for days has many; nobody reads more of them at once.
const MOST: i64 = 1_000;

const ENDED: &str = "SELECT ended_at FROM sagas WHERE id = $1";

const RECEIVED: &str = "
    SELECT id, type, received_at, note, body FROM inbox
    WHERE saga_id = $1 AND day >= $2 ORDER BY received_at LIMIT $3";

/// Which sagas to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this phase.
    pub phase: Option<String>,
    /// Only those that end or ended for this reason.
    pub reason: Option<String>,
    /// Only those started before.
    pub started_before: Option<Time>,
    /// And of those started at that very time the ones with a smaller id: where a page of the list ended.
    pub before_id: Option<Uuid>,
    /// Only those that carry the mark.
    pub needs_intervention: bool,
    /// Only those about this.
    pub subject: Option<String>,
    /// Only those whose first message said this there: a path into its data, and the value as text.
    pub start: Option<(Vec<String>, String)>,
    /// At most this many.
    pub limit: i64,
}

/// One saga in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SagaSummary {
    /// Its id.
    pub id: Uuid,
    /// Its definition's name.
    pub definition: String,
    /// What it is about.
    pub subject: String,
    /// Where it stands.
    #[serde(rename = "state")]
    pub phase: String,
    /// Why it ends or ended, unless it completes.
    pub reason: Option<String>,
    /// Whether a person should look.
    pub needs_intervention: bool,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// When it last moved.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// When: sent, or handled.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Which way it went.
    pub seen: Seen,
    /// The message's id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The process that made it, where that is known here.
    pub source: Option<String>,
    /// What led to it, where that is known here.
    pub cause: Option<Uuid>,
    /// The step that it belongs to.
    pub step: Option<String>,
    /// Which run of the step.
    pub epoch: u32,
    /// Why it changed nothing, where it did not.
    pub note: Option<String>,
}

/// Which way a message went, seen from the orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It came in.
    Received,
    /// It went out.
    Sent,
}

/// Sagas, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<SagaSummary>, StoreError> {
    let mut client = pool.get().await?;
    // One plan for all filters would read the whole table and sort it: 80 ms of 200,000 sagas, where this takes 0.1 ms.
    let reading = Transaction::planning(&mut client).await?;
    let Filter { phase, reason, started_before, before_id, needs_intervention, subject, start, limit } = filter;
    let (path, value) = (start.as_ref().map(|(path, _)| path), start.as_ref().map(|(_, value)| value));
    // No id is smaller than this one.
    let before_id = before_id.unwrap_or_else(Uuid::nil);
    let lives = *needs_intervention || phase.as_deref().is_some_and(is_before_the_end);
    let params: [Param<'_>; 10] =
        [phase, reason, started_before, needs_intervention, subject, limit, &path, &value, &before_id, &lives];
    let rows = query(&reading, LIST, &params).await?;
    let summary = |row: &tokio_postgres::Row| SagaSummary {
        id: row.get(0),
        definition: row.get(1),
        subject: row.get(2),
        phase: row.get(3),
        reason: row.get(4),
        needs_intervention: row.get(5),
        started_at: row.get(6),
        updated_at: row.get(7),
        ended_at: row.get(8),
    };
    Ok(rows.iter().map(summary).collect())
}

/// Whether a saga in the phase of that name lives; one in a phase that there is not is in no list anyway.
fn is_before_the_end(phase: &str) -> bool {
    let phase: Result<Phase, de::value::Error> = Phase::deserialize(phase.into_deserializer());
    phase.is_ok_and(|phase| !phase.is_end())
}

/// One saga, by its own id or by the id of what it is about.
///
/// # Errors
/// [`StoreError`].
pub async fn find(pool: &Pool, id: Uuid) -> Result<Option<Instance>, StoreError> {
    let client = pool.get().await?;
    let row = query_opt(&client, FIND, &[&id]).await?;
    row.as_ref().map(read_row).transpose()
}

/// What came to the orchestrator for a saga, in order of time. It does not see what participants send each other past it.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn received(pool: &Pool, saga: &Instance) -> Result<Vec<Entry>, StoreError> {
    let mut client = pool.get().await?;
    let reading = Transaction::of_one_saga(&mut client).await?;
    let params: [Param<'_>; 3] = [&saga.id, &day_of(saga.started_at - MOST_APART), &MOST];
    let rows = query(&reading, RECEIVED, &params).await.map_err(|error| error.within(ONE_SAGA_WITHIN))?;
    rows.iter().map(Entry::received).collect()
}

/// What the orchestrator sent for a saga that received this. Its journal goes by time, and nobody reads all of it for one saga:
/// from when this one began to when it ended, or something came for it last.
///
/// # Errors
/// [`StoreError`]; [`StoreError::TooLong`] when a saga took so long that its time cannot be looked through in what a search may
/// take.
pub(crate) async fn sent(pool: &Pool, saga: &Instance, received: &[Entry]) -> Result<Vec<Entry>, StoreError> {
    let mut client = pool.get().await?;
    let reading = Transaction::of_one_saga(&mut client).await?;
    let ended: Option<Time> = query_opt(&reading, ENDED, &[&saga.id]).await?.and_then(|row| row.get(0));
    let last = received.iter().map(|entry| entry.at).max().max(ended).filter(|_| ended.is_some());
    let until = last.map_or(EVER.1, |last| last + MOST_APART);
    let (from, saga) = (saga.started_at - MOST_APART, Some(saga.id));
    let filter = SentFilter { saga, from, until, after: 0, last: i64::MAX, limit: MOST };
    let sent = admin::sent(&reading, filter).await.map_err(|error| error.within(ONE_SAGA_WITHIN))?;
    sent.iter().map(|sent| Ok(Entry::sent(&parse(sent.body.as_bytes())?))).collect()
}

impl Entry {
    /// A row of the inbox.
    fn received(row: &tokio_postgres::Row) -> Result<Self, StoreError> {
        let body: Option<Vec<u8>> = row.get(4);
        let message = body.as_deref().map(parse).transpose()?;
        let message = message.as_ref();
        Ok(Self {
            at: row.get(2),
            seen: Seen::Received,
            id: row.get(0),
            kind: row.get(1),
            source: message.map(|m| m.source.clone()),
            cause: message.and_then(|m| m.causation_id),
            step: message.and_then(|m| m.step.clone()),
            epoch: message.map_or(0, |m| m.epoch),
            note: row.get(3),
        })
    }

    /// A message that its sender's journal has.
    #[must_use]
    pub(super) fn sent(message: &Message) -> Self {
        Self {
            at: message.time,
            seen: Seen::Sent,
            id: message.id,
            kind: message.kind.clone(),
            source: Some(message.source.clone()),
            cause: message.causation_id,
            step: message.step.clone(),
            epoch: message.epoch,
            note: None,
        }
    }
}

fn parse(body: &[u8]) -> Result<Message, StoreError> {
    Message::parse(body)
        .map_err(|error| StoreError::Corrupt { what: "a stored message".to_owned(), why: error.to_string() })
}
