//! What a transaction notes down: the messages that it handled, and those that it sends. A row in the inbox means done;
//! a row in the journal, sent; one in the outbox, still to be published.

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
// first, by key, so that copies which meet do so there and cannot deadlock further on.
//
// A message of which nobody looked whether it waits here: nothing is searched for while nothing waits in its queue.
const RECORD: &str = "
    WITH received AS (
        INSERT INTO inbox (consumer, day, id, hash, type, saga_id, received_at, note, answers, answered_at, body)
        SELECT $1, t.day, t.id, t.hash, t.type, t.saga_id, $2, t.note, ($9::uuid[])[t.first:t.last], t.answered_at, t.body
        FROM unnest($3::date[], $4::uuid[], $5::bytea[], $6::text[], $7::uuid[], $8::text[], $10::integer[], $11::integer[],
                    $12::timestamptz[], $13::bytea[])
            AS t(day, id, hash, type, saga_id, note, first, last, answered_at, body)
        ORDER BY t.id RETURNING 1),
    journaled AS (
        INSERT INTO journal (day, id, time, type, saga_id, body)
        SELECT * FROM unnest($14::date[], $15::uuid[], $16::timestamptz[], $17::text[], $18::uuid[], $19::bytea[])
        WHERE (SELECT count(*) FROM received) IS NOT NULL),
    marked AS (
        INSERT INTO outbox (times, message_ids, queues)
        SELECT ($20::timestamptz[])[t.first:t.last], ($21::uuid[])[t.first:t.last], ($22::text[])[t.first:t.last]
        FROM unnest($23::integer[], $24::integer[]) WITH ORDINALITY AS t(first, last, n)
        WHERE (SELECT count(*) FROM received) IS NOT NULL
        ORDER BY t.n RETURNING id)
    SELECT id FROM marked
    UNION ALL SELECT overtaken() FROM unnest($25::text[]) AS t(key)
    WHERE EXISTS (SELECT FROM parked WHERE queue = $1) AND EXISTS (
        SELECT FROM parked WHERE parked.queue = $1 AND parked.key = t.key AND state = 'parked' OFFSET 0)
    UNION ALL SELECT overtaken() FROM unnest($25::text[]) AS t(key)
    WHERE EXISTS (SELECT FROM deferred WHERE queue = $1) AND EXISTS (
        SELECT FROM deferred WHERE deferred.queue = $1 AND deferred.key = t.key OFFSET 0)";

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
        let (inbox, journal, outbox) = (Inbox::of(receipts), Journal::of(&send, &bodies), Outbox::of(&send, resend));
        let params: [Param<'_>; 25] = [
            &consumer,
            &now,
            &inbox.days,
            &inbox.ids,
            &inbox.hashes,
            &inbox.kinds,
            &inbox.sagas,
            &inbox.notes,
            &inbox.answers,
            &inbox.spans.firsts,
            &inbox.spans.lasts,
            &inbox.answered,
            &inbox.bodies,
            &journal.days,
            &journal.ids,
            &journal.times,
            &journal.kinds,
            &journal.sagas,
            &journal.bodies,
            &outbox.times,
            &outbox.ids,
            &outbox.queues,
            &outbox.spans.firsts,
            &outbox.spans.lasts,
            &unseen,
        ];
        let rows = query(transaction, RECORD, &params).await?;
        let mut ids = rows.iter().map(|row| row.get::<_, i64>(0));
        let new = sizes(send.len()).zip(ids.by_ref());
        let new: Vec<Mark> = new.flat_map(|(of, id)| (0..of).map(move |n| Mark { id, n, of })).collect();
        let again = ids.collect();
        let outbound = send.iter().zip(routes).zip(bodies).zip(new);
        let outbound = outbound.map(|(((outgoing, route), body), mark)| {
            let properties = Properties::from(&outgoing.message);
            Outbound { mark, route, properties, body }
        });
        Ok((outbound.collect(), again))
    })
}

/// How many of so many messages each of their marks stands for.
fn sizes(messages: usize) -> impl Iterator<Item = u32> {
    (0..messages).step_by(Mark::MOST as usize).map(move |first| Mark::MOST.min((messages - first) as u32))
}

/// Which elements of an array belong together, as PostgreSQL counts them: arrays of arrays are no arrays of its.
#[derive(Default)]
struct Spans {
    firsts: Vec<Option<i32>>,
    lasts: Vec<i32>,
}

impl Spans {
    /// So many more; none of them is NULL.
    fn push(&mut self, elements: u32) {
        let end = self.lasts.last().copied().unwrap_or_default();
        self.firsts.push((elements > 0).then_some(end + 1));
        self.lasts.push(end.saturating_add_unsigned(elements));
    }
}

/// Columns of the inbox.
struct Inbox<'a> {
    days: Vec<Date>,
    ids: Vec<Uuid>,
    hashes: Vec<&'a [u8]>,
    kinds: Vec<&'a str>,
    sagas: Vec<Option<Uuid>>,
    notes: Vec<Option<&'a str>>,
    answers: Vec<Uuid>,
    spans: Spans,
    answered: Vec<Option<Time>>,
    bodies: Vec<Option<&'a [u8]>>,
}

impl<'a> Inbox<'a> {
    fn of(receipts: &'a [Receipt<'a>]) -> Self {
        let (mut answers, mut spans) = (Vec::with_capacity(receipts.len()), Spans::default());
        for receipt in receipts {
            let before = answers.len();
            answers.extend(answered_with(&receipt.answers));
            spans.push((answers.len() - before) as u32);
        }
        Self {
            days: receipts.iter().map(|r| day_of(r.message.time)).collect(),
            ids: receipts.iter().map(|r| r.message.id).collect(),
            hashes: receipts.iter().map(|r| r.hash.as_slice()).collect(),
            kinds: receipts.iter().map(|r| r.message.kind.as_str()).collect(),
            sagas: receipts.iter().map(|r| r.message.saga_id).collect(),
            notes: receipts.iter().map(|r| r.note).collect(),
            answers,
            spans,
            answered: receipts.iter().map(|r| r.answers.first().map(|a| a.time)).collect(),
            bodies: receipts.iter().map(|r| r.body).collect(),
        }
    }
}

/// Columns of the journal.
struct Journal<'a> {
    days: Vec<Date>,
    ids: Vec<Uuid>,
    times: Vec<Time>,
    kinds: Vec<&'a str>,
    sagas: Vec<Option<Uuid>>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Journal<'a> {
    fn of(send: &'a [Outgoing], bodies: &'a [Vec<u8>]) -> Self {
        Self {
            days: send.iter().map(|o| day_of(o.message.time)).collect(),
            ids: send.iter().map(|o| o.message.id).collect(),
            times: send.iter().map(|o| o.message.time).collect(),
            kinds: send.iter().map(|o| o.message.kind.as_str()).collect(),
            sagas: send.iter().map(|o| o.message.saga_id).collect(),
            bodies: bodies.iter().map(Vec::as_slice).collect(),
        }
    }
}

/// Columns of the outbox.
struct Outbox<'a> {
    times: Vec<Time>,
    ids: Vec<Uuid>,
    queues: Option<Vec<Option<&'a str>>>,
    spans: Spans,
}

impl<'a> Outbox<'a> {
    fn of(send: &'a [Outgoing], resend: &'a [Again]) -> Self {
        let new = send.iter().map(|o| (o.message.reference(), o.queue.as_deref()));
        let again = resend.iter().map(|a| (a.message, a.queue.as_deref()));
        let (messages, queues): (Vec<MessageRef>, Vec<_>) = new.chain(again).unzip();
        let mut spans = Spans::default();
        sizes(send.len()).chain(sizes(resend.len())).for_each(|of| spans.push(of));
        Self {
            times: messages.iter().map(|message| message.time).collect(),
            ids: messages.iter().map(|message| message.id).collect(),
            queues: queues.iter().any(Option::is_some).then_some(queues),
            spans,
        }
    }
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
