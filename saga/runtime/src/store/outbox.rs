//! The outbox: a narrow mark for each message that is still to be published.

use futures_util::future::BoxFuture;
use saga_core::{Message, MessageRef, Route, Time, Topology};
use uuid::Uuid;

use super::{Pool, Statements, execute, query};
use crate::broker::{Marks, Outbound, Properties};
use crate::error::StoreError;

// Nothing is lost with this commit: a mark that a crash brings back sends its message once more. So it need not wait
// for the disk, for which every delivery waits.
const UNMARK: &str = "
    DELETE FROM outbox WHERE id = ANY($1) AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL";

// A mark that nobody removed for ten seconds has lost its publisher. Whoever claims it has ten more.
const CLAIM: &str = "
    UPDATE outbox SET claimed_at = now() WHERE id IN (
        SELECT id FROM outbox WHERE claimed_at < now() - interval '10 seconds'
        ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING id";

const LOAD: &str = "
    SELECT o.id, o.queue, coalesce(j.body, i.body), o.time, o.message_id
    FROM (SELECT *, (time AT TIME ZONE 'UTC')::date AS day FROM outbox) AS o
    LEFT JOIN journal j ON j.day = o.day AND j.time = o.time AND j.id = o.message_id
    LEFT JOIN inbox i ON i.day = o.day AND i.id = o.message_id AND i.body IS NOT NULL
    WHERE o.id = ANY($1) ORDER BY o.id";

/// What is to be marked: a message, and the queue that it goes straight into, if it does.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) message: MessageRef,
    pub(crate) queue: Option<String>,
}

/// The stored messages behind marks, ready to be published, in the order of the marks. One that
/// cannot be published holds none of the others back: it stays marked, for a program that can; or
/// loses its mark, when its partition was dropped past retention and there is nothing left to send.
pub(crate) async fn load(
    on: &impl Statements,
    topology: &Topology,
    marks: &[i64],
) -> Result<Vec<Outbound>, StoreError> {
    let rows = query(on, LOAD, &[&marks]).await?;
    let (mut ready, mut gone) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let (mark, body): (i64, Option<Vec<u8>>) = (row.get(0), row.get(2));
        let Some(body) = body else {
            let (time, message_id): (Time, Uuid) = (row.get(3), row.get(4));
            tracing::error!(%time, %message_id, "a message to be sent again is gone from journal and inbox");
            gone.push(mark);
            continue;
        };
        match outbound(topology, mark, row.get(1), body) {
            Ok(outbound) => ready.push(outbound),
            Err(error) => tracing::error!(%error, "a stored message cannot be published; it stays marked"),
        }
    }
    if !gone.is_empty() {
        execute(on, UNMARK, &[&gone]).await?;
    }
    Ok(ready)
}

fn outbound(topology: &Topology, mark: i64, queue: Option<String>, body: Vec<u8>) -> Result<Outbound, StoreError> {
    let corrupt = |why: &str| StoreError::Corrupt { what: format!("outbox mark {mark}"), why: why.to_owned() };
    let message = Message::parse(&body).map_err(|error| corrupt(&error.to_string()))?;
    let route = match queue {
        Some(queue) => Route::to_queue(&queue),
        None => topology.route(&message.kind).ok_or_else(|| corrupt("its type is not in the topology"))?,
    };
    Ok(Outbound { mark, route, properties: Properties::from(&message), body })
}

/// The outbox of a process, as the relay sees it.
#[derive(Debug, Clone)]
pub(crate) struct OutboxMarks {
    pub(crate) pool: Pool,
    pub(crate) topology: &'static Topology,
}

impl Marks for OutboxMarks {
    fn published<'a>(&'a self, marks: &'a [i64]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let client = self.pool.get().await?;
            execute(&client, UNMARK, &[&marks]).await?;
            Ok(())
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
