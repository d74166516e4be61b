//! One batch against a real database: the orchestrator starts new sagas, in one transaction. Needs the servers of
//! tests: `eval "$(./dev test-env)"`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking, and is no API"
)]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use idforge::Salt;
use saga::order_saga::order_saga;
use saga_contract::topology::{TOPOLOGY, queues};
use saga_core::{Ids, Message, Timings};
use saga_runtime::broker::Incoming;
use saga_runtime::clock;
use saga_runtime::metrics::Metrics;
use saga_runtime::orchestrator::{self, Orchestrator};
use saga_runtime::testing::{Deliveries, Servers};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

const ORDER_REQUESTED: &str = include_str!("../contract/golden/ORDER_REQUESTED.v1.json");

/// Requests that nobody has seen, one for each number.
struct Requests {
    ids: Ids,
    next: u128,
}

impl Requests {
    fn batch(&mut self, size: usize) -> Vec<Incoming> {
        (0..size).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Incoming {
        self.next += 1;
        let mut message = Message::parse(ORDER_REQUESTED.as_bytes()).unwrap();
        let order = Uuid::from_u128(self.next);
        let user: Uuid = serde_json::from_value(message.data["userId"].clone()).unwrap();
        message.data["order"] = json!(order);
        (message.id, message.subject, message.time) = (order, order.to_string(), clock::now());
        message.saga_id = Some(saga_contract::ids::order_saga_id(&self.ids, user, order));
        Incoming::of_bytes(message.to_bytes())
    }
}

/// Sagas in the database, and in no other state than started.
fn batch(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let ids = Ids::new(&Salt::new("benchmark-salt-16bytes").unwrap(), "petstore.example");
    let sagas = vec![order_saga(&ids, 0).unwrap()];
    let handler = Arc::new(Orchestrator::new(sagas, &ids, Timings::default(), Arc::new(Metrics::default())));
    let servers = runtime.block_on(Servers::claim());
    let database = runtime.block_on(servers.database("sagas"));
    let migrations = orchestrator::migrations();
    let deliveries = Deliveries::to(queues::SAGA_INBOX, handler, &TOPOLOGY, &database, &migrations);
    let deliveries = runtime.block_on(deliveries);
    let mut requests = Requests { ids, next: 0 };

    let mut group = criterion.benchmark_group("one batch of requests");
    for size in [1, 16, 64] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(size.to_string(), |bencher| {
            bencher.iter_batched(
                || requests.batch(size),
                |batch| runtime.block_on(deliveries.deliver(batch)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    let started = runtime.block_on(async {
        let row = database.connect().await.query_one("SELECT count(*) FROM sagas", &[]).await.unwrap();
        row.get::<_, i64>(0)
    });
    assert_eq!(u128::try_from(started).unwrap(), requests.next, "every request has started a saga");
}

criterion_group!(benches, batch);
criterion_main!(benches);
