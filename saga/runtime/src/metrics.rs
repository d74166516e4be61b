//! What a process counts.

use prometheus_client::metrics::counter::Counter;

/// What a process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages that came again and were dropped.
    pub duplicates: Counter,
    /// Messages that were put off.
    pub put_off: Counter,
    /// Messages that had the id of another.
    pub conflicts: Counter,
}

impl Metrics {
    /// A message was parked, for a reason.
    pub fn parked(&self, _reason: &str) {}

    /// A saga was started.
    pub fn saga_started(&self, _definition: &str) {}

    /// A saga ended.
    pub fn saga_finished(&self, _definition: &str, _outcome: &str) {}

    /// A saga was marked.
    pub fn needs_intervention(&self, _definition: &str) {}
}
