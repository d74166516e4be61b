//! What operators read: parked messages, the journal, the inbox of one saga.

use saga_core::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Statements, Transaction, day_of, query, query_opt};
use crate::error::StoreError;

const LIST: &str = "
    SELECT id, queue, message_id, type, saga_id, reason, detail, fingerprint, state, times, first_at, last_at
    FROM parked
    WHERE state = $1 AND ($2::text IS NULL OR fingerprint = $2) AND ($3::uuid IS NULL OR saga_id = $3) AND id > $4
    ORDER BY id LIMIT $5";

const GROUPS: &str = "
    SELECT fingerprint, min(reason), min(type), array_agg(DISTINCT queue ORDER BY queue), count(*),
           min(first_at), max(last_at), (array_agg(detail ORDER BY last_at DESC))[1]
    FROM parked WHERE state = $1 GROUP BY fingerprint ORDER BY count(*) DESC, fingerprint LIMIT 1000";

const SHOW: &str = "
    SELECT id, queue, message_id, type, saga_id, reason, detail, fingerprint, state, times, first_at, last_at,
           incoming, body, translate(encode(body, 'base64'), E'\\n', '')
    FROM parked WHERE id = $1";

// Names the state that it expects: of two operators, one changes the row and one finds it changed.
const CLOSE: &str = "
    UPDATE parked SET state = $2 WHERE id = $1 AND state = 'parked'
    RETURNING id, queue, message_id, type, saga_id, reason, detail, fingerprint, state, times, first_at, last_at,
              incoming, body";

const EDITS: &str = "SELECT n, message_id, difference, at FROM edits WHERE parked = $1 ORDER BY n";

const ADD_EDIT: &str = "INSERT INTO edits (parked, n, message_id, difference, at) VALUES ($1, $2, $3, $4, $5)";

const SENT_FOR_SAGA: &str = "
    SELECT e.seq + m.n - 1, m.id, e.time, m.type, m.saga_id, m.body
    FROM journal_entries e
    CROSS JOIN LATERAL unnest(e.ids, e.types, e.saga_ids, e.bodies) WITH ORDINALITY AS m(id, type, saga_id, body, n)
    WHERE e.day BETWEEN $1 AND $2 AND e.time >= $3 AND e.time < $4 AND $8 = ANY(e.saga_ids)
      AND m.saga_id = $8 AND e.seq + m.n - 1 > $5 AND e.seq + m.n - 1 <= $7
    ORDER BY e.seq, m.n LIMIT $6";

const SENT_BETWEEN: &str = "
    SELECT e.seq + m.n - 1, m.id, e.time, m.type, m.saga_id, m.body
    FROM (
        SELECT seq, time, ids, types, saga_ids, bodies FROM journal_entries
        WHERE day BETWEEN $1 AND $2 AND time >= $3 AND time < $4 AND seq > $5::bigint - 64 AND seq <= $7
          AND seq + cardinality(ids) - 1 > $5
        ORDER BY seq LIMIT $6) AS e
    CROSS JOIN LATERAL unnest(e.ids, e.types, e.saga_ids, e.bodies) WITH ORDINALITY AS m(id, type, saga_id, body, n)
    WHERE e.seq + m.n - 1 > $5 AND e.seq + m.n - 1 <= $7
    ORDER BY e.seq, m.n LIMIT $6";

const EXTENT: &str = "
    SELECT min(time), coalesce(max(seq + cardinality(ids) - 1), 0), coalesce(sum(cardinality(ids)), 0)
    FROM journal_entries WHERE day BETWEEN $1 AND $2 AND time >= $3 AND time < $4";

// The sequence knows it at once; the greatest place in the table would be looked for in all of it.
const LAST_PLACE: &str = "
    SELECT coalesce(last_value + 63, 0)
    FROM pg_sequences WHERE schemaname = 'public' AND sequencename = 'journal_entries_seq_seq'";

const VIEWS: &str = "
    SELECT viewname::text FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'unbalanced\\_%' ORDER BY 1";

const RECEIVED_FOR_SAGA: &str = "
    SELECT consumer, id, type, received_at, note FROM inbox
    WHERE saga_id = $1 ORDER BY received_at, consumer, id LIMIT $2";

/// Where a parked message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParkedState {
    /// It waits for an operator.
    Parked,
    /// It was put back into its queue.
    Replayed,
    /// It will never be handled.
    Discarded,
    /// A corrected copy went out in its place.
    Edited,
}

/// A parked message, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Parked {
    /// Its number here.
    pub id: i64,
    /// The queue that it came from.
    pub queue: String,
    /// Its id, where it has one.
    pub message_id: Option<Uuid>,
    /// Its type, where it has one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its saga, where it has one.
    pub saga_id: Option<Uuid>,
    /// Why it was parked, a word that groups.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
    /// What it shares with others that were parked for the same cause.
    pub fingerprint: String,
    /// Where it stands.
    pub state: String,
    /// How often it was parked.
    pub times: i32,
    /// When it was parked first.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Time,
    /// When it was parked last.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Time,
}

/// Parked messages of one cause.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ParkedGroup {
    /// What they share.
    pub fingerprint: String,
    /// Why they were parked, a word.
    pub reason: String,
    /// Their type, where they have one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The queues that they came from.
    pub queues: Vec<String>,
    /// How many they are.
    pub count: i64,
    /// When the first of them was parked.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Time,
    /// When the last of them was parked.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Time,
    /// Why the last of them was parked, in a sentence.
    pub example: String,
}

/// A parked message with its bytes and how it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParkedMessage {
    /// What is known of it.
    #[serde(flatten)]
    pub parked: Parked,
    /// How it came: exchange, routing key, AMQP properties and headers.
    pub incoming: Value,
    /// Its bytes.
    pub body: Content,
    /// The edited copies that were published in its place.
    pub edits: Vec<Edit>,
}

/// An edited copy of a parked message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Edit {
    /// Which copy of the message, from 1.
    pub n: i32,
    /// The copy's id, derived from the original's.
    pub message_id: Uuid,
    /// In what it differs: `[{"path": "$.data.status", "before": ..., "after": ...}]`.
    pub difference: Value,
    /// When it was published.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

/// Bytes in JSON: as they are where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// UTF-8 text, byte for byte.
    Text(String),
    /// Anything else, in base64.
    Base64(String),
}

/// A message that this process sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// Its place in the journal.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its saga.
    pub saga_id: Option<Uuid>,
    /// Its stored bytes, an envelope in JSON: to be published again as they are.
    pub body: String,
}

/// A message that this process has handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Received {
    /// The queue that it came from.
    pub consumer: String,
    /// Its id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was handled.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Time,
    /// Why nothing changed, where nothing did.
    pub note: Option<String>,
}

/// Which parked messages are asked for.
#[derive(Debug, Clone, Copy)]
pub struct ParkedFilter<'a> {
    /// Where they stand.
    pub state: ParkedState,
    /// Of this cause.
    pub fingerprint: Option<&'a str>,
    /// Of this saga.
    pub saga: Option<Uuid>,
    /// With a greater id than this.
    pub after: i64,
    /// At most so many.
    pub limit: i64,
}

/// A parked message that was taken out, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closed {
    pub(crate) parked: Parked,
    pub(crate) incoming: Value,
    pub(crate) body: Vec<u8>,
}

/// Which sent messages are asked for.
#[derive(Debug, Clone, Copy)]
pub struct SentFilter {
    /// Of this saga.
    pub saga: Option<Uuid>,
    /// Made at this time or later.
    pub from: Time,
    /// Made before this time.
    pub until: Time,
    /// With a greater place than this.
    pub after: i64,
    /// With no greater place than this.
    pub last: i64,
    /// At most so many.
    pub limit: i64,
}

impl ParkedState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
            Self::Edited => "edited",
        }
    }
}

/// Parked messages, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn parked(on: &impl Statements, filter: ParkedFilter<'_>) -> Result<Vec<Parked>, StoreError> {
    let state = filter.state.as_str();
    let params: [super::Param<'_>; 5] = [&state, &filter.fingerprint, &filter.saga, &filter.after, &filter.limit];
    Ok(query(on, LIST, &params).await?.iter().map(to_parked).collect())
}

/// Parked messages by what they share, the 1,000 largest groups, the largest first: what strangers send may be in groups of one.
///
/// # Errors
/// [`StoreError`].
pub async fn parked_groups(on: &impl Statements, state: ParkedState) -> Result<Vec<ParkedGroup>, StoreError> {
    let rows = query(on, GROUPS, &[&state.as_str()]).await?;
    let group = |row: &Row| ParkedGroup {
        fingerprint: row.get(0),
        reason: row.get(1),
        kind: row.get(2),
        queues: row.get(3),
        count: row.get(4),
        first_at: row.get(5),
        last_at: row.get(6),
        example: row.get(7),
    };
    Ok(rows.iter().map(group).collect())
}

/// One parked message with its bytes.
///
/// # Errors
/// [`StoreError`].
pub async fn parked_message(on: &impl Statements, id: i64) -> Result<Option<ParkedMessage>, StoreError> {
    let Some(row) = query_opt(on, SHOW, &[&id]).await? else { return Ok(None) };
    Ok(Some(ParkedMessage {
        parked: to_parked(&row),
        incoming: row.get(12),
        body: String::from_utf8(row.get(13)).map_or_else(|_| Content::Base64(row.get(14)), Content::Text),
        edits: edits(on, id).await?,
    }))
}

/// The edited copies of a parked message, in order.
pub(crate) async fn edits(on: &impl Statements, id: i64) -> Result<Vec<Edit>, StoreError> {
    let rows = query(on, EDITS, &[&id]).await?;
    let edit = |row: &Row| Edit { n: row.get(0), message_id: row.get(1), difference: row.get(2), at: row.get(3) };
    Ok(rows.iter().map(edit).collect())
}

/// Writes down an edited copy.
pub(crate) async fn add_edit(transaction: &Transaction<'_>, id: i64, edit: &Edit) -> Result<(), StoreError> {
    let Edit { n, message_id, difference, at } = edit;
    super::execute(transaction, ADD_EDIT, &[&id, n, message_id, difference, at]).await.map(|_| ())
}

/// Takes a message out of those that wait, into another state; `None` when it does not wait.
pub(crate) async fn close(
    transaction: &Transaction<'_>,
    id: i64,
    state: ParkedState,
) -> Result<Option<Closed>, StoreError> {
    let row = query_opt(transaction, CLOSE, &[&id, &state.as_str()]).await?;
    Ok(row.map(|row| Closed { parked: to_parked(&row), incoming: row.get(12), body: row.get(13) }))
}

/// What this process sent, in order. What is committed late has a place among what was read
/// already: whoever needs everything asks for what is at least a minute old.
///
/// # Errors
/// [`StoreError`].
pub async fn sent(on: &impl Statements, filter: SentFilter) -> Result<Vec<Sent>, StoreError> {
    let SentFilter { saga, from, until, after, last, limit } = filter;
    let (first_day, last_day) = (day_of(from), day_of(until));
    let params: [super::Param<'_>; 8] = [&first_day, &last_day, &from, &until, &after, &limit, &last, &saga];
    let rows = match saga {
        Some(_) => query(on, SENT_FOR_SAGA, &params).await?,
        None => query(on, SENT_BETWEEN, &params[..7]).await?,
    };
    rows.iter().map(to_sent).collect()
}

/// When the oldest message of a span of the journal was made, the greatest place in it, and how many
/// messages it has.
///
/// # Errors
/// [`StoreError`].
pub async fn extent(on: &impl Statements, from: Time, until: Time) -> Result<(Option<Time>, i64, i64), StoreError> {
    let (first, last) = (day_of(from), day_of(until));
    let row = query_opt(on, EXTENT, &[&first, &last, &from, &until]).await?;
    Ok(row.map_or((None, 0, 0), |row| (row.get(0), row.get(1), row.get(2))))
}

/// A place that no message in the journal is beyond, however many there are; 0 when there never was one.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn last_place(on: &impl Statements) -> Result<i64, StoreError> {
    Ok(query_opt(on, LAST_PLACE, &[]).await?.map_or(0, |row| row.get(0)))
}

/// The views that are always empty while rows and counts agree, each with the rows that it has, as text.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn unbalanced(on: &impl Statements) -> Result<Vec<(String, Vec<String>)>, StoreError> {
    let mut views = Vec::new();
    for row in query(on, VIEWS, &[]).await? {
        let view: String = row.get(0);
        let rows = query(on, &format!("SELECT to_jsonb(v)::text FROM {view} AS v LIMIT 100"), &[]).await?;
        views.push((view, rows.iter().map(|row| row.get(0)).collect()));
    }
    Ok(views)
}

/// What this process has handled for a saga, in order.
///
/// # Errors
/// [`StoreError`].
pub async fn received_for(on: &impl Statements, saga: Uuid, limit: i64) -> Result<Vec<Received>, StoreError> {
    let rows = query(on, RECEIVED_FOR_SAGA, &[&saga, &limit]).await?;
    let received = |row: &Row| Received {
        consumer: row.get(0),
        id: row.get(1),
        kind: row.get(2),
        received_at: row.get(3),
        note: row.get(4),
    };
    Ok(rows.iter().map(received).collect())
}

fn to_parked(row: &Row) -> Parked {
    Parked {
        id: row.get(0),
        queue: row.get(1),
        message_id: row.get(2),
        kind: row.get(3),
        saga_id: row.get(4),
        reason: row.get(5),
        detail: row.get(6),
        fingerprint: row.get(7),
        state: row.get(8),
        times: row.get(9),
        first_at: row.get(10),
        last_at: row.get(11),
    }
}

fn to_sent(row: &Row) -> Result<Sent, StoreError> {
    let id: Uuid = row.get(1);
    let body = String::from_utf8(row.get(5))
        .map_err(|error| StoreError::Corrupt { what: format!("the message {id}"), why: error.to_string() })?;
    Ok(Sent { seq: row.get(0), id, time: row.get(2), kind: row.get(3), saga_id: row.get(4), body })
}
