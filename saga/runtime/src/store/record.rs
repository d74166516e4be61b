//! What a transaction notes down: the messages that it handled, and those that it sends. A row in the inbox means done;
//! a row in the journal, sent; one in the outbox, still to be published.

use postgres_types::ToSql;
use saga_core::{Message, MessageRef, Route, Time, Topology};
use time::Date;
use uuid::Uuid;

use super::{Param, Transaction, day_of, query};
use crate::broker::{Mark, Outbound, Properties};
use crate::error::StoreError;
use crate::handler::{Again, Outgoing};

// Plain INSERTs. Whoever handles the same message at the same time fails here, is rolled back, and finds it done when it
// looks again. What is sent again has no body here.
//
// The parts of one statement run in no order of their own. Each waits for the inbox by counting its rows: it is written
// first, by key (`unnest` keeps the order of what it is given), so that copies which meet do so there and cannot deadlock
// further on.
//
// A message of which nobody looked whether it waits here: nothing is searched for while nothing waits in its queue.
const RECORD: &str = "
    WITH handled AS (
        INSERT INTO inbox (consumer, received_at, day, id, hash, type, saga_id, note, answers, answered_at, body)
        SELECT $1, $2, i.* FROM unnest($3::inbox_row[]) AS i
        RETURNING 1),
    journaled AS (
        INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
        SELECT j.* FROM unnest($4::journal_entry[]) AS j
        WHERE (SELECT count(*) FROM handled) IS NOT NULL),
    marked AS (
        INSERT INTO outbox (times, message_ids, queues)
        SELECT o.* FROM unnest($5::outbox_row[]) AS o
        WHERE (SELECT count(*) FROM handled) IS NOT NULL
        RETURNING id)
    SELECT id FROM marked
    UNION ALL SELECT overtaken() FROM unnest($6::text[]) AS t(key)
    WHERE EXISTS (SELECT FROM parked WHERE queue = $1) AND EXISTS (
        SELECT FROM parked WHERE parked.queue = $1 AND parked.key = t.key AND state = 'parked' OFFSET 0)
    UNION ALL SELECT overtaken() FROM unnest($6::text[]) AS t(key)
    WHERE EXISTS (SELECT FROM deferred WHERE queue = $1) AND EXISTS (
        SELECT FROM deferred WHERE deferred.queue = $1 AND deferred.key = t.key OFFSET 0)";

/// How many messages one mark stands for at most, and one row of the journal has.
const MOST: usize = Mark::MOST as usize;

/// Messages that a consumer has handled.
#[derive(Debug, Clone)]
pub(crate) struct Receipts<'a> {
    pub(crate) consumer: &'a str,
    pub(crate) now: Time,
    pub(crate) receipts: &'a [Receipt<'a>],
    /// The keys of messages of which nobody has looked whether they are put off or parked.
    pub(crate) unseen: Vec<&'a str>,
}

impl Receipts<'_> {
    /// Nothing was: somebody asked over HTTP, or an alarm rang.
    pub(crate) fn nothing() -> Self {
        Self { consumer: "", now: Time::UNIX_EPOCH, receipts: &[], unseen: Vec::new() }
    }
}

/// A message that was handled just now.
#[derive(Debug)]
pub(crate) struct Receipt<'a> {
    pub(crate) message: &'a Message,
    pub(crate) hash: [u8; 32],
    pub(crate) note: Option<&'static str>,
    /// What went out for it; all of one batch carry the batch's time.
    pub(crate) answers: Vec<MessageRef>,
    /// Its bytes, if they may have to be sent again.
    pub(crate) body: Option<&'a [u8]>,
}

/// What is for the relay: new messages, and the marks of those that go out again.
pub(crate) type Recorded = (Vec<Outbound>, Vec<i64>);

/// Notes down what was received, what is sent, and what is sent again, in order: in one statement, which is sent when what
/// is returned is first polled. What comes back is to be handed to the relay once the transaction is committed.
///
/// # Errors
/// At once [`StoreError::Corrupt`], when a message has no route: while COMMIT is not on its way. Then [`StoreError`], with
/// [`Remedy::Again`](crate::Remedy::Again) when a message of which nobody had looked waits here.
pub(crate) fn record<'a>(
    transaction: &'a Transaction<'_>,
    topology: &Topology,
    received: Receipts<'a>,
    send: Vec<Outgoing>,
    resend: &'a [Again],
) -> Result<impl Future<Output = Result<Recorded, StoreError>>, StoreError> {
    let routes = send.iter().map(|outgoing| route(topology, outgoing)).collect::<Result<Vec<_>, _>>()?;
    Ok(async move {
        let Receipts { consumer, now, receipts, unseen } = received;
        if receipts.is_empty() && unseen.is_empty() && send.is_empty() && resend.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let bodies: Vec<Vec<u8>> = send.iter().map(|o| o.message.to_bytes()).collect();
        let (inbox, journal, outbox) = (inbox(receipts), journal(&send, &bodies), outbox(&send, resend));
        let params: [Param<'_>; 6] = [&consumer, &now, &inbox, &journal, &outbox, &unseen];
        let rows = query(transaction, RECORD, &params).await?;
        let mut ids = rows.iter().map(|row| row.get::<_, i64>(0));
        let new = outbox.iter().map(|mark| mark.message_ids.len() as u32).take(send.len().div_ceil(MOST));
        let new: Vec<Mark> =
            new.zip(ids.by_ref()).flat_map(|(of, id)| (0..of).map(move |n| Mark { id, n, of })).collect();
        let again = ids.collect();
        let outbound = send.iter().zip(routes).zip(bodies).zip(new);
        let outbound = outbound.map(|(((outgoing, route), body), mark)| {
            let properties = Properties::from(&outgoing.message);
            Outbound { mark, route, properties, body }
        });
        Ok((outbound.collect(), again))
    })
}

/// A row for the inbox.
#[derive(Debug, ToSql)]
#[postgres(name = "inbox_row")]
struct InboxRow<'a> {
    day: Date,
    id: Uuid,
    hash: &'a [u8],
    #[postgres(name = "type")]
    kind: &'a str,
    saga_id: Option<Uuid>,
    note: Option<&'a str>,
    answers: Option<Vec<Uuid>>,
    answered_at: Option<Time>,
    body: Option<&'a [u8]>,
}

/// A row for the journal: messages of one time.
#[derive(Debug, ToSql)]
#[postgres(name = "journal_entry")]
struct JournalEntry<'a> {
    day: Date,
    time: Time,
    ids: Vec<Uuid>,
    #[postgres(name = "types")]
    kinds: Vec<&'a str>,
    saga_ids: Vec<Option<Uuid>>,
    bodies: &'a [Vec<u8>],
}

/// A row for the outbox.
#[derive(Debug, ToSql)]
#[postgres(name = "outbox_row")]
struct OutboxRow<'a> {
    times: Vec<Time>,
    message_ids: Vec<Uuid>,
    queues: Option<Vec<Option<&'a str>>>,
}

/// By their keys, as everybody writes them.
fn inbox<'a>(receipts: &'a [Receipt<'a>]) -> Vec<InboxRow<'a>> {
    let row = |receipt: &'a Receipt<'a>| InboxRow {
        day: day_of(receipt.message.time),
        id: receipt.message.id,
        hash: &receipt.hash,
        kind: &receipt.message.kind,
        saga_id: receipt.message.saga_id,
        note: receipt.note,
        answers: (!receipt.answers.is_empty()).then(|| answered_with(&receipt.answers).collect()),
        answered_at: receipt.answers.first().map(|answer| answer.time),
        body: receipt.body,
    };
    let mut rows: Vec<InboxRow<'a>> = receipts.iter().map(row).collect();
    rows.sort_unstable_by_key(|row| (row.id, row.day));
    rows
}

fn journal<'a>(send: &'a [Outgoing], mut bodies: &'a [Vec<u8>]) -> Vec<JournalEntry<'a>> {
    let of_one_time = send.chunk_by(|one, next| one.message.time == next.message.time);
    let entry = |sent: &'a [Outgoing]| {
        let (own, others) = bodies.split_at(sent.len());
        bodies = others;
        let messages = || sent.iter().map(|outgoing| &outgoing.message);
        JournalEntry {
            day: day_of(sent[0].message.time),
            time: sent[0].message.time,
            ids: messages().map(|message| message.id).collect(),
            kinds: messages().map(|message| &*message.kind).collect(),
            saga_ids: messages().map(|message| message.saga_id).collect(),
            bodies: own,
        }
    };
    of_one_time.flat_map(|sent| sent.chunks(MOST)).map(entry).collect()
}

/// Marks of what is new, and behind them those of what is sent again.
fn outbox<'a>(send: &'a [Outgoing], resend: &'a [Again]) -> Vec<OutboxRow<'a>> {
    let new: Vec<_> = send.iter().map(|o| (o.message.reference(), o.queue.as_deref())).collect();
    let again: Vec<_> = resend.iter().map(|a| (a.message, a.queue.as_deref())).collect();
    let mark = |messages: &[(MessageRef, Option<&'a str>)]| OutboxRow {
        times: messages.iter().map(|(message, _)| message.time).collect(),
        message_ids: messages.iter().map(|(message, _)| message.id).collect(),
        queues: messages
            .iter()
            .any(|(_, queue)| queue.is_some())
            .then(|| messages.iter().map(|(_, queue)| *queue).collect()),
    };
    new.chunks(MOST).chain(again.chunks(MOST)).map(mark).collect()
}

// All that went out for one message carries one time, which is kept once.
fn answered_with(answers: &[MessageRef]) -> impl Iterator<Item = Uuid> {
    let first = answers.first().map(|answer| answer.time);
    answers.iter().filter(move |answer| Some(answer.time) == first).map(|answer| answer.id)
}

fn route(topology: &Topology, outgoing: &Outgoing) -> Result<Route, StoreError> {
    let Outgoing { message, queue } = outgoing;
    let route = match queue {
        Some(queue) => Some(Route::to_queue(queue)),
        None => topology.route(&message.kind),
    };
    route.ok_or_else(|| StoreError::Corrupt {
        what: format!("message {}", message.id),
        why: format!("its type {} is not in the topology", message.kind),
    })
}
