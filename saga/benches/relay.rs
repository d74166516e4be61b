//! The relay alone: messages that are stored already, published from one process to one quorum queue, every confirm waited
//! for. Marks are kept in memory; who removes them from the outbox is PostgreSQL. Needs the servers of tests:
//! `eval "$(./dev test-env)"`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking, and is no API"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::BoxFuture;
use saga_contract::topology::TOPOLOGY;
use saga_core::Message;
use saga_runtime::StoreError;
use saga_runtime::broker::batch::Batches;
use saga_runtime::broker::topology::Options;
use saga_runtime::broker::{Broker, Mark, Marks, Outbound, Properties, Relay, Settled, relay};
use saga_runtime::secret::Secret;
use saga_runtime::testing::Servers;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const RESERVE_PET: &str = include_str!("../contract/golden/RESERVE_PET.v1.json");
/// How many messages are handed over together.
const MESSAGES: i64 = 16_000;

/// How many marks were removed.
#[derive(Default)]
struct Counted {
    removed: AtomicI64,
    all: Notify,
}

impl Marks for Counted {
    fn settled<'a>(&'a self, marks: &'a [Settled]) -> BoxFuture<'a, Result<(), StoreError>> {
        let count = i64::try_from(marks.len()).unwrap();
        if (self.removed.fetch_add(count, Ordering::Relaxed) + count) % MESSAGES == 0 {
            self.all.notify_one();
        }
        Box::pin(async { Ok(()) })
    }

    fn leftovers<'a>(&'a self, _: i64) -> BoxFuture<'a, Result<Vec<Outbound>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn messages(message: &Message, from: i64) -> Vec<Outbound> {
    let (route, properties, body) =
        (TOPOLOGY.route(&message.kind).unwrap(), Properties::from(message), message.to_bytes());
    let one = |id| Outbound {
        mark: Mark::alone(id),
        route: route.clone(),
        properties: properties.clone(),
        body: body.clone(),
    };
    (from..from + MESSAGES).map(one).collect()
}

/// From handing over until the last mark is removed, which is up to 100 ms after the last confirm.
async fn publish(relay: &Relay, marks: &Counted, messages: Vec<Outbound>) -> Duration {
    let start = Instant::now();
    relay.publish(messages);
    marks.all.notified().await;
    // What is handed over before its predecessors have given up their places might find none.
    while relay.pending() > 0 {
        tokio::task::yield_now().await;
    }
    start.elapsed()
}

fn relay(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let message = Message::parse(RESERVE_PET.as_bytes()).unwrap();
    let mut group = criterion.benchmark_group("the relay alone");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(MESSAGES as u64));
    for (name, batches) in [("single messages", Batches::None), ("in batches", Batches::Commands)] {
        let servers = runtime.block_on(Servers::claim());
        let options = Options { passive: false, event_stream: false };
        let broker = Broker::new(&Secret::new(servers.amqp_url()), "benchmark", &TOPOLOGY, options).unwrap();
        runtime.block_on(broker.declare()).unwrap();
        let marks = Arc::new(Counted::default());
        let (relay, publisher) = relay::new(&broker, Arc::clone(&marks) as Arc<dyn Marks>, batches);
        let stop = CancellationToken::new();
        let running = runtime.spawn(publisher.run(stop.clone()));
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds)
                    .map(|_| {
                        next += MESSAGES;
                        runtime.block_on(publish(&relay, &marks, messages(&message, next)))
                    })
                    .sum()
            });
        });
        assert_eq!(broker.counters().published.get(), u64::try_from(next).unwrap(), "each was published once");
        stop.cancel();
        runtime.block_on(running).unwrap();
    }
    group.finish();
}

criterion_group!(benches, relay);
criterion_main!(benches);
