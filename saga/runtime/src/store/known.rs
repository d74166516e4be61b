//! What the tables say of messages that have arrived.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::{MessageRef, Time};
use time::{Date, UtcOffset};
use uuid::Uuid;

use super::{Transaction, query};
use crate::error::StoreError;

// OFFSET 0 keeps each a search for one row: joined, a plan that was made while a table was empty reads all of the day's, or
// all of the queue's.
//
// A parked row that is found is locked: an operator's replay holds it until its message is published, and whoever met
// that message before would take it for a copy of a parked one and drop it.
const KNOWN: &str = "
    WITH waiting AS (
        SELECT p.key FROM unnest($4::text[]) AS t(key) CROSS JOIN LATERAL (
            SELECT key FROM parked
            WHERE parked.queue = $1 AND parked.key = t.key AND state = 'parked' OFFSET 0 FOR SHARE) AS p)
    SELECT i.id, NULL::text AS key, false AS is_parked, i.hash, i.answers, i.answered_at
    FROM unnest($3::uuid[]) AS t(id) CROSS JOIN LATERAL (
        SELECT id, hash, answers, answered_at FROM inbox
        WHERE inbox.consumer = $1 AND inbox.day = $2 AND inbox.id = t.id OFFSET 0) AS i
    UNION ALL SELECT NULL, d.key, false, NULL, NULL, NULL FROM unnest($4) AS t(key) CROSS JOIN LATERAL (
        SELECT key FROM deferred WHERE deferred.queue = $1 AND deferred.key = t.key OFFSET 0) AS d
    UNION ALL SELECT NULL, key, true, NULL, NULL, NULL FROM waiting";

/// A message within one consumer's inbox: the day of its time, and its id.
pub(crate) type Key = (Date, Uuid);

/// What the inbox knows of a message that was handled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handled {
    pub(crate) hash: Vec<u8>,
    pub(crate) answers: Vec<MessageRef>,
}

/// What the tables say of a queue's messages.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) handled: BTreeMap<Key, Handled>,
    /// The keys of those that are put off.
    pub(crate) deferred: BTreeSet<String>,
    /// The keys of those that are parked.
    pub(crate) parked: BTreeSet<String>,
}

/// The day whose partition has what was made at a time. Messages have their times in UTC; what a client asks for may be
/// written with any offset.
pub(crate) fn day_of(time: Time) -> Date {
    time.checked_to_offset(UtcOffset::UTC).unwrap_or(time).date()
}

/// Which of these messages this consumer has handled, and which wait here already, by the keys that they would wait under.
pub(crate) async fn known(
    transaction: &Transaction<'_>,
    consumer: &str,
    messages: impl IntoIterator<Item = MessageRef>,
    mut keys: &[&str],
) -> Result<Known, StoreError> {
    let mut by_day: BTreeMap<Date, Vec<Uuid>> = BTreeMap::new();
    for message in messages {
        by_day.entry(day_of(message.time)).or_default().push(message.id);
    }
    let mut known = Known::default();
    // Hardly ever more than one day: one partition, one index.
    for (day, ids) in by_day {
        for row in query(transaction, KNOWN, &[&consumer, &day, &ids, &std::mem::take(&mut keys)]).await? {
            match row.get::<_, Option<String>>(1) {
                Some(key) if row.get(2) => known.parked.insert(key),
                Some(key) => known.deferred.insert(key),
                None => {
                    let answers: Option<Vec<Uuid>> = row.get(4);
                    let time: Option<Time> = row.get(5);
                    let answers = answers.unwrap_or_default().into_iter();
                    let answers = answers.filter_map(|id| Some(MessageRef { id, time: time? })).collect();
                    known.handled.insert((day, row.get(0)), Handled { hash: row.get(3), answers }).is_none()
                }
            };
        }
    }
    Ok(known)
}
