//! The relay: what counts as published, in which order, and what happens when things break.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use saga_runtime::broker::batch::Batches;
use saga_runtime::broker::relay::{self, Parcel, forward_batch, sweep_once};
use saga_runtime::broker::topology::Options;
use saga_runtime::broker::{Broker, ConfirmChannel, Mark, Marks, Outbound, PublishError, Relay, Settled};
use saga_runtime::core::Route;
use saga_runtime::testing::{Servers, eventually};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::parts::{
    DECLARED, MemoryMarks, PATIENCE, WORK, broker, connect, connection_name, declared, emptied, kill, outbound, ready,
    restrict, to_nobody, to_work, up,
};

/// A relay at work.
struct Running {
    relay: Relay,
    marks: Arc<MemoryMarks>,
    stop: CancellationToken,
    done: JoinHandle<()>,
}

impl Running {
    fn on(broker: &Broker) -> Self {
        let marks = Arc::new(MemoryMarks::default());
        let (relay, publisher) = relay::new(broker, Arc::clone(&marks) as Arc<dyn Marks>, Batches::None);
        let stop = CancellationToken::new();
        let done = tokio::spawn(publisher.run(stop.clone()));
        Self { relay, marks, stop, done }
    }

    async fn all_removed(&self, marks: &BTreeSet<i64>) {
        let what = format!("{} marks are removed", marks.len());
        eventually(&what, PATIENCE, async || self.marks.removed().is_superset(marks)).await;
    }

    async fn stopped(self) -> Arc<MemoryMarks> {
        self.stop.cancel();
        self.done.await.unwrap();
        self.marks
    }
}

fn parcel(route: Route) -> Parcel {
    Parcel { route, properties: json!({ "message_id": "p" }), body: b"0".to_vec() }
}

#[tokio::test]
async fn without_its_stream_everything_else_goes_on() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    let running = Running::on(&broker(&servers, Options { passive: true, event_stream: true }));
    running.relay.publish(vec![outbound(1, to_work())]);
    running.all_removed(&BTreeSet::from([1])).await;
    running.stopped().await;
}

#[tokio::test]
async fn what_no_queue_takes_never_counts_as_published() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    let connection = connect(&servers).await;
    let channel = ConfirmChannel::open(&connection).await.unwrap();
    let unroutable = |mark: i64| mark % 10 == 3;
    let route = |mark| if unroutable(mark) { to_nobody() } else { to_work() };
    for round in 0..3 {
        let marks = (round * 4_000)..((round + 1) * 4_000);
        let batch = marks.clone().map(|mark| outbound(mark, route(mark))).collect();
        let (forwarded, error) = forward_batch(&channel, batch).await;
        assert!(error.is_none(), "{error:?}");
        let (lost, routed): (Vec<i64>, Vec<i64>) = marks.partition(|mark| unroutable(*mark));
        assert_eq!((lost.len(), forwarded.unroutable), (400, lost));
        assert_eq!(forwarded.published, routed);
        assert_eq!((forwarded.nacked, forwarded.unanswered), (vec![], vec![]));
    }
    let other = connection.create_channel().await.unwrap();
    assert_eq!(ready(&other, WORK).await, 3 * 3_600);
}

#[tokio::test]
async fn what_nobody_must_take_counts_as_published_on_its_confirm() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    let connection = connect(&servers).await;
    let channel = ConfirmChannel::open(&connection).await.unwrap();
    let route = |mark| Route { mandatory: mark % 2 == 0, ..to_nobody() };
    let (forwarded, _) = forward_batch(&channel, (0..10).map(|mark| outbound(mark, route(mark))).collect()).await;
    assert_eq!((forwarded.published, forwarded.unroutable), (vec![1, 3, 5, 7, 9], vec![0, 2, 4, 6, 8]));
}

/// A queue that holds ten messages and refuses the rest.
async fn small_queue(servers: &Servers) -> lapin::Connection {
    let connection = connect(servers).await;
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(10));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("small".into(), durable, arguments).await.unwrap();
    connection
}

#[tokio::test]
async fn a_nack_is_never_an_ack() {
    let servers = Servers::claim().await;
    let connection = small_queue(&servers).await;
    let channel = ConfirmChannel::open(&connection).await.unwrap();
    let batch = (0..300).map(|mark| outbound(mark, Route::to_queue("small"))).collect();
    let (forwarded, error) = forward_batch(&channel, batch).await;
    assert!(error.is_none(), "{error:?}");
    assert!(!forwarded.nacked.is_empty() && forwarded.unroutable.is_empty());
    let all: BTreeSet<i64> = forwarded.published.iter().chain(&forwarded.nacked).copied().collect();
    assert_eq!((all.len(), forwarded.published.len() + forwarded.nacked.len()), (300, 300));
    let other = connection.create_channel().await.unwrap();
    assert_eq!(emptied(&other, "small").await, forwarded.published);
}

#[tokio::test]
async fn the_mark_of_a_refused_message_stays() {
    let servers = Servers::claim().await;
    let connection = small_queue(&servers).await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    running.relay.publish((0..300).map(|mark| outbound(mark, Route::to_queue("small"))).collect());
    eventually("the relay holds nothing", PATIENCE, async || running.relay.pending() == 0).await;
    let channel = connection.create_channel().await.unwrap();
    let arrived: BTreeSet<i64> = emptied(&channel, "small").await.into_iter().collect();
    let counters = broker.counters();
    assert!(counters.nacked.get() > 0 && counters.nacked.get() + counters.published.get() == 300);
    assert_eq!(running.stopped().await.removed(), arrived);
}

#[tokio::test]
async fn what_the_broker_refuses_of_a_mark_is_told_from_what_it_took() {
    let servers = Servers::claim().await;
    let _connection = small_queue(&servers).await;
    let running = Running::on(&declared(&servers).await);
    let small = || Route::to_queue("small");
    running.relay.publish((0..300).map(|mark| outbound(mark, small())).collect());
    eventually("the small queue is full", PATIENCE, async || running.relay.pending() == 0).await;
    let routes = [to_work(), small(), to_work()].into_iter().zip(0..);
    let of_one = routes.map(|(route, n)| Outbound { mark: Mark { id: 300, n, of: 3 }, ..outbound(300, route) });
    running.relay.publish(of_one.collect());
    eventually("all is settled", PATIENCE, async || running.relay.pending() == 0).await;
    assert_eq!(*running.stopped().await.narrowed.lock().unwrap(), [Settled { id: 300, of: 3, done: 0b101 }]);
}

#[tokio::test]
async fn a_batch_whose_channel_ends_is_not_published() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    let connection = connect(&servers).await;
    let channel = ConfirmChannel::open(&connection).await.unwrap();
    let nowhere = Route { exchange: "nowhere".to_owned(), key: "k".to_owned(), mandatory: true };
    let route = |mark| if mark == 5 { nowhere.clone() } else { to_work() };
    let (forwarded, error) = forward_batch(&channel, (0..600).map(|mark| outbound(mark, route(mark))).collect()).await;
    assert!(error.is_some());
    assert!(forwarded.published.iter().all(|mark| *mark < 5), "{:?}", forwarded.published);
    assert_eq!(forwarded.published.len() + forwarded.unanswered.len(), 600);
}

#[tokio::test]
async fn messages_leave_in_the_order_handed_over_and_their_marks_go() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    for chunk in 0..50 {
        running.relay.publish((chunk * 100..(chunk + 1) * 100).map(|mark| outbound(mark, to_work())).collect());
    }
    running.all_removed(&(0..5_000).collect()).await;
    assert_eq!(running.relay.pending(), 0);
    let marks = running.stopped().await;
    assert!(marks.removed.lock().unwrap().values().all(|times| *times == 1));
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    assert_eq!(emptied(&channel, WORK).await, (0..5_000).collect::<Vec<i64>>());
    assert_eq!(broker.counters().published.get(), 5_000);
}

#[tokio::test]
async fn a_single_message_waits_for_no_timer() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        running.relay.publish_confirmed(parcel(to_work())).await.unwrap();
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    running.stopped().await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_connection_is_closed_under_the_relay() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    let name = connection_name(&servers, "publishing").await;
    let half = 3_000;
    running.relay.publish((0..half).map(|mark| outbound(mark, to_work())).collect());
    kill(&servers, &name).await;
    running.relay.publish((half..2 * half).map(|mark| outbound(mark, to_work())).collect());
    let all: BTreeSet<i64> = (0..2 * half).collect();
    running.all_removed(&all).await;
    assert!(broker.counters().reconnects.get() >= 1);
    running.stopped().await;
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    let arrived: BTreeSet<i64> = emptied(&channel, WORK).await.into_iter().collect();
    assert_eq!(arrived, all);
}

#[tokio::test]
async fn a_missing_queue_is_declared_again_and_what_it_missed_stays_marked() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(WORK.into(), QueueDeleteOptions::default()).await.unwrap();
    running.relay.publish(vec![outbound(1, to_work())]);
    eventually("it was returned", PATIENCE, async || broker.counters().returned.get() == 1).await;
    eventually("the relay has let go of it", PATIENCE, async || running.relay.pending() == 0).await;
    running.marks.leftovers.lock().unwrap().push(outbound(1, to_work()));
    running.all_removed(&BTreeSet::from([1])).await;
    assert_eq!(emptied(&channel, WORK).await, [1]);
    running.stopped().await;
}

#[tokio::test]
async fn a_missing_exchange_ends_the_channel_and_nothing_else() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    channel.exchange_delete("commands".into(), ExchangeDeleteOptions::default()).await.unwrap();
    running.relay.publish((0..700).map(|mark| outbound(mark, to_work())).collect());
    running.all_removed(&(0..700).collect()).await;
    running.stopped().await;
    let arrived: BTreeSet<i64> = emptied(&channel, WORK).await.into_iter().collect();
    assert_eq!(arrived, (0..700).collect());
}

#[tokio::test]
async fn a_message_that_ends_every_channel_takes_no_others_with_it() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    // Publishing to an exchange without the right to ends the channel, each time.
    restrict(&servers, ".*", "^(commands|work|dead-letters)$").await;
    let running = Running::on(&broker);
    let forbidden = Route { exchange: "things".to_owned(), key: "thing.made".to_owned(), mandatory: true };
    let route = |mark| if mark == 50 { forbidden.clone() } else { to_work() };
    running.relay.publish((0..300).map(|mark| outbound(mark, route(mark))).collect());
    let others: BTreeSet<i64> = (0..300).filter(|mark| *mark != 50).collect();
    running.all_removed(&others).await;
    eventually("the relay has let go of it", PATIENCE, async || running.relay.pending() == 0).await;
    assert_eq!(broker.counters().reconnects.get(), 3);
    assert_eq!(running.stopped().await.removed(), others, "its mark stays");
}

#[tokio::test]
async fn what_somebody_waits_for_no_longer_is_not_published() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    let mut given_up = Box::pin(running.relay.publish_confirmed(parcel(to_work())));
    assert!(futures_util::poll!(&mut given_up).is_pending(), "the relay's task has not run since");
    drop(given_up);
    running.relay.publish_confirmed(parcel(to_work())).await.unwrap();
    assert_eq!(broker.counters().published.get(), 1);
    running.stopped().await;
}

#[tokio::test]
async fn an_exchange_that_is_not_in_the_topology_holds_nothing_up() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    let nowhere = Route { exchange: "nowhere".to_owned(), key: "k".to_owned(), mandatory: false };
    running.relay.publish(vec![outbound(1, nowhere.clone()), outbound(2, to_work())]);
    running.all_removed(&BTreeSet::from([2])).await;
    let error = running.relay.publish_confirmed(parcel(nowhere)).await.unwrap_err();
    assert_eq!(error, PublishError::Unroutable { exchange: "nowhere".to_owned(), key: "k".to_owned() });
    assert_eq!((broker.counters().returned.get(), broker.counters().reconnects.get()), (2, 0));
    assert_eq!(running.stopped().await.removed(), BTreeSet::from([2]));
}

#[tokio::test]
async fn the_sweep_publishes_what_was_left_behind() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    running.marks.leftovers.lock().unwrap().extend((0..2_500).map(|mark| outbound(mark, to_work())));
    running.all_removed(&(0..2_500).collect()).await;
    assert_eq!(broker.counters().swept.get(), 2_500);
    running.stopped().await;
}

#[tokio::test]
async fn what_of_a_mark_is_published_is_told_once_all_of_it_is_settled() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    let of = |id, of: u32, lost: &[u32]| -> Vec<Outbound> {
        let route = |n| if lost.contains(&n) { to_nobody() } else { to_work() };
        (0..of).map(|n| Outbound { mark: Mark { id, n, of }, ..outbound(id, route(n)) }).collect()
    };
    // The second one of a mark could not be read.
    let mut unread = of(4, 3, &[]);
    unread.remove(1);
    running.relay.publish([of(1, 64, &[]), of(2, 5, &[2]), of(3, 2, &[0, 1]), unread].concat());
    eventually("all is settled", PATIENCE, async || running.relay.pending() == 0).await;
    let marks = running.stopped().await;
    assert_eq!(marks.removed(), BTreeSet::from([1]));
    let mut narrowed = marks.narrowed.lock().unwrap().clone();
    narrowed.sort_by_key(|mark| mark.id);
    let of = |id, of, done| Settled { id, of, done };
    assert_eq!(narrowed, [of(2, 5, 0b11011), of(4, 3, 0b101)]);
}

#[tokio::test]
async fn nothing_is_swept_while_nothing_can_be_published() {
    let servers = Servers::claim().await;
    let broker = broker(&servers, DECLARED);
    let marks = Arc::new(MemoryMarks::default());
    marks.leftovers.lock().unwrap().push(outbound(1, to_work()));
    let (relay, publisher) = relay::new(&broker, Arc::clone(&marks) as Arc<dyn Marks>, Batches::None);
    assert_eq!(sweep_once(&*marks, &relay).await.unwrap(), 0);
    assert_eq!(marks.leftovers.lock().unwrap().len(), 1);
    let stop = CancellationToken::new();
    let done = tokio::spawn(publisher.run(stop.clone()));
    up(&broker).await;
    eventually("the mark is removed", PATIENCE, async || marks.removed().contains(&1)).await;
    stop.cancel();
    done.await.unwrap();
}

#[tokio::test]
async fn a_message_in_memory_is_not_taken_twice() {
    let servers = Servers::claim().await;
    let broker = broker(&servers, DECLARED);
    let (relay, _publisher) = relay::new(&broker, Arc::new(MemoryMarks::default()), Batches::None);
    relay.publish(vec![outbound(1, to_work()), outbound(2, to_work())]);
    relay.publish(vec![outbound(2, to_work()), outbound(3, to_work())]);
    assert_eq!(relay.pending(), 3);
}

#[tokio::test]
async fn a_stopping_relay_publishes_what_it_holds() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    running.relay.publish((0..100).map(|mark| outbound(mark, to_work())).collect());
    let relay = running.relay.clone();
    let marks = running.stopped().await;
    assert_eq!(marks.removed(), (0..100).collect());
    relay.publish(vec![outbound(100, to_work())]);
    assert_eq!(relay.pending(), 0, "a relay that has stopped holds nothing");
}

#[tokio::test]
async fn a_relay_without_a_broker_stops_at_once() {
    let url = saga_runtime::Secret::new("amqp://me:word@127.0.0.1:9/nowhere");
    let broker = Broker::new(&url, "test", &crate::parts::TOPOLOGY, DECLARED).unwrap();
    let running = Running::on(&broker);
    running.relay.publish(vec![outbound(1, to_work())]);
    let error = running.relay.publish_confirmed(parcel(to_work())).await.unwrap_err();
    assert_eq!(error, PublishError::NotConnected);
    let begun = Instant::now();
    assert!(running.stopped().await.removed().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn whoever_waits_is_told_what_became_of_the_message() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let connection = small_queue(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    running.relay.publish_confirmed(parcel(to_work())).await.unwrap();
    let error = running.relay.publish_confirmed(parcel(to_nobody())).await.unwrap_err();
    assert_eq!(error, PublishError::Unroutable { exchange: "commands".to_owned(), key: "nobody".to_owned() });
    let mut outcomes = Vec::new();
    for _ in 0..14 {
        outcomes.push(running.relay.publish_confirmed(parcel(Route::to_queue("small"))).await);
    }
    let channel = connection.create_channel().await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), ready(&channel, "small").await as usize);
    assert_eq!(outcomes.last(), Some(&Err(PublishError::Nacked)));
    let unwritable = Parcel { properties: json!({ "message_id": "x".repeat(256) }), ..parcel(to_work()) };
    let error = running.relay.publish_confirmed(unwritable).await.unwrap_err();
    assert!(matches!(&error, PublishError::Malformed(why) if why.contains("255")), "{error}");
    running.stopped().await;
}

#[tokio::test]
async fn a_parcel_keeps_its_headers() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let running = Running::on(&broker);
    up(&broker).await;
    let properties = json!({
        "message_id": "p", "type": "T", "priority": 1,
        "headers": { "mine": "kept", "count": 7, "x-delivery-count": 12, "CC": ["dead-letters"] },
    });
    running.relay.publish_confirmed(Parcel { properties, ..parcel(Route::to_queue(WORK)) }).await.unwrap();
    running.stopped().await;
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    let got = channel.basic_get(WORK.into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    let headers = got.delivery.properties.headers().clone().unwrap();
    let headers = headers.inner();
    assert_eq!((headers.get("mine"), headers.get("CC")), (Some(&AMQPValue::LongString("kept".into())), None));
    assert_eq!(headers.get("count"), Some(&AMQPValue::LongInt(7)));
    // The broker counts anew; ours, had it been sent, would have stayed.
    assert!(!matches!(headers.get("x-delivery-count"), Some(count) if *count == AMQPValue::LongInt(12)));
    assert_eq!(*got.delivery.properties.delivery_mode(), Some(2));
    assert_eq!(ready(&channel, "dead-letters").await, 0);
}
