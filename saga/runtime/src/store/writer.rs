//! What HTTP requests and loops write: a change and its messages in one transaction.

use std::sync::Arc;

use saga_core::Topology;

use super::record::{Receipts, record};
use super::{Pool, Statements, Transaction, load};
use crate::broker::Outbound;
use crate::error::StoreError;
use crate::handler::{Outgoing, Output};

/// The relay, as the store sees it.
#[derive(Clone)]
pub(crate) struct Publish(Arc<dyn Fn(Vec<Outbound>) + Send + Sync>);

/// Writes changes together with the messages that tell of them.
#[derive(Clone)]
pub struct Writer {
    pool: Pool,
    topology: &'static Topology,
    publish: Publish,
}

impl Writer {
    pub(crate) fn new(pool: Pool, topology: &'static Topology, publish: Publish) -> Self {
        Self { pool, topology, publish }
    }

    /// The process's own database, for reading.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Runs `work` in a transaction, journals the messages that it returns and commits; then they
    /// are published. Either all of it happens or nothing.
    ///
    /// # Errors
    /// What `work` returns, and any failure of the database, both with nothing done. A connection
    /// that breaks while committing leaves the outcome unknown: that is an error too, and whoever
    /// repeats the request must find out by its ids.
    pub async fn write<T, E>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<(T, Vec<Outgoing>), E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let to_output = |(value, send)| (value, Output { send, ..Output::default() });
        self.transact(async |transaction| work(transaction).await.map(to_output)).await
    }

    /// As [`Writer::write`], for work that also sends stored messages again.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub async fn transact<T, E>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<(T, Output), E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut client = self.pool.get().await.map_err(StoreError::from)?;
        let transaction = Transaction::begin(&mut client).await?;
        let (value, output) = work(&transaction).await?;
        let recorded = record(&transaction, self.topology, Receipts::nothing(), output.send, &output.resend)?;
        let (outbound, again) = transaction.commit_with(recorded).await?;
        drop(transaction);
        self.publish.committed(&client, self.topology, outbound, &again).await;
        Ok(value)
    }
}

impl Publish {
    pub(crate) fn new(relay: impl Fn(Vec<Outbound>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(relay))
    }

    /// Publishes what was committed: new messages from memory, stored ones (by their marks) once loaded.
    pub(crate) async fn committed(
        &self,
        client: &impl Statements,
        topology: &Topology,
        outbound: Vec<Outbound>,
        again: &[i64],
    ) {
        if !outbound.is_empty() {
            (self.0)(outbound);
        }
        if again.is_empty() {
            return;
        }
        match load(client, topology, again).await {
            Ok(stored) => (self.0)(stored),
            // It is committed: the sweep finds the marks.
            Err(error) => tracing::warn!(%error, "stored messages go out again a little later"),
        }
    }
}
