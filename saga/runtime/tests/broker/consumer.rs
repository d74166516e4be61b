//! Consumers: what is acknowledged and when, and what comes again.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use lapin::Channel;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use saga_runtime::Turns;
use saga_runtime::broker::consumer::{self, BATCH, PREFETCH, Subscription};
use saga_runtime::broker::relay::forward_batch;
use saga_runtime::broker::{Broker, ConfirmChannel, Deliver, GivenUp, Incoming, Link};
use saga_runtime::core::Route;
use saga_runtime::testing::{Servers, eventually};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::parts::{
    PATIENCE, Recorder, WORK, connect, connection_name, consumers, declared, kill, left, number, outbound, ready,
    to_work,
};

/// A consumer at work.
pub(crate) struct Running {
    stop: CancellationToken,
    done: JoinHandle<()>,
}

impl Running {
    pub(crate) fn on(broker: &Broker, deliver: Arc<Recorder>) -> Self {
        Self::in_turns(broker, deliver, Turns::default())
    }

    fn in_turns(broker: &Broker, deliver: Arc<Recorder>, turns: Turns) -> Self {
        Self::of(&[WORK], broker, deliver, turns)
    }

    fn of(queues: &[&'static str], broker: &Broker, deliver: Arc<dyn Deliver>, turns: Turns) -> Self {
        let stop = CancellationToken::new();
        let subscription = |queue: &&'static str| Subscription { queue, deliver: Arc::clone(&deliver) };
        let subscriptions = queues.iter().map(subscription).collect();
        Self { done: tokio::spawn(consumer::run(broker.clone(), subscriptions, turns, stop.clone())), stop }
    }

    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        self.done.await.unwrap();
    }
}

/// A vhost with the topology and so many messages in the queue, and a channel to look at it.
async fn with_messages(servers: &Servers, count: i64) -> (Broker, Channel) {
    let broker = declared(servers).await;
    let connection = connect(servers).await;
    publish(&ConfirmChannel::open(&connection).await.unwrap(), 0..count).await;
    (broker, connection.create_channel().await.unwrap())
}

async fn publish(publishing: &ConfirmChannel, marks: Range<i64>) {
    let batch: Vec<_> = marks.map(|mark| outbound(mark, to_work())).collect();
    let count = batch.len();
    let (forwarded, error) = forward_batch(publishing, batch).await;
    assert!(error.is_none() && forwarded.published.len() == count);
}

#[tokio::test]
async fn a_batch_waits_for_its_turn_and_takes_up_what_arrives_meanwhile() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 100).await;
    let (recorder, turns) = (Recorder::new(|_| Ok(())), Turns::new(PATIENCE));
    let others = turns.take().await;
    let running = Running::in_turns(&broker, Arc::clone(&recorder), turns);
    eventually("all are handed out", PATIENCE, async || ready(&channel, WORK).await == 0).await;
    assert!(recorder.sizes().is_empty(), "another batch has its turn");
    drop(others);
    eventually("all are handled", PATIENCE, async || recorder.numbers().len() == 100).await;
    assert_eq!(recorder.numbers(), Vec::from_iter(0..100));
    let batches = recorder.sizes();
    assert!(batches.len() < 100, "messages waited, and others came meanwhile: {batches:?}");
    running.stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
}

#[tokio::test]
async fn it_has_caught_up_once_what_lay_in_the_queue_is_handled() {
    let servers = Servers::claim().await;
    let (broker, _) = with_messages(&servers, 3).await;
    assert_eq!(broker.caught_up_for(), None, "nothing is consumed");
    let recorder = Recorder::gated();
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("a batch is in hand", PATIENCE, async || !recorder.numbers().is_empty()).await;
    assert_eq!(broker.caught_up_for(), None, "it is not handled yet");
    recorder.gate.add_permits(3);
    eventually("it has caught up", PATIENCE, async || broker.caught_up_for().is_some()).await;
    running.stopped().await;
    assert_eq!(broker.caught_up_for(), None, "nothing is consumed any more");
    let idle = Running::on(&broker, Recorder::gated());
    eventually("it has caught up with an empty queue", PATIENCE, async || broker.caught_up_for().is_some()).await;
    idle.stopped().await;
}

#[tokio::test]
async fn a_copy_has_caught_up_once_it_has_handled_what_the_other_left_it() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, i64::from(PREFETCH) + 50).await;
    let (first, second) = (Recorder::gated(), Recorder::gated());
    let busy = Running::on(&broker, Arc::clone(&first));
    eventually("the first has its fill", PATIENCE, async || ready(&channel, WORK).await == 50).await;
    let other = declared(&servers).await;
    let beside = Running::on(&other, Arc::clone(&second));
    eventually("the second has the rest", PATIENCE, async || ready(&channel, WORK).await == 0).await;
    assert_eq!(other.caught_up_for(), None, "it has handled nothing");
    second.gate.add_permits(1_000);
    eventually("the second has caught up", PATIENCE, async || other.caught_up_for().is_some()).await;
    assert_eq!(broker.caught_up_for(), None, "the first has handled nothing");
    first.gate.add_permits(1_000);
    eventually("the first has caught up", PATIENCE, async || broker.caught_up_for().is_some()).await;
    for running in [busy, beside] {
        running.stopped().await;
    }
    assert_eq!(left(&channel, WORK).await, 0);
}

#[tokio::test]
async fn messages_come_in_order_and_in_batches_of_what_is_there() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 1_000).await;
    let recorder = Recorder::new(|_| Ok(()));
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("all are delivered", PATIENCE, async || recorder.numbers().len() == 1_000).await;
    running.stopped().await;
    assert_eq!(recorder.numbers(), (0..1_000).collect::<Vec<i64>>());
    let sizes = recorder.sizes();
    assert!(sizes.iter().all(|size| (1..=BATCH).contains(size)) && sizes.len() < 500, "{sizes:?}");
    assert_eq!(left(&channel, WORK).await, 0, "acknowledged, so nothing came back when the consumer left");
    assert_eq!((broker.counters().delivered.get(), broker.counters().redelivered.get()), (1_000, 0));
}

#[tokio::test]
async fn of_two_copies_one_takes_all_that_it_has_room_for_the_other_what_is_left_or_all_once_it_is_alone() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 0).await;
    let copies = [Recorder::gated(), Recorder::gated()];
    let mut running = copies.each_ref().map(|copy| Some(Running::on(&broker, Arc::clone(copy))));
    eventually("both consume", PATIENCE, async || consumers(&channel, WORK).await == 2).await;
    let connection = connect(&servers).await;
    let publishing = ConfirmChannel::open(&connection).await.unwrap();
    let (room, all) = (i64::from(PREFETCH), i64::from(PREFETCH) + 50);
    publish(&publishing, 0..room).await;
    eventually("all are with a copy", PATIENCE, async || ready(&channel, WORK).await == 0).await;
    eventually("a batch is in hand", PATIENCE, async || copies.iter().any(|copy| !copy.numbers().is_empty())).await;
    let (first, second) = if copies[0].numbers().is_empty() { (1, 0) } else { (0, 1) };
    assert_eq!(copies[second].numbers(), Vec::<i64>::new(), "the first had room for all");

    publish(&publishing, room..all).await;
    eventually("the second helps", PATIENCE, async || !copies[second].numbers().is_empty()).await;
    copies.iter().for_each(|copy| copy.gate.add_permits(1_000));
    let handled = || copies.iter().map(|copy| copy.numbers().len()).sum::<usize>();
    eventually("all are handled", PATIENCE, async || i64::try_from(handled()).unwrap() == all).await;
    assert_eq!(copies[first].numbers(), Vec::from_iter(0..room));

    running[first].take().unwrap().stopped().await;
    publish(&publishing, all..all + 10).await;
    eventually("the second has them", PATIENCE, async || copies[second].numbers().len() == 60).await;
    running[second].take().unwrap().stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
}

/// The queues whose messages came to a copy.
#[derive(Default)]
struct Queues(Mutex<BTreeSet<&'static str>>);

impl Queues {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Deliver for Queues {
    fn deliver<'a>(&'a self, queue: &'static str, _batch: Vec<Incoming>) -> BoxFuture<'a, Result<(), GivenUp>> {
        self.0.lock().unwrap().insert(queue);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn one_of_two_copies_takes_all_queues() {
    const QUEUES: [&str; 8] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"];
    let servers = Servers::claim().await;
    let (broker, connection) = (declared(&servers).await, connect(&servers).await);
    let channel = connection.create_channel().await.unwrap();
    for queue in QUEUES {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    }
    let copies = [(); 2].map(|()| Arc::new(Queues::default()));
    let running = copies.each_ref().map(|copy| Running::of(&QUEUES, &broker, Arc::clone(copy) as _, Turns::default()));
    for queue in QUEUES {
        eventually("both consume", PATIENCE, async || consumers(&channel, queue).await == 2).await;
    }
    let messages = (0..).zip(QUEUES).map(|(number, queue)| outbound(number, Route::to_queue(queue))).collect();
    let (forwarded, error) = forward_batch(&ConfirmChannel::open(&connection).await.unwrap(), messages).await;
    assert!(error.is_none() && forwarded.published.len() == QUEUES.len());
    let handled = || copies.each_ref().map(|copy| copy.len());
    eventually("all are handled", PATIENCE, async || handled().iter().sum::<usize>() == QUEUES.len()).await;
    assert!(handled().contains(&QUEUES.len()), "by either copy: {:?}", handled());
    for copy in running {
        copy.stopped().await;
    }
}

#[tokio::test]
async fn a_batch_is_acknowledged_only_after_it_was_handled() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 10).await;
    let recorder = Recorder::gated();
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("a batch is in hand", PATIENCE, async || !recorder.numbers().is_empty()).await;
    // The process dies.
    running.done.abort();
    assert!(running.done.await.unwrap_err().is_cancelled());
    eventually("all messages are back", PATIENCE, async || ready(&channel, WORK).await == 10).await;
}

#[tokio::test]
async fn a_stopping_consumer_finishes_the_batch_in_hand_and_gives_back_the_rest() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 200).await;
    let recorder = Recorder::gated();
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("a batch is in hand", PATIENCE, async || !recorder.numbers().is_empty()).await;
    let connection = connect(&servers).await;
    let publishing = ConfirmChannel::open(&connection).await.unwrap();
    running.stop.cancel();
    // It takes no more while the batch is still being handled: what comes now waits in the queue.
    let mut total = 200;
    eventually("new messages are left to others", PATIENCE, async || {
        let (forwarded, _) = forward_batch(&publishing, vec![outbound(total, to_work())]).await;
        total += i64::try_from(forwarded.published.len()).unwrap();
        ready(&channel, WORK).await > 0
    })
    .await;
    assert!(!running.done.is_finished());
    recorder.gate.add_permits(1);
    running.done.await.unwrap();
    assert_eq!(recorder.sizes().len(), 1);
    let handled = i64::try_from(recorder.numbers().len()).unwrap();
    assert_eq!(i64::from(left(&channel, WORK).await), total - handled);
}

#[tokio::test]
async fn what_was_given_up_comes_again_whole() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 50).await;
    let calls = AtomicUsize::new(0);
    let recorder = Recorder::new(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(GivenUp),
        _ => Ok(()),
    });
    let running = Running::on(&broker, Arc::clone(&recorder));
    let all: BTreeSet<i64> = (0..50).collect();
    eventually("all are handled", PATIENCE, async || {
        let batches = recorder.batches.lock().unwrap();
        let handled: BTreeSet<i64> = batches.iter().skip(1).flatten().map(|m| number(&m.body)).collect();
        handled == all
    })
    .await;
    running.stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
    let batches = recorder.batches.lock().unwrap();
    let again: Vec<u32> = batches.iter().skip(1).flatten().map(|message| message.delivery_count).collect();
    assert!(again.iter().all(|count| *count == 1), "{again:?}");
}

#[tokio::test]
async fn what_was_given_up_waits_in_the_queue_until_it_can_be_handled() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 50).await;
    let door = watch::Sender::new(true);
    let closing = door.clone();
    let recorder = Recorder::behind(door.subscribe(), move |batch| {
        let is_first = batch.iter().all(|message| message.delivery_count == 0);
        closing.send_replace(!is_first);
        if is_first { Err(GivenUp) } else { Ok(()) }
    });
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("a batch was given up", PATIENCE, async || !recorder.sizes().is_empty()).await;
    assert_eq!(left(&channel, WORK).await, 50, "nobody consumes, and all are there for others");
    let before = recorder.numbers().len();
    door.send_replace(true);
    eventually("all are handled", PATIENCE, async || recorder.numbers().len() == before + 50).await;
    running.stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
}

#[tokio::test]
async fn a_message_that_was_delivered_twice_before_is_handled_alone() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 20).await;
    let handled = Arc::new(Mutex::new(BTreeSet::new()));
    let noting = Arc::clone(&handled);
    // Whoever takes message 7 is lost twice, and once more if it is with others then.
    let recorder = Recorder::new(move |batch| {
        let seven = batch.iter().find(|message| message.body == b"7"[..]);
        assert!(seven.is_none_or(|seven| seven.delivery_count >= 2 && batch.len() == 1), "this is meant to panic");
        noting.lock().unwrap().extend(batch.iter().map(|message| number(&message.body)));
        Ok(())
    });
    let running = Running::on(&broker, Arc::clone(&recorder));
    // They come in their order: 7 is handled before any that came after it.
    let all: BTreeSet<i64> = (0..20).collect();
    eventually("all are handled", PATIENCE, async || *handled.lock().unwrap() == all).await;
    running.stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
    let batches = recorder.batches.lock().unwrap();
    let suspects = || batches.iter().filter(|batch| batch.iter().any(|message| message.delivery_count >= 2));
    assert!(suspects().count() > 0 && suspects().all(|batch| batch.len() == 1));
    assert!(broker.counters().reconnects.get() >= 2, "the panics ended sessions, not the consumer");
}

#[tokio::test]
async fn nothing_is_lost_when_the_connection_is_closed_under_the_consumer() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 2_000).await;
    let recorder = Recorder::gated();
    let running = Running::on(&broker, Arc::clone(&recorder));
    let name = connection_name(&servers, "consuming").await;
    recorder.gate.add_permits(1);
    eventually("a second batch is in hand", PATIENCE, async || recorder.sizes().len() == 2).await;
    kill(&servers, &name).await;
    let mut link = broker.watch_consuming();
    tokio::time::timeout(PATIENCE, link.wait_for(|link| matches!(link, Link::Down { .. }))).await.unwrap().unwrap();
    recorder.gate.add_permits(10_000);
    let all: BTreeSet<i64> = (0..2_000).collect();
    eventually("all are delivered", PATIENCE, async || {
        recorder.numbers().into_iter().collect::<BTreeSet<i64>>() == all
    })
    .await;
    running.stopped().await;
    assert_eq!(left(&channel, WORK).await, 0);
    assert!(broker.counters().reconnects.get() >= 1);
}

#[tokio::test]
async fn a_queue_that_is_deleted_comes_back_and_is_consumed_again() {
    let servers = Servers::claim().await;
    let (broker, channel) = with_messages(&servers, 1).await;
    let recorder = Recorder::new(|_| Ok(()));
    let running = Running::on(&broker, Arc::clone(&recorder));
    eventually("the message is delivered", PATIENCE, async || recorder.numbers() == [0]).await;
    channel.queue_delete(WORK.into(), QueueDeleteOptions::default()).await.unwrap();
    eventually("the consumer noticed", PATIENCE, async || broker.counters().reconnects.get() >= 1).await;
    let mut link = broker.watch_consuming();
    tokio::time::timeout(PATIENCE, link.wait_for(|link| *link == Link::Up)).await.unwrap().unwrap();
    let connection = connect(&servers).await;
    let publishing = ConfirmChannel::open(&connection).await.unwrap();
    let (forwarded, _) = forward_batch(&publishing, vec![outbound(1, to_work())]).await;
    assert_eq!(forwarded.published, [1]);
    eventually("the next message is delivered", PATIENCE, async || recorder.numbers() == [0, 1]).await;
    running.stopped().await;
}

#[tokio::test]
async fn a_consumer_stops_at_once_when_there_is_no_broker() {
    let url = saga_runtime::Secret::new("amqp://me:word@127.0.0.1:9/nowhere");
    let broker = Broker::new(&url, "test", &crate::parts::TOPOLOGY, crate::parts::DECLARED).unwrap();
    let running = Running::on(&broker, Recorder::new(|_| Ok(())));
    eventually("it tries again and again", PATIENCE, async || broker.counters().reconnects.get() >= 2).await;
    assert!(matches!(broker.links().consuming, Link::Down { why } if why.contains("127.0.0.1:9")));
    let begun = std::time::Instant::now();
    running.stopped().await;
    assert!(begun.elapsed().as_secs() < 2);
}
