//! The inbox: what was handled. A row means done.

use std::collections::BTreeMap;

use saga_core::{Message, MessageRef, Time};
use time::Date;
use uuid::Uuid;

use super::{Transaction, execute, query};
use crate::error::StoreError;

// OFFSET 0 keeps it a search for each id: joined, a plan that was made while the inbox was empty reads all of the day's.
const HANDLED: &str = "
    SELECT i.id, i.hash, i.answers, i.answered_at
    FROM unnest($3::uuid[]) AS t(id) CROSS JOIN LATERAL (
        SELECT id, hash, answers, answered_at FROM inbox
        WHERE inbox.consumer = $1 AND inbox.day = $2 AND inbox.id = t.id OFFSET 0) AS i";

// A plain INSERT: whoever handles the same message at the same time fails here, is rolled back,
// and finds it done when it looks again.
const RECEIVE: &str = "
    INSERT INTO inbox (consumer, day, id, hash, type, saga_id, received_at, note, answers, answered_at)
    SELECT $1, t.day, t.id, t.hash, t.type, t.saga_id, $2, t.note, string_to_array(t.answers, ',')::uuid[],
           t.answered_at
    FROM unnest($3::date[], $4::uuid[], $5::bytea[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::timestamptz[])
         AS t(day, id, hash, type, saga_id, note, answers, answered_at)
    ORDER BY t.id";

/// What the inbox knows of a message that was handled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handled {
    pub(crate) hash: Vec<u8>,
    pub(crate) answers: Vec<MessageRef>,
}

/// A message that was handled just now.
#[derive(Debug)]
pub(crate) struct Receipt<'a> {
    pub(crate) message: &'a Message,
    pub(crate) hash: [u8; 32],
    pub(crate) note: Option<&'static str>,
    /// What went out for it; all of one batch carry the batch's time.
    pub(crate) answers: Vec<MessageRef>,
}

/// A message within one consumer's inbox: the day of its time, and its id.
pub(crate) type Key = (Date, Uuid);

/// Which of these messages this consumer has handled.
pub(crate) async fn handled(
    transaction: &Transaction<'_>,
    consumer: &str,
    messages: impl IntoIterator<Item = MessageRef>,
) -> Result<BTreeMap<Key, Handled>, StoreError> {
    let mut by_day: BTreeMap<Date, Vec<Uuid>> = BTreeMap::new();
    for message in messages {
        by_day.entry(message.time.date()).or_default().push(message.id);
    }
    let mut found = BTreeMap::new();
    // Hardly ever more than one day: one partition, one index.
    for (day, ids) in by_day {
        for row in query(transaction, HANDLED, &[&consumer, &day, &ids]).await? {
            let answers: Option<Vec<Uuid>> = row.get(2);
            let time: Option<Time> = row.get(3);
            let answers = answers.unwrap_or_default().into_iter();
            let answers = answers.filter_map(|id| Some(MessageRef { id, time: time? })).collect();
            found.insert((day, row.get(0)), Handled { hash: row.get(1), answers });
        }
    }
    Ok(found)
}

/// Notes that messages were handled, with the answers that went out for each.
pub(crate) async fn receive(
    transaction: &Transaction<'_>,
    consumer: &str,
    now: Time,
    receipts: &[Receipt<'_>],
) -> Result<(), StoreError> {
    if receipts.is_empty() {
        return Ok(());
    }
    let days: Vec<Date> = receipts.iter().map(|r| r.message.time.date()).collect();
    let ids: Vec<Uuid> = receipts.iter().map(|r| r.message.id).collect();
    let hashes: Vec<&[u8]> = receipts.iter().map(|r| r.hash.as_slice()).collect();
    let kinds: Vec<&str> = receipts.iter().map(|r| r.message.kind.as_str()).collect();
    let sagas: Vec<Option<Uuid>> = receipts.iter().map(|r| r.message.saga_id).collect();
    let notes: Vec<Option<&str>> = receipts.iter().map(|r| r.note).collect();
    // Arrays of arrays are no arrays of PostgreSQL's: a list in a text does.
    let answers: Vec<Option<String>> = receipts.iter().map(|r| list(&r.answers)).collect();
    let answered: Vec<Option<Time>> = receipts.iter().map(|r| r.answers.first().map(|a| a.time)).collect();
    let params: [super::Param<'_>; 10] =
        [&consumer, &now, &days, &ids, &hashes, &kinds, &sagas, &notes, &answers, &answered];
    execute(transaction, RECEIVE, &params).await?;
    Ok(())
}

fn list(answers: &[MessageRef]) -> Option<String> {
    let same_time = |answer: &&MessageRef| answers.first().is_some_and(|first| first.time == answer.time);
    let ids: Vec<String> = answers.iter().filter(same_time).map(|answer| answer.id.to_string()).collect();
    (!ids.is_empty()).then(|| ids.join(","))
}
