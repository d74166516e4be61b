//! What the broker's side counts, for the metrics page.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Counters of one process. Clones count together.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Messages that the broker confirmed and, where asked for, a queue took.
    pub published: Counter,
    /// Messages that no queue took, although one must.
    pub returned: Counter,
    /// Messages that the broker refused.
    pub nacked: Counter,
    /// Messages that cannot be written as AMQP.
    pub malformed: Counter,
    /// Messages that did not fit into memory and were left to the sweep.
    pub overflowed: Counter,
    /// Messages that the sweep took over from publishers that seem to be gone.
    pub swept: Counter,
    /// Seconds from handing a message over until it was published.
    pub publish_duration: Histogram,
    /// Messages that the broker delivered.
    pub delivered: Counter,
    /// Of these, those that it had delivered before.
    pub redelivered: Counter,
    /// Batches that were handled and acknowledged.
    pub batches: Counter,
    /// Sessions with the broker that ended, or never began.
    pub reconnects: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            published: Counter::default(),
            returned: Counter::default(),
            nacked: Counter::default(),
            malformed: Counter::default(),
            overflowed: Counter::default(),
            swept: Counter::default(),
            publish_duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            delivered: Counter::default(),
            redelivered: Counter::default(),
            batches: Counter::default(),
            reconnects: Counter::default(),
        }
    }
}
