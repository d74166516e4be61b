//! What others publish into the queues: messages that nobody can handle, and messages that were there before.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use saga_contract::{TOPOLOGY, queues};
use saga_core::{QueueType, Route};
use saga_runtime::clock;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;
use uuid::Uuid;

use crate::invariants::Databases;
use crate::processes::System;
use crate::replayed::{Stored, messages_of, publish, shuffle};
use crate::servers::Trouble;

/// How many bad messages come in a burst, and how many sagas are told again.
const BURST: usize = 6;
/// How often each message comes again.
const TIMES: usize = 3;
/// How long a stranger tries; the broker may take no messages at present.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sagas, any of them, and messages that the orchestrator has handled, with their type.
const SAGAS: &str = "SELECT id FROM sagas ORDER BY md5(id::text || $1) LIMIT $2";
const HANDLED: &str = "SELECT id, day FROM inbox WHERE consumer = $3 ORDER BY md5(id::text || $1) LIMIT $2";
const BODY: &str = "
    SELECT bodies[array_position(ids, $1)] FROM journal_entries WHERE day = $2 AND $1 = ANY(ids) LIMIT 1";

/// Somebody outside, with an AMQP client.
#[derive(Debug)]
pub(super) struct Stranger {
    rng: Rng,
    /// Every bad message that may have arrived, by its bytes; whether the broker confirmed it.
    garbage: BTreeMap<Vec<u8>, bool>,
    duplicates: usize,
}

impl Stranger {
    /// One who does what follows from the seed.
    #[must_use]
    pub(super) fn of(seed: u64) -> Self {
        Self { rng: Rng::with_seed(!seed), garbage: BTreeMap::new(), duplicates: 0 }
    }

    /// Every bad message that may have arrived, and whether the broker confirmed it.
    #[must_use]
    pub(super) fn garbage(&self) -> &BTreeMap<Vec<u8>, bool> {
        &self.garbage
    }

    /// How many messages were published again.
    #[must_use]
    pub(super) fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Publishes a burst of messages that nobody can handle, each into one queue.
    ///
    /// # Errors
    /// When a server does not answer; some of it may have arrived.
    pub(super) async fn publish_garbage(&mut self, system: &System) -> Result<(), Trouble> {
        let mut burst: Vec<Stored> = (0..BURST).map(|_| self.bad()).collect();
        burst.extend(self.conflict(system).await?);
        self.garbage.extend(burst.iter().map(|stored| (stored.body.clone(), false)));
        in_time(publish(&system.amqp, &burst.iter().collect::<Vec<_>>())).await?;
        self.garbage.extend(burst.into_iter().map(|stored| (stored.body, true)));
        Ok(())
    }

    /// Publishes every message of some sagas again, several times and in any order.
    ///
    /// # Errors
    /// When a server does not answer.
    pub(super) async fn publish_again(&mut self, system: &System) -> Result<(), Trouble> {
        let databases = in_time(Databases::of(system)).await?;
        let (salt, few) = (self.rng.u64(..).to_string(), i64::try_from(BURST).unwrap_or(1));
        let sagas = databases.sagas.query(SAGAS, &[&salt, &few]).await.map_err(Trouble::sql("choosing sagas"))?;
        let mut again = Vec::new();
        for saga in sagas {
            let stored = messages_of(&databases, saga.get(0)).await?;
            again.extend(stored.into_iter().flat_map(|message| std::iter::repeat_n(message, TIMES)));
        }
        shuffle(&mut again, self.rng.u64(..));
        in_time(publish(&system.amqp, &again.iter().collect::<Vec<_>>())).await?;
        self.duplicates += again.len();
        Ok(())
    }

    fn bad(&mut self) -> Stored {
        let queues = TOPOLOGY.queues.iter().filter(|queue| queue.kind == QueueType::Quorum).collect::<Vec<_>>();
        let queue = self.rng.choice(queues).map_or(queues::PET_COMMANDS, |queue| queue.name);
        let number = self.rng.u128(..);
        let id = Uuid::from_u128(number);
        let body = match self.rng.u8(..6) {
            0 => format!("not json {number}").into_bytes(),
            1 => [b"\xff\xfe".as_slice(), number.to_string().as_bytes()].concat(),
            2 => json!({ "no": "envelope", "number": number.to_string() }).to_string().into_bytes(),
            3 => envelope(id, "NEVER_HEARD_OF", 1, Duration::ZERO),
            4 => envelope(id, "PET_RESERVED", 99, Duration::ZERO),
            _ => envelope(id, "PET_RESERVED", 1, Duration::from_secs(40 * 86_400)),
        };
        Stored { route: Route::to_queue(queue), takers: 1, body }
    }

    /// A message that the orchestrator has handled, with other content.
    async fn conflict(&mut self, system: &System) -> Result<Option<Stored>, Trouble> {
        let databases = in_time(Databases::of(system)).await?;
        let (salt, one) = (self.rng.u64(..).to_string(), 1_i64);
        let handled = databases.sagas.query_opt(HANDLED, &[&salt, &one, &queues::SAGA_INBOX]).await;
        let Some(handled) = handled.map_err(Trouble::sql("choosing a message"))? else { return Ok(None) };
        let (id, day): (Uuid, time::Date) = (handled.get(0), handled.get(1));
        for client in databases.each() {
            let found = client.query_opt(BODY, &[&id, &day]).await.map_err(Trouble::sql("reading a message"))?;
            if let Some(mut message) = found.and_then(|row| serde_json::from_slice::<Value>(row.get(0)).ok()) {
                message["subject"] = json!(format!("forged {}", self.rng.u64(..)));
                let route = Route::to_queue(queues::SAGA_INBOX);
                return Ok(Some(Stored { route, takers: 1, body: message.to_string().into_bytes() }));
            }
        }
        Ok(None)
    }
}

fn envelope(id: Uuid, kind: &str, version: u16, age: Duration) -> Vec<u8> {
    let time = (clock::now() - age).format(&Rfc3339).unwrap_or_default();
    let envelope = json!({
        "specversion": "1.0", "id": id, "source": "stranger", "type": kind, "subject": "x", "time": time,
        "schemaversion": version, "data": {},
    });
    envelope.to_string().into_bytes()
}

async fn in_time<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Trouble::Unmet(format!("a server did not answer a stranger within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, work).await.map_err(late)?
}
