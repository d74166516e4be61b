//! What the broker set aside: parked within seconds, under the queue that it came from.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::broker::{Deliver, GivenUp, Incoming};
use crate::clock;
use crate::delivery::{Patience, key_of_bytes, meta};
use crate::error::StoreError;
use crate::metrics::Metrics;
use crate::store::{Parking, Pool, Transaction, park};
use saga_core::Message;

const REASON: &str = "dead_lettered";

/// Parks dead letters.
pub struct DeadLetters {
    pool: Pool,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl DeadLetters {
    /// Parks them in this database, and counts them.
    #[must_use]
    pub fn new(pool: Pool, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        Self { pool, metrics, stop }
    }

    async fn park_all(&self, batch: &[Incoming]) -> Result<(), StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let now = clock::now();
        for incoming in batch {
            let message = Message::parse(&incoming.body).ok();
            let properties = incoming.properties();
            let parking = parking(incoming, message.as_ref(), cause(&properties).unwrap_or("unknown"));
            tracing::warn!(queue = parking.queue, key = parking.key, "a dead letter of the broker is parked");
            park(&transaction, now, &parking).await?;
        }
        transaction.commit().await?;
        batch.iter().for_each(|_| self.metrics.parked(REASON));
        Ok(())
    }
}

impl Deliver for DeadLetters {
    fn deliver<'a>(&'a self, _queue: &'static str, batch: Vec<Incoming>) -> BoxFuture<'a, Result<(), GivenUp>> {
        Box::pin(async move {
            let mut patience = Patience::new();
            while let Err(error) = self.park_all(&batch).await {
                let say = |wait_ms| tracing::warn!(%error, wait_ms, "dead letters cannot be parked yet; they wait");
                patience.wait(&error, &self.stop, say).await?;
            }
            Ok(())
        })
    }
}

fn parking<'a>(incoming: &'a Incoming, message: Option<&'a Message>, reason: &'a str) -> Parking<'a> {
    // The broker sends it here with its queue's name as the key.
    let queue = incoming.routing_key.as_str();
    Parking {
        queue,
        key: key_of_bytes(&incoming.body),
        message_id: message.map(|m| m.id),
        kind: message.map(|m| m.kind.as_str()),
        saga_id: message.and_then(|m| m.saga_id),
        reason: REASON,
        detail: reason,
        // Whoever publishes here may write any reason; an index holds no more than this.
        fingerprint: format!("{REASON}/{queue}/{reason}").chars().take(200).collect(),
        incoming: meta(incoming),
        body: &incoming.body,
    }
}

/// Why the broker set it aside: `delivery_limit`, `expired`, `rejected`, `maxlen`.
fn cause(properties: &Value) -> Option<&str> {
    properties.get("headers")?.get("x-first-death-reason")?.as_str()
}
