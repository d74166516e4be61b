//! What a process counts, for Prometheus.
//!
//! Names follow OpenTelemetry's conventions for messaging and HTTP where there are any. Counters
//! only grow; gauges of what lies in the database are set every ten seconds by the process.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::broker::Counters;

/// The media type of [`Metrics::page`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of seconds.
type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDefinition {
    definition: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    definition: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStep {
    step: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

/// What a process counts. Share it in an `Arc`; every method takes `&self`.
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Messages that came again and were dropped.
    pub duplicates: Counter,
    /// Messages that had the id of another.
    pub conflicts: Counter,
    /// Messages that were put off.
    pub put_off: Counter,
    handled: Family<Queue, Counter>,
    process_duration: Histograms<Queue>,
    parked: Family<Reason, Counter>,
    parked_waiting: Family<Reason, Gauge>,
    /// Messages that are put off now.
    pub put_off_waiting: Gauge,
    outbox_unpublished: Gauge,
    outbox_oldest_age: Seconds,
    /// How late the timer that fired last was.
    pub timer_lag: Seconds,
    started: Family<OfDefinition, Counter>,
    finished: Family<InState, Counter>,
    in_state: Family<InState, Gauge>,
    in_state_oldest_age: Family<InState, Seconds>,
    marked: Family<OfDefinition, Counter>,
    needing_intervention: Family<OfDefinition, Gauge>,
    step_duration: Histograms<OfStep>,
    /// Undos that were sent.
    pub compensation_attempts: Counter,
    http: Histograms<Request>,
}

/// From half a millisecond to half a minute.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 17))
}

/// From a millisecond to more than four hours: a step may wait for a person.
fn long_durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 13))
}

fn histograms<L: Clone + std::hash::Hash + Eq>(make: fn() -> Histogram) -> Histograms<L> {
    Family::new_with_constructor(make)
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            duplicates: Counter::default(),
            conflicts: Counter::default(),
            put_off: Counter::default(),
            handled: Family::default(),
            process_duration: histograms(durations),
            parked: Family::default(),
            parked_waiting: Family::default(),
            put_off_waiting: Gauge::default(),
            outbox_unpublished: Gauge::default(),
            outbox_oldest_age: Seconds::default(),
            timer_lag: Seconds::default(),
            started: Family::default(),
            finished: Family::default(),
            in_state: Family::default(),
            in_state_oldest_age: Family::default(),
            marked: Family::default(),
            needing_intervention: Family::default(),
            step_duration: histograms(long_durations),
            compensation_attempts: Counter::default(),
            http: histograms(durations),
        };
        metrics.register(|registry| {
            metrics.register_messages(registry);
            metrics.register_sagas(registry);
        });
        metrics
    }
}

impl Metrics {
    /// Adds metrics of the process's own, under names that say whose they are: `orders_placed`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds what the broker's side counts.
    pub fn register_broker(&self, counters: &Counters) {
        let counters = counters.clone();
        self.register(|r| {
            r.register("messaging_client_sent_messages", "Messages that were published", counters.published);
            r.register("messaging_client_consumed_messages", "Messages that the broker delivered", counters.delivered);
            r.register("messaging_client_redelivered_messages", "Of these, delivered before", counters.redelivered);
            r.register("messaging_client_batches", "Batches handled and acknowledged", counters.batches);
            r.register("relay_returned", "Messages that no queue took, although one must", counters.returned);
            r.register("relay_nacked", "Messages that the broker refused", counters.nacked);
            r.register("relay_malformed", "Messages that cannot be written as AMQP", counters.malformed);
            r.register("relay_overflowed", "Messages left to the sweep for want of memory", counters.overflowed);
            r.register("relay_swept", "Messages taken over from publishers that are gone", counters.swept);
            let help = "From handing a message over until it was published";
            r.register_with_unit("relay_publish_duration", help, Unit::Seconds, counters.publish_duration);
            r.register("broker_reconnects", "Sessions with the broker that ended or never began", counters.reconnects);
        });
    }

    /// The page that Prometheus reads.
    ///
    /// # Errors
    /// None in practice: text is written to memory.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(page)
    }

    /// A batch of a queue was handled.
    pub fn handled(&self, queue: &str, messages: usize, took: Duration) {
        let labels = Queue { queue: queue.to_owned() };
        self.handled.get_or_create(&labels).inc_by(messages as u64);
        self.process_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A message was parked, for a reason.
    pub fn parked(&self, reason: &str) {
        self.parked.get_or_create(&Reason { reason: reason.to_owned() }).inc();
    }

    /// How many messages are parked now, for which reasons. Reasons not named have none.
    pub fn set_parked_waiting<'a>(&self, counts: impl IntoIterator<Item = (&'a str, i64)>) {
        self.parked_waiting.clear();
        for (reason, count) in counts {
            self.parked_waiting.get_or_create(&Reason { reason: reason.to_owned() }).set(count);
        }
    }

    /// How many messages are stored and not yet published, and how old the oldest is.
    pub fn set_outbox(&self, unpublished: i64, oldest_age: Duration) {
        self.outbox_unpublished.set(unpublished);
        self.outbox_oldest_age.set(oldest_age.as_secs_f64());
    }

    /// A saga was started.
    pub fn saga_started(&self, definition: &str) {
        self.started.get_or_create(&OfDefinition { definition: definition.to_owned() }).inc();
    }

    /// A saga ended.
    pub fn saga_finished(&self, definition: &str, outcome: &str) {
        self.finished.get_or_create(&InState { definition: definition.to_owned(), state: outcome.to_owned() }).inc();
    }

    /// A saga was marked as needing intervention.
    pub fn needs_intervention(&self, definition: &str) {
        self.marked.get_or_create(&OfDefinition { definition: definition.to_owned() }).inc();
    }

    /// How many sagas are in each state now, and how old the oldest is. States not named have none.
    pub fn set_in_state<'a>(&self, states: impl IntoIterator<Item = (&'a str, &'a str, i64, Duration)>) {
        self.in_state.clear();
        self.in_state_oldest_age.clear();
        for (definition, state, count, oldest_age) in states {
            let labels = InState { definition: definition.to_owned(), state: state.to_owned() };
            self.in_state.get_or_create(&labels).set(count);
            self.in_state_oldest_age.get_or_create(&labels).set(oldest_age.as_secs_f64());
        }
    }

    /// How many sagas need intervention now. Definitions not named have none.
    pub fn set_needing_intervention<'a>(&self, counts: impl IntoIterator<Item = (&'a str, i64)>) {
        self.needing_intervention.clear();
        for (definition, count) in counts {
            let labels = OfDefinition { definition: definition.to_owned() };
            self.needing_intervention.get_or_create(&labels).set(count);
        }
    }

    /// A step was answered.
    pub fn step_answered(&self, step: &str, outcome: &str, took: Duration) {
        let labels = OfStep { step: step.to_owned(), outcome: outcome.to_owned() };
        self.step_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn http_request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // A client may invent methods; it must not invent labels.
        let known =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        let method = if known.contains(method) { method.as_str() } else { "other" }.to_owned();
        let labels = Request { method, route: route.to_owned(), status: status.as_u16() };
        self.http.get_or_create(&labels).observe(took.as_secs_f64());
    }

    fn register_messages(&self, r: &mut Registry) {
        r.register("inbox_duplicates", "Messages that came again and were dropped", self.duplicates.clone());
        r.register("inbox_conflicts", "Messages that had the id of another", self.conflicts.clone());
        r.register("messaging_process_messages", "Messages that were handled", self.handled.clone());
        let help = "How long handling a batch took";
        r.register_with_unit("messaging_process_duration", help, Unit::Seconds, self.process_duration.clone());
        r.register("put_off", "Messages that were put off", self.put_off.clone());
        r.register("put_off_waiting", "Messages that are put off now", self.put_off_waiting.clone());
        r.register("parked", "Messages that were parked", self.parked.clone());
        r.register("parked_waiting", "Messages that are parked now", self.parked_waiting.clone());
        r.register("outbox_unpublished", "Messages stored and not yet published", self.outbox_unpublished.clone());
        let help = "Age of the oldest message that is not yet published";
        r.register_with_unit("outbox_oldest_age", help, Unit::Seconds, self.outbox_oldest_age.clone());
        let help = "How long answering a request took";
        r.register_with_unit("http_server_request_duration", help, Unit::Seconds, self.http.clone());
    }

    fn register_sagas(&self, r: &mut Registry) {
        r.register("saga_started", "Sagas that were started", self.started.clone());
        r.register("saga_finished", "Sagas that ended", self.finished.clone());
        r.register("saga_in_state", "Sagas now", self.in_state.clone());
        let help = "Age of the oldest saga in the state";
        r.register_with_unit("saga_in_state_oldest_age", help, Unit::Seconds, self.in_state_oldest_age.clone());
        let help = "How often a saga was marked as needing intervention";
        r.register("saga_marked_needs_intervention", help, self.marked.clone());
        r.register("saga_needs_intervention", "Sagas that need intervention now", self.needing_intervention.clone());
        let help = "From a step's first request to its answer, by the times of these messages";
        r.register_with_unit("saga_step_duration", help, Unit::Seconds, self.step_duration.clone());
        r.register("saga_compensation_attempts", "Undos that were sent", self.compensation_attempts.clone());
        r.register_with_unit("timer_lag", "How late the last timer fired", Unit::Seconds, self.timer_lag.clone());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(page: &'a str, start: &str) -> &'a str {
        page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in\n{page}"))
    }

    #[test]
    fn what_was_counted_is_on_the_page_under_its_name() {
        let metrics = Metrics::default();
        metrics.duplicates.inc();
        metrics.parked("not_json");
        metrics.handled("pet.commands", 3, Duration::from_millis(2));
        metrics.saga_started("order");
        metrics.saga_finished("order", "completed");
        metrics.needs_intervention("order");
        metrics.step_answered("reserve_pet", "done", Duration::from_millis(4));
        metrics.set_outbox(7, Duration::from_secs(2));
        metrics.http_request(&Method::GET, "/pet/{id}", StatusCode::OK, Duration::from_millis(1));
        let page = metrics.page().unwrap();
        for expected in [
            "inbox_duplicates_total 1",
            "parked_total{reason=\"not_json\"} 1",
            "messaging_process_messages_total{queue=\"pet.commands\"} 3",
            "messaging_process_duration_seconds_count{queue=\"pet.commands\"} 1",
            "saga_started_total{definition=\"order\"} 1",
            "saga_finished_total{definition=\"order\",state=\"completed\"} 1",
            "saga_marked_needs_intervention_total{definition=\"order\"} 1",
            "saga_step_duration_seconds_count{step=\"reserve_pet\",outcome=\"done\"} 1",
            "outbox_unpublished 7",
            "outbox_oldest_age_seconds 2.0",
            "http_server_request_duration_seconds_count{method=\"GET\",route=\"/pet/{id}\",status=\"200\"} 1",
        ] {
            assert_eq!(line(&page, expected), expected);
        }
    }

    #[test]
    fn a_gauge_forgets_what_is_no_longer_there() {
        let metrics = Metrics::default();
        metrics.set_in_state([("order", "running", 2, Duration::from_secs(9))]);
        metrics.set_parked_waiting([("not_json", 1)]);
        metrics.set_in_state([("order", "compensating", 1, Duration::from_secs(1))]);
        metrics.set_parked_waiting([]);
        let page = metrics.page().unwrap();
        assert!(!page.contains("running") && !page.contains("not_json"), "{page}");
        assert_eq!(line(&page, "saga_in_state{").rsplit_once(' ').unwrap().1, "1");
    }

    #[test]
    fn a_client_cannot_invent_labels() {
        let metrics = Metrics::default();
        let invented = Method::from_bytes(b"BREW").unwrap();
        metrics.http_request(&invented, "none", StatusCode::METHOD_NOT_ALLOWED, Duration::ZERO);
        let page = metrics.page().unwrap();
        assert!(page.contains("method=\"other\"") && !page.contains("BREW"), "{page}");
    }

    #[test]
    fn a_process_adds_its_own_and_the_broker_s() {
        let (metrics, counters, placed) = (Metrics::default(), Counters::default(), Counter::<u64>::default());
        metrics.register(|registry| registry.register("orders_placed", "Orders that were placed", placed.clone()));
        metrics.register_broker(&counters);
        placed.inc();
        counters.returned.inc();
        let page = metrics.page().unwrap();
        assert_eq!(line(&page, "orders_placed_total"), "orders_placed_total 1");
        assert_eq!(line(&page, "relay_returned_total"), "relay_returned_total 1");
    }
}
