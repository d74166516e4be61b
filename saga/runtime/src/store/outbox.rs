//! The outbox: a narrow mark for the messages of a transaction that are still to be published.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use saga_core::{Message, Route, Time, Topology};
use uuid::Uuid;

use super::{Pool, Statements, execute, query};
use crate::broker::{Mark, Marks, Outbound, Properties, Settled};
use crate::error::StoreError;

// Nothing is lost with this commit: a mark that a crash brings back sends its messages once more. So it need not wait
// for the disk, for which every delivery waits.
const UNMARK: &str = "
    DELETE FROM outbox WHERE id = ANY($1) AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL";

// Messages are told by their places; another process may have narrowed the mark since it was read, and moved them.
const NARROW: &str = "
    UPDATE outbox o SET (times, message_ids, queues) = (
        SELECT array_agg(m.time ORDER BY m.n), array_agg(m.id ORDER BY m.n), array_agg(m.queue ORDER BY m.n)
        FROM unnest(o.times, o.message_ids, o.queues) WITH ORDINALITY AS m(time, id, queue, n)
        WHERE (t.done >> (m.n - 1)::integer) & 1 = 0)
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS t(mark, messages, done)
    WHERE o.id = t.mark AND o.id = ANY($1) AND cardinality(o.message_ids) = t.messages";

// A mark that nobody removed for ten seconds has lost its publisher. Whoever claims it has ten more. Counted first: to lock
// a row is to write it.
const CLAIM: &str = "
    WITH free AS (
        SELECT id, cardinality(message_ids) AS messages FROM outbox WHERE claimed_at < now() - interval '10 seconds'
        ORDER BY id LIMIT $1),
    counted AS (SELECT id, messages, sum(messages) OVER (ORDER BY id) AS total FROM free)
    UPDATE outbox SET claimed_at = now() WHERE id IN (
        SELECT id FROM outbox
        WHERE id = ANY(ARRAY(SELECT id FROM counted WHERE total - messages < $1))
          AND claimed_at < now() - interval '10 seconds'
        ORDER BY id FOR UPDATE SKIP LOCKED)
    RETURNING id";

const LOAD: &str = "
    SELECT o.id, o.n, o.messages, o.queue, coalesce(j.body, i.body), o.time, o.message_id
    FROM (
        SELECT o.id, m.n::integer, cardinality(o.message_ids) AS messages, m.queue, m.time, m.id AS message_id,
               (m.time AT TIME ZONE 'UTC')::date AS day
        FROM outbox o CROSS JOIN unnest(o.times, o.message_ids, o.queues) WITH ORDINALITY AS m(time, id, queue, n)
        WHERE o.id = ANY($1)) AS o
    LEFT JOIN LATERAL (
        SELECT e.bodies[array_position(e.ids, o.message_id)] AS body FROM journal_entries e
        WHERE e.day = o.day AND e.time = o.time AND o.message_id = ANY(e.ids) LIMIT 1) AS j ON true
    LEFT JOIN inbox i ON i.day = o.day AND i.id = o.message_id AND i.body IS NOT NULL
    ORDER BY o.id, o.n";

/// The stored messages behind marks, ready to be published, in the order of the marks. One that cannot be published holds
/// none of the others back: it stays marked, for a program that can; or, when its partition was dropped past retention and
/// there is nothing left to send, its mark forgets it, and what else that stands for comes with a later sweep.
pub(crate) async fn load(
    on: &impl Statements,
    topology: &Topology,
    marks: &[i64],
) -> Result<Vec<Outbound>, StoreError> {
    let rows = query(on, LOAD, &[&marks]).await?;
    let (mut ready, mut gone) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for row in &rows {
        let (id, n, of): (i64, i32, i32) = (row.get(0), row.get(1), row.get(2));
        let mark = Mark { id, n: n.unsigned_abs() - 1, of: of.unsigned_abs() };
        if mark.of > Mark::MOST {
            tracing::error!(mark = id, messages = of, "an outbox mark that no program of ours made; it stays");
            continue;
        }
        let Some(body) = row.get::<_, Option<Vec<u8>>>(4) else {
            let (time, message_id): (Time, Uuid) = (row.get(5), row.get(6));
            tracing::error!(%time, %message_id, "a message to be sent again is gone from journal and inbox");
            gone.entry(id).or_insert(Settled { id, of: mark.of, done: 0 }).done |= 1 << mark.n;
            continue;
        };
        match outbound(topology, mark, row.get(3), body) {
            Ok(outbound) => ready.push(outbound),
            Err(error) => tracing::error!(%error, "a stored message cannot be published; it stays marked"),
        }
    }
    if !gone.is_empty() {
        ready.retain(|outbound| !gone.contains_key(&outbound.mark.id));
        unmark(on, &gone.into_values().collect::<Vec<_>>()).await?;
    }
    Ok(ready)
}

fn outbound(topology: &Topology, mark: Mark, queue: Option<String>, body: Vec<u8>) -> Result<Outbound, StoreError> {
    let what = || format!("message {} of outbox mark {}", mark.n + 1, mark.id);
    let corrupt = |why: &str| StoreError::Corrupt { what: what(), why: why.to_owned() };
    let message = Message::parse(&body).map_err(|error| corrupt(&error.to_string()))?;
    let route = match queue {
        Some(queue) => Route::to_queue(&queue),
        None => topology.route(&message.kind).ok_or_else(|| corrupt("its type is not in the topology"))?,
    };
    Ok(Outbound { mark, route, properties: Properties::from(&message), body })
}

async fn unmark(on: &impl Statements, marks: &[Settled]) -> Result<(), StoreError> {
    let mut marks = marks.to_vec();
    // Copies that have the same marks take them in one order.
    marks.sort_unstable_by_key(|mark| mark.id);
    let (whole, partly): (Vec<Settled>, Vec<Settled>) = marks.iter().partition(|mark| mark.wholly());
    let ids = |marks: &[Settled]| marks.iter().map(|mark| mark.id).collect::<Vec<i64>>();
    let mut narrowed = Ok(0);
    if !partly.is_empty() {
        let messages: Vec<i32> = partly.iter().map(|mark| mark.of.cast_signed()).collect();
        let done: Vec<i64> = partly.iter().map(|mark| mark.done.cast_signed()).collect();
        narrowed = execute(on, NARROW, &[&ids(&partly), &messages, &done]).await;
    }
    if !whole.is_empty() {
        execute(on, UNMARK, &[&ids(&whole)]).await?;
    }
    narrowed.map(drop)
}

/// The outbox of a process, as the relay sees it.
#[derive(Debug, Clone)]
pub(crate) struct OutboxMarks {
    pub(crate) pool: Pool,
    pub(crate) topology: &'static Topology,
}

impl Marks for OutboxMarks {
    fn settled<'a>(&'a self, marks: &'a [Settled]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let client = self.pool.get().await?;
            unmark(&client, marks).await
        })
    }

    fn leftovers(&self, limit: i64) -> BoxFuture<'_, Result<Vec<Outbound>, StoreError>> {
        Box::pin(async move {
            let client = self.pool.get().await?;
            let rows = query(&client, CLAIM, &[&limit]).await?;
            let marks: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            if marks.is_empty() { Ok(Vec::new()) } else { load(&client, self.topology, &marks).await }
        })
    }
}
