//! Several messages in one AMQP message: what is shared is the way alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel};
use saga_runtime::Turns;
use saga_runtime::broker::batch::{Batches, CONTENT_TYPE, MOST};
use saga_runtime::broker::consumer::{self, Subscription};
use saga_runtime::broker::{Broker, GivenUp, Marks, Outbound, relay};
use saga_runtime::core::Route;
use saga_runtime::testing::{Servers, eventually};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::parts::{
    MemoryMarks, PATIENCE, Recorder, WORK, connect, declared, left, number, outbound, ready, to_nobody, to_work,
};

fn to_topic() -> Route {
    Route { exchange: "things".to_owned(), key: "thing.made".to_owned(), mandatory: true }
}

/// Publishes through a relay until all these marks are removed, and says how many AMQP messages that made.
async fn published(broker: &Broker, channel: &Channel, batches: Batches, messages: Vec<Outbound>) -> u32 {
    let marks = Arc::new(MemoryMarks::default());
    let (relay, publisher) = relay::new(broker, Arc::clone(&marks) as Arc<dyn Marks>, batches);
    let expected: BTreeSet<i64> = messages.iter().map(|message| message.mark.id).collect();
    relay.publish(messages);
    let stop = CancellationToken::new();
    let running = tokio::spawn(publisher.run(stop.clone()));
    eventually("all marks are removed", PATIENCE, async || marks.removed() == expected).await;
    stop.cancel();
    running.await.unwrap();
    assert!(marks.removed.lock().unwrap().values().all(|times| *times == 1));
    eventually("the queue counts", PATIENCE, async || Some(ready(channel, WORK).await).filter(|count| *count > 0)).await
}

async fn handled(broker: &Broker, recorder: &Arc<Recorder>, count: usize) {
    let stop = CancellationToken::new();
    let subscriptions = vec![Subscription { queue: WORK, deliver: Arc::clone(recorder) as _ }];
    let running = tokio::spawn(consumer::run(broker.clone(), subscriptions, Turns::default(), stop.clone()));
    eventually("all are handled", PATIENCE, async || recorder.numbers().len() >= count).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_goes_the_same_way_at_the_same_time_shares_amqp_messages_and_arrives_one_by_one_and_in_order() {
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    let messages = (0..1_000).map(|mark| outbound(mark, to_work())).collect();
    let amqp = published(&broker, &channel, Batches::Commands, messages).await;
    let least = u32::try_from(1_000_usize.div_ceil(MOST)).unwrap();
    assert!((least..100).contains(&amqp), "{amqp} AMQP messages for 1000");
    let recorder = Recorder::new(|_| Ok(()));
    handled(&broker, &recorder, 1_000).await;
    assert_eq!(recorder.numbers(), (0..1_000).collect::<Vec<i64>>());
    assert_eq!(left(&channel, WORK).await, 0);
    assert_eq!((broker.counters().published.get(), broker.counters().delivered.get()), (1_000, 1_000));
}

#[tokio::test]
async fn events_share_only_where_that_is_switched_on() {
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    for (batches, route, expected) in [
        (Batches::None, to_work(), 10),
        (Batches::Commands, to_topic(), 10),
        (Batches::Commands, Route::to_queue(WORK), 1),
        (Batches::All, to_topic(), 1),
    ] {
        let messages = (0..10).map(|mark| outbound(mark, route.clone())).collect();
        assert_eq!(published(&broker, &channel, batches, messages).await, expected, "{batches:?} {route:?}");
        channel.queue_purge(WORK.into(), lapin::options::QueuePurgeOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_no_queue_takes_leaves_all_its_marks_and_those_around_it_are_published() {
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    let marks = Arc::new(MemoryMarks::default());
    let (relay, publisher) = relay::new(&broker, Arc::clone(&marks) as Arc<dyn Marks>, Batches::All);
    relay.publish((0..30).map(|mark| outbound(mark, if mark % 3 == 0 { to_nobody() } else { to_work() })).collect());
    let stop = CancellationToken::new();
    let running = tokio::spawn(publisher.run(stop.clone()));
    let taken: BTreeSet<i64> = (0..30).filter(|mark| mark % 3 != 0).collect();
    eventually("the others' marks are removed", PATIENCE, async || marks.removed() == taken).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(broker.counters().returned.get(), 10);
    assert_eq!(marks.removed(), taken);
    let got = channel.basic_get(WORK.into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!(got.properties.content_type().as_ref().unwrap().as_str(), CONTENT_TYPE);
    let numbers: Vec<i64> = serde_json::from_slice(&got.data).unwrap();
    assert_eq!(BTreeSet::from_iter(numbers), taken);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "anybody publishes as they like")]
async fn a_batch_of_anybodys_is_taken_apart_byte_for_byte_and_what_only_looks_like_one_is_one_message() {
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    for body in [r#"[ {"n": 1},{"n":2} ]"#, "[]", "[1", r#"{"n": 3}"#] {
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_message_id("of the batch".into())
            .with_app_id("somebody".into());
        let options = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), WORK.into(), options, body.as_bytes(), properties)
            .await
            .unwrap()
            .await
            .unwrap();
    }
    let recorder = Recorder::gated();
    let stop = CancellationToken::new();
    let subscriptions = vec![Subscription { queue: WORK, deliver: Arc::clone(&recorder) as _ }];
    let running = tokio::spawn(consumer::run(broker.clone(), subscriptions, Turns::default(), stop.clone()));
    recorder.gate.add_permits(10);
    eventually("all came", PATIENCE, async || recorder.sizes().iter().sum::<usize>() == 5).await;
    stop.cancel();
    running.await.unwrap();
    let messages = recorder.batches.lock().unwrap().concat();
    let bodies: Vec<&[u8]> = messages.iter().map(|message| message.body.as_ref()).collect();
    assert_eq!(bodies, [&br#"{"n": 1}"#[..], br#"{"n":2}"#, b"[]", b"[1", br#"{"n": 3}"#]);
    let single: Value = json!({ "content_type": "application/cloudevents+json", "app_id": "somebody" });
    assert_eq!(messages[0].properties(), single, "as if it had come alone");
    assert_eq!(messages[2].properties()["message_id"], "of the batch");
}

#[tokio::test]
async fn a_batch_that_came_again_twice_is_handled_message_by_message_and_acknowledged_after_the_last() {
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    let amqp = published(&broker, &channel, Batches::Commands, (0..10).map(|n| outbound(n, to_work())).collect()).await;
    assert_eq!(amqp, 1);
    let calls = AtomicUsize::new(0);
    // Given up twice; then the third of the lonely ones, once.
    let recorder = Recorder::new(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 | 4 => Err(GivenUp),
        _ => Ok(()),
    });
    handled(&broker, &recorder, 33).await;
    let batches = recorder.batches.lock().unwrap().clone();
    let numbers =
        |batch: &Vec<_>| batch.iter().map(|message: &saga_runtime::broker::Incoming| number(&message.body)).collect();
    let seen: Vec<Vec<i64>> = batches.iter().map(numbers).collect();
    let all: Vec<i64> = (0..10).collect();
    let alone = |until: i64| (0..until).map(|n| vec![n]).collect::<Vec<_>>();
    assert_eq!(
        seen,
        [vec![all.clone(), all], alone(3), alone(10)].concat(),
        "nothing was acknowledged before the last"
    );
    assert_eq!(left(&channel, WORK).await, 0);
}
