//! What the servers promise about what they confirmed: asked of them, not assumed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::processes::VHOST;
use crate::servers::{Trouble, vhosts::Management};

use super::ground::Ground;

/// The settings that a figure is worth nothing without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// The versions of both servers.
    pub servers: String,
    /// PostgreSQL's settings.
    pub postgres: BTreeMap<String, String>,
    /// How the processes reach PostgreSQL: `socket` or `tcp`.
    pub transport: String,
    /// How many queues there are of each type.
    pub queues: BTreeMap<String, usize>,
}

const SETTINGS: &str = "SELECT name, current_setting(name) FROM pg_settings WHERE name IN
    ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'min_wal_size', 'wal_compression')";

// These connections go the processes' way.
const TRANSPORT: &str = "SELECT CASE WHEN inet_server_addr() IS NULL THEN 'socket' ELSE 'tcp' END";

/// Asks both servers.
///
/// # Errors
/// When one does not answer.
pub(super) async fn read(ground: &Ground) -> Result<Durability, Trouble> {
    let rows = ground.databases.sagas.query(SETTINGS, &[]).await.map_err(Trouble::sql("reading its settings"))?;
    let postgres = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let management = Management::at(&ground.servers.broker.management)?;
    let mut queues = BTreeMap::new();
    for kind in management.queue_types(VHOST).await? {
        *queues.entry(kind).or_default() += 1;
    }
    let transport = ground.databases.sagas.query_one(TRANSPORT, &[]).await;
    let transport = transport.map_err(Trouble::sql("asking how it was reached"))?.get(0);
    Ok(Durability { servers: crate::tests::versions(&ground.servers).await?, postgres, transport, queues })
}

impl Durability {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let settings = self.postgres.iter().map(|(name, value)| format!("{name}={value}"));
        let queues = self.queues.iter().map(|(kind, count)| format!("{count} {kind}"));
        let queues = queues.collect::<Vec<_>>().join(", ");
        let all: Vec<String> =
            settings.chain([format!("by {}", self.transport), format!("queues: {queues}")]).collect();
        format!("{}; {}", self.servers, all.join(" "))
    }
}
