//! The engine alone, without IO: what it decides for an order, and the envelope both ways. Nothing here depends on
//! time or chance, so that the instructions of two versions can be compared, under callgrind say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking, and is no API"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use idforge::Salt;
use saga::order_saga::order_saga;
use saga_core::{Engine, Ids, Input, Instance, Message, Timings};

const ORDER_REQUESTED: &str = include_str!("../contract/golden/ORDER_REQUESTED.v1.json");
const PET_RESERVED: &str = include_str!("../contract/golden/PET_RESERVED.v1.json");
const ORDER_CREATED: &str = include_str!("../contract/golden/ORDER_CREATED.v1.json");
const INVENTORY_RESERVED: &str = include_str!("../contract/golden/INVENTORY_RESERVED.v1.json");
const INVENTORY_REFUSED: &str = include_str!("../contract/golden/INVENTORY_REFUSED.v1.json");

/// The orchestrator's engine, whose ids are those of the golden messages.
fn engine() -> Engine {
    let ids = Ids::new(&Salt::new("benchmark-salt-16bytes").unwrap(), "petstore.example");
    let definition = order_saga(&ids, 0).unwrap();
    Engine { definition, ids, timings: Timings::default(), source: "saga" }
}

/// The messages of one saga in turn, each with the saga as it finds it.
fn story(engine: &Engine, texts: &[&str]) -> Vec<(Option<Instance>, Message)> {
    let mut messages: Vec<Message> = texts.iter().map(|text| Message::parse(text.as_bytes()).unwrap()).collect();
    let saga = (engine.definition.id)(&messages[0]).unwrap();
    for message in &mut messages {
        message.saga_id = Some(saga);
    }
    let mut state = None;
    let step = |message: Message| {
        let before = state.clone();
        let decision = engine.decide(before.as_ref(), Input::Message(&message), message.time).unwrap();
        state = Some(decision.next);
        (before, message)
    };
    messages.into_iter().map(step).collect()
}

fn decide(criterion: &mut Criterion) {
    let engine = engine();
    let stories = [
        ("placed", [ORDER_REQUESTED, PET_RESERVED, ORDER_CREATED, INVENTORY_RESERVED]),
        ("out of stock", [ORDER_REQUESTED, PET_RESERVED, ORDER_CREATED, INVENTORY_REFUSED]),
    ];
    let mut group = criterion.benchmark_group("decide");
    for (name, texts) in stories {
        let story = story(&engine, &texts);
        group.throughput(Throughput::Elements(story.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (state, message) in &story {
                    let input = Input::Message(black_box(message));
                    black_box(engine.decide(state.as_ref(), input, message.time).unwrap());
                }
            });
        });
    }
    group.finish();
}

fn envelope(criterion: &mut Criterion) {
    let bytes = PET_RESERVED.trim_end().as_bytes();
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.to_bytes(), bytes, "what is read is written again as it was");
    let mut group = criterion.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("parse", |bencher| bencher.iter(|| Message::parse(black_box(bytes)).unwrap()));
    group.bench_function("write", |bencher| bencher.iter(|| black_box(&message).to_bytes()));
    group.bench_function("hash", |bencher| bencher.iter(|| black_box(&message).content_hash()));
    group.finish();
}

criterion_group!(benches, decide, envelope);
criterion_main!(benches);
