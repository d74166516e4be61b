//! How much an id costs beyond its hash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking, and is no API"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use idforge::batch::Batch;
use idforge::{Defaults, Forge, Namespace, Salt, Uuid, UuidText, id};
use sha1_smol::Sha1;

/// What a saga's id hashes, with or without the namespace's sixteen bytes.
const BYTES: usize = 126;
const DOMAIN: &str = "sagas.petstore.example";

fn namespace_and_text(forge: &Forge, text: &str) -> Vec<u8> {
    [forge.namespace().uuid().as_bytes().as_slice(), text.as_bytes()].concat()
}

/// 126 bytes in all: a UUID and an integer.
fn saga(criterion: &mut Criterion) {
    let forge = Forge::new(Namespace::from_domain(DOMAIN), &Salt::new("benchmark-salt-16bytes").unwrap());
    let (user, order) = (Uuid::from_u128(0x72e6_f104), 100_234_567_890_123_i64);
    let make = |order: i64| id!(forge, "order_saga", user_id = UuidText(user), order_id = order);
    let build = |order: i64| forge.id("order_saga").attr("user_id", UuidText(user)).attr("order_id", order);
    let bytes = namespace_and_text(&forge, &build(order).hashed_text().unwrap());
    assert_eq!((bytes.len(), Ok(make(order))), (BYTES, build(order).finish()));

    let mut group = criterion.benchmark_group("saga id, 126 bytes hashed");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sha1_smol alone", |bencher| bencher.iter(|| Sha1::from(black_box(&bytes)).digest()));
    group.bench_function("id!", |bencher| bencher.iter(|| make(black_box(order))));
    group.bench_function("builder", |bencher| bencher.iter(|| build(black_box(order)).finish().unwrap()));
    group.finish();
}

/// 126 bytes of text after the namespace: two UUIDs, as the services have them.
fn saga_of_uuids(criterion: &mut Criterion) {
    let forge = Forge::new(Namespace::from_domain(DOMAIN), &Salt::new("benchmark-salt-").unwrap());
    let (user, order) = (Uuid::from_u128(0x72e6_f104), Uuid::from_u128(0x0fc7_4411));
    let make = |order: Uuid| id!(forge, "order_saga", user_id = UuidText(user), order_id = UuidText(order));
    let build = |order: Uuid| forge.id("order_saga").attr("user_id", UuidText(user)).attr("order_id", UuidText(order));
    let text = build(order).hashed_text().unwrap();
    assert_eq!((text.len(), Ok(make(order))), (BYTES, build(order).finish()));
    let bytes = namespace_and_text(&forge, &text);

    let mut group = criterion.benchmark_group("saga id of two UUIDs, 16 + 126 bytes hashed");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sha1_smol alone", |bencher| bencher.iter(|| Sha1::from(black_box(&bytes)).digest()));
    group.bench_function("id!", |bencher| bencher.iter(|| make(black_box(order))));
    group.bench_function("builder", |bencher| bencher.iter(|| build(black_box(order)).finish().unwrap()));
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let line = br#"{"entity_type":"order_saga","kwargs":{"user_id":"72e6f104-e6d1-5f1b-87cb-957da576b9d2","order_id":100234567890123}}"#;
    let defaults = Defaults {
        namespace: Namespace::from_domain(DOMAIN),
        salt: Some("benchmark-salt-16bytes".into()),
        lenient: false,
    };
    let mut batch = Batch::new(defaults);
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one line", |bencher| bencher.iter(|| batch.answer(black_box(line)).unwrap()));
    group.finish();
}

criterion_group!(benches, saga, saga_of_uuids, batch);
criterion_main!(benches);
