//! Everything that a saga ever sent, published again from outside, and whether any row noticed.

use std::collections::BTreeMap;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use saga_contract::TOPOLOGY;
use saga_core::{QueueType, Route};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::invariants::Databases;
use crate::servers::Trouble;

/// A stored message and where it goes.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its route, by its type.
    pub route: Route,
    /// How many queues take it, the stream aside.
    pub takers: usize,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Every message of a saga, from the journals of all processes.
///
/// # Errors
/// When a database cannot be asked.
pub async fn messages_of(databases: &Databases, saga: Uuid) -> Result<Vec<Stored>, Trouble> {
    let mut stored = Vec::new();
    for client in databases.each() {
        let sql = "SELECT type, body FROM journal WHERE saga_id = $1 ORDER BY seq";
        for row in client.query(sql, &[&saga]).await.map_err(Trouble::sql("reading a journal"))? {
            let kind: &str = row.get(0);
            let Some(known) = TOPOLOGY.message_type(kind) else { continue };
            let takers = TOPOLOGY.takers(known).filter(|queue| queue.kind != QueueType::Stream).count();
            let route = Route { exchange: known.exchange.into(), key: known.key.into(), mandatory: false };
            stored.push(Stored { route, takers, body: row.get(1) });
        }
    }
    Ok(stored)
}

/// Publishes messages in this order, as any AMQP client would.
///
/// # Errors
/// When the broker does not take them.
#[expect(clippy::disallowed_methods, reason = "this plays the part of a stranger's client")]
pub async fn publish(amqp: &str, messages: &[&Stored]) -> Result<(), Trouble> {
    let failed = |error: lapin::Error| Trouble::Unmet(format!("publishing: {error}"));
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(failed)?;
    channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.map_err(failed)?;
    for message in messages {
        let (exchange, key) = (message.route.exchange.as_str().into(), message.route.key.as_str().into());
        let options = BasicPublishOptions::default();
        let confirm = channel.basic_publish(exchange, key, options, &message.body, BasicProperties::default()).await;
        confirm.map_err(failed)?.await.map_err(failed)?;
    }
    connection.close(0, "done".into()).await.map_err(failed)
}

/// A digest of every row of every table of a process, outbox and relay marks aside.
///
/// # Errors
/// When the database cannot be asked.
pub async fn digest(client: &Client) -> Result<BTreeMap<String, String>, Trouble> {
    const TABLES: &str = "
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND relname <> 'outbox' ORDER BY 1";
    let mut digests = BTreeMap::new();
    for row in client.query(TABLES, &[]).await.map_err(Trouble::sql("listing tables"))? {
        let table: String = row.get(0);
        // Of digests of rows, since a text has an end: 1 GB.
        let rows = format!("SELECT md5(t::text) AS row FROM {table} AS t");
        let sql = format!("SELECT md5(coalesce(string_agg(row, '' ORDER BY row), '')) FROM ({rows}) AS rows");
        let digest = client.query_one(&sql, &[]).await.map_err(Trouble::sql("reading a table"))?;
        digests.insert(table, digest.get(0));
    }
    Ok(digests)
}

/// A shuffle that is the same for the same seed (Fisher and Yates; the numbers are Steele's SplitMix64).
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let place = (z ^ (z >> 31)) % (last as u64 + 1);
        items.swap(last, usize::try_from(place).unwrap_or(0));
    }
}
