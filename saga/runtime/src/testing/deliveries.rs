//! Batches as the broker would deliver them, without a broker: for tests and benchmarks of what a batch costs.

use std::sync::Arc;

use saga_core::Topology;
use tokio_util::sync::CancellationToken;

use super::Database;
use super::database::RETENTION;
use crate::broker::{Deliver, Incoming};
use crate::delivery::{Delivery, Repeats};
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::store::{self, Publish};

/// One queue with its handler and a database. What is committed stays in the outbox: nothing is published.
pub struct Deliveries {
    queue: &'static str,
    delivery: Delivery,
}

impl Deliveries {
    /// Brings the database's schema up to date, with the process's own `migrations`.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn to(
        queue: &'static str,
        handler: Arc<dyn Handler>,
        topology: &'static Topology,
        database: &Database,
        migrations: &refinery::Runner,
    ) -> Self {
        database.migrate(migrations).await;
        let url = Secret::new(&database.app_url);
        let pool = store::connect("DATABASE_URL", &url, queue, 1).unwrap_or_else(|error| panic!("{error}"));
        let delivery = Delivery {
            topology,
            pool,
            publish: Publish::new(|_| {}),
            handlers: [(queue, handler)].into(),
            retention: RETENTION,
            metrics: Arc::new(Metrics::default()),
            stop: CancellationToken::new(),
            repeats: Repeats::default(),
        };
        Self { queue, delivery }
    }

    /// Delivers a batch; when this returns, it may be acknowledged.
    pub async fn deliver(&self, batch: Vec<Incoming>) {
        // It never stops: nobody cancels it.
        let _delivered = self.delivery.deliver(self.queue, batch).await;
    }
}
