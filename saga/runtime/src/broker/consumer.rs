//! Consuming queues: take what is there, have it handled, acknowledge it, in this order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connection::{ANSWER, Broker, Pause, Purpose, Session, open_channel};
use super::error::{BrokerError, within};
use super::hand::{Arrived, Hand, Tagged, Unsettled};
use super::reader::look_at;
use super::{Deliver, Incoming, arrived};
use crate::clock::until;
use crate::turns::{Turn, Turns};

/// How many messages the broker hands out before it waits for acknowledgements.
pub const PREFETCH: u16 = 256;
/// Once so many messages are in hand that wait for nothing, no more are taken. Those of one AMQP message are taken together.
pub const BATCH: usize = 128;
/// What goes along with those makes a batch no larger than this; the rest is the next one.
const LARGEST: usize = 512;
/// With so many messages in hand the older half waits for company no longer.
const MOST_IN_HAND: usize = 1_024;
/// Nor does it once so many deliveries came since the first that is not handled: none of them can be acknowledged before it,
/// and the broker must have some left to hand out.
const MOST_SPANNED: u64 = 160;
/// A message that was delivered this often before is handled alone: it may be what crashed us.
const ALONE: u32 = 2;
/// How long acknowledgements are gathered: each that goes alone is one more entry that RabbitMQ writes to its log, and costs
/// it as much as a message. Should the process die meanwhile, so many more messages come again, and are known.
const GATHER: Duration = Duration::from_millis(50);
/// How many deliveries may wait for their acknowledgement: far less than the prefetch, so that it never runs dry.
const MOST_UNACKNOWLEDGED: u64 = 64;
/// How long a batch may go on when its connection has ended, or the process is stopping.
const FINISH: Duration = Duration::from_secs(4);
/// When nothing came for so long, the process's other copies have what lay in the queue.
const QUIET: Duration = Duration::from_secs(1);

/// A queue, and who takes its messages.
#[derive(Clone)]
pub struct Subscription {
    /// The queue.
    pub queue: &'static str,
    /// Who takes its messages.
    pub deliver: Arc<dyn Deliver>,
}

/// Consumes all these queues until stopped, over as many connections as it takes; each queue has a
/// channel and a task of its own, and their batches take turns. When stopped, no more messages are taken, the batch that is
/// being handled is finished and acknowledged (for at most 4 s), and the rest goes back to the broker.
pub async fn run(broker: Broker, subscriptions: Vec<Subscription>, turns: Turns, stop: CancellationToken) {
    let mut pause = Pause::new();
    loop {
        let ready = join_all(subscriptions.iter().map(|subscription| subscription.deliver.ready()));
        if stop.run_until_cancelled(ready).await.is_none() {
            break broker.left(Purpose::Consuming);
        }
        match session(&broker, &subscriptions, &turns, &stop).await {
            Ok(()) => break broker.left(Purpose::Consuming),
            Err(error) => broker.ended(Purpose::Consuming, &error),
        }
        if pause.wait(&stop).await.is_break() {
            break;
        }
    }
}

async fn session(
    broker: &Broker,
    subscriptions: &[Subscription],
    turns: &Turns,
    stop: &CancellationToken,
) -> Result<(), BrokerError> {
    let session = tokio::select! {
        session = broker.session(Purpose::Consuming) => session?,
        () = stop.cancelled() => return Ok(()),
    };
    let Session { connection, mut faults } = session;
    let over = stop.child_token();
    let (rank, mut tasks) = (rank(), JoinSet::new());
    broker.consumes(subscriptions.len());
    for subscription in subscriptions {
        let (subscription, rank) = (subscription.clone(), rank.clone());
        let taker = Taker::open(&connection, subscription, rank, broker.clone(), over.clone()).await?;
        tasks.spawn(taker.run(turns.clone()));
    }
    let ended = tokio::select! {
        fault = faults.next() => Err(fault),
        Some(ended) = tasks.join_next() => outcome(ended),
        () = stop.cancelled() => Ok(()),
    };
    over.cancel();
    if tokio::time::timeout(FINISH, finish(&mut tasks)).await.is_err() {
        tracing::warn!("a batch took too long to finish; RabbitMQ delivers it again");
    }
    ended?;
    Session { connection, faults }.leave().await;
    Ok(())
}

/// Waits for the batches in hand. What goes wrong with them now is no news: the session is over.
async fn finish(tasks: &mut JoinSet<Result<(), BrokerError>>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = outcome(ended) {
            tracing::debug!(%error, "a queue was left in a hurry");
        }
    }
}

fn outcome(ended: Result<Result<(), BrokerError>, JoinError>) -> Result<(), BrokerError> {
    ended.unwrap_or_else(|error| Err(BrokerError::Panicked(error.to_string())))
}

/// Takes the messages of one queue.
struct Taker {
    subscription: Subscription,
    channel: Channel,
    consumer: Consumer,
    tag: ShortString,
    broker: Broker,
    over: CancellationToken,
    cancelled: bool,
    hand: Hand,
    unsettled: Unsettled,
    /// Everything up to this number is acknowledged.
    acknowledged: u64,
    /// Until when the acknowledgement of what was handled since may wait.
    acknowledge_by: Option<Instant>,
    /// What lay in the queue when it was subscribed to: it is handled once everything up to this number is.
    behind: Option<u64>,
}

/// Where this copy of the process stands among the others, by lot, the same for all its queues. RabbitMQ gives messages to
/// the first that has room for them: one copy then has large batches as long as it keeps up, and the next has what is too
/// much for it, where all would have small ones.
/// See <https://www.rabbitmq.com/docs/consumer-priority>.
#[expect(clippy::disallowed_methods, reason = "a lot is drawn; it is no id")]
fn rank() -> FieldTable {
    let (mut arguments, (_, lot, ..)) = (FieldTable::default(), Uuid::new_v4().as_fields());
    arguments.insert("x-priority".into(), AMQPValue::LongInt(i32::from(lot)));
    arguments
}

impl Taker {
    async fn open(
        connection: &Connection,
        subscription: Subscription,
        rank: FieldTable,
        broker: Broker,
        over: CancellationToken,
    ) -> Result<Self, BrokerError> {
        let channel = open_channel(connection).await?;
        // Numbers are the channel's own, from 1 on, and the queue's order is theirs.
        let behind = Some(u64::from(look_at(&channel, subscription.queue).await?.messages));
        // Without a prefetch, memory is the limit.
        let prefetch = channel.basic_qos(PREFETCH, BasicQosOptions::default());
        within(ANSWER, "setting the prefetch", prefetch).await?;
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(subscription.queue.into(), "".into(), options, rank);
        let consumer = within(ANSWER, format!("consuming {}", subscription.queue), consume).await?;
        let tag = consumer.tag();
        let mut taker = Self {
            subscription,
            channel,
            consumer,
            tag,
            broker,
            over,
            cancelled: false,
            hand: Hand::default(),
            unsettled: Unsettled::default(),
            acknowledged: 0,
            acknowledge_by: None,
            behind,
        };
        taker.handled_up_to(0);
        Ok(taker)
    }

    /// Says so once what lay in the queue is handled.
    fn handled_up_to(&mut self, last: u64) {
        if self.behind.is_some_and(|behind| behind <= last) && !self.over.is_cancelled() {
            self.behind = None;
            self.broker.caught_up_with_one();
        }
    }

    async fn run(mut self, turns: Turns) -> Result<(), BrokerError> {
        while let Some((taken, _turn)) = self.take(&turns).await? {
            for batch in batches(taken) {
                if self.over.is_cancelled() || !self.handle(batch).await? {
                    return self.leave().await;
                }
            }
        }
        self.leave().await
    }

    /// Waits for messages to handle and for a turn, and takes what it is time for by then. `None` when it is over.
    async fn take(&mut self, turns: &Turns) -> Result<Option<(Vec<Tagged>, Turn)>, BrokerError> {
        let quiet = Instant::now() + QUIET;
        while !self.hand.is_time() {
            tokio::select! {
                biased;
                () = self.over.cancelled() => return Ok(None),
                next = self.consumer.next() => self.take_up(next)?,
                () = until(self.hand.until()) => break,
                () = until(self.acknowledge_by) => self.acknowledge().await?,
                () = until(self.behind.filter(|_| self.hand.is_empty()).map(|_| quiet)) => self.handled_up_to(u64::MAX),
            }
        }
        let mut taking = pin!(turns.take());
        let turn = loop {
            tokio::select! {
                biased;
                () = self.over.cancelled() => return Ok(None),
                turn = &mut taking => break turn,
                () = until(self.acknowledge_by) => self.acknowledge().await?,
            }
        };
        while !self.hand.is_full()
            && let Some(next) = self.consumer.next().now_or_never()
        {
            self.take_up(next)?;
        }
        Ok(Some((self.hand.batch(Instant::now()), turn)))
    }

    fn take_up(&mut self, next: Option<lapin::Result<Delivery>>) -> Result<(), BrokerError> {
        let arrived = self.arrived(next)?;
        self.unsettled.add(&arrived);
        let Subscription { queue, deliver } = &self.subscription;
        self.hand.take_up(arrived, Instant::now(), |message| deliver.company(queue, message));
        if self.unsettled.span() >= MOST_SPANNED || self.hand.len() >= MOST_IN_HAND {
            self.hand.hurry(self.unsettled.middle());
        }
        Ok(())
    }

    fn arrived(&self, next: Option<lapin::Result<Delivery>>) -> Result<Arrived, BrokerError> {
        let queue = self.subscription.queue;
        let delivery = next.ok_or(BrokerError::Unsubscribed(queue))?;
        let delivery = delivery.map_err(|error| BrokerError::Lost { doing: format!("consuming {queue}"), error })?;
        let (tag, redelivered) = (delivery.delivery_tag, delivery.redelivered);
        let messages = arrived(delivery);
        let count = messages.len() as u64;
        let counters = self.broker.counters();
        counters.delivered.inc_by(count);
        counters.redelivered.inc_by(if redelivered { count } else { 0 });
        Ok(Arrived { messages, tag })
    }

    /// Has a batch handled, and acknowledges it in time. False when it was given up, as it may be when this is over.
    async fn handle(&mut self, batch: Vec<Tagged>) -> Result<bool, BrokerError> {
        let (queue, deliver) = (self.subscription.queue, Arc::clone(&self.subscription.deliver));
        let (tags, messages): (Vec<u64>, Vec<Incoming>) = batch.into_iter().map(|t| (t.tag, t.message)).unzip();
        // What came before may come again, should one of its neighbours crash us: it is settled at once.
        let again = messages.iter().any(|message| message.delivery_count > 0);
        let mut work = deliver.deliver(queue, messages);
        let done = tokio::select! {
            done = &mut work => done,
            () = self.over.cancelled() => {
                // Others may have the next messages while we finish these.
                self.cancel().await;
                work.await
            }
        };
        if done.is_err() {
            if self.over.is_cancelled() {
                return Ok(false);
            }
            self.acknowledge_all().await?;
            return Err(BrokerError::GivenUp(queue));
        }
        self.broker.counters().batches.inc();
        tags.into_iter().for_each(|tag| self.unsettled.settle(tag));
        let settled = self.unsettled.settled();
        self.handled_up_to(settled);
        let by = *self.acknowledge_by.get_or_insert_with(|| Instant::now() + GATHER);
        if again || settled - self.acknowledged >= MOST_UNACKNOWLEDGED || by <= Instant::now() {
            self.acknowledge().await?;
        }
        Ok(true)
    }

    /// Acknowledges everything before the first message that is not handled.
    async fn acknowledge(&mut self) -> Result<(), BrokerError> {
        self.acknowledge_by = None;
        let settled = self.unsettled.settled();
        if settled > self.acknowledged {
            self.ack(settled, true).await?;
            self.acknowledged = settled;
        }
        Ok(())
    }

    /// Acknowledges what is handled behind that, too: nothing more will be.
    async fn acknowledge_all(&mut self) -> Result<(), BrokerError> {
        self.acknowledge().await?;
        for tag in self.unsettled.settled_beyond() {
            self.ack(tag, false).await?;
        }
        Ok(())
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), BrokerError> {
        let doing = format!("acknowledging messages of {}", self.subscription.queue);
        within(ANSWER, doing, self.channel.basic_ack(tag, BasicAckOptions { multiple })).await
    }

    async fn cancel(&mut self) {
        self.cancelled = true;
        let cancelling = self.channel.basic_cancel(self.tag.clone(), BasicCancelOptions::default());
        if let Err(error) = within(ANSWER, "ending a subscription", cancelling).await {
            tracing::debug!(queue = self.subscription.queue, %error, "the subscription had ended already");
        }
    }

    /// Acknowledges what is handled, and gives back the rest of what was handed out.
    async fn leave(mut self) -> Result<(), BrokerError> {
        self.acknowledge_all().await?;
        if !self.cancelled {
            self.cancel().await;
        }
        within(ANSWER, "closing a channel", self.channel.close(200, "OK".into())).await
    }
}

/// Messages in their order, in runs that may be handled together.
fn batches(all: Vec<Tagged>) -> Vec<Vec<Tagged>> {
    let mut batches: Vec<Vec<Tagged>> = Vec::new();
    let alone = |tagged: &Tagged| tagged.message.delivery_count >= ALONE;
    for tagged in all {
        match batches.last_mut() {
            Some(batch) if batch.len() < LARGEST && !alone(&tagged) && !batch.last().is_some_and(alone) => {
                batch.push(tagged);
            }
            _ => batches.push(vec![tagged]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(delivery_count: u32, tag: u64) -> Tagged {
        let mut message = Incoming::of_bytes("anything");
        message.delivery_count = delivery_count;
        Tagged { message, tag }
    }

    #[test]
    fn what_is_handled_together_is_not_without_limit_and_what_came_often_is_handled_alone() {
        let many = batches((1..=1_100).map(|tag| tagged(0, tag)).collect());
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [LARGEST, LARGEST, 76]);
        let again = [0, 1, ALONE, ALONE, 0, 0].into_iter().zip(1..);
        let runs = batches(again.map(|(count, tag)| tagged(count, tag)).collect());
        let tags: Vec<Vec<u64>> = runs.iter().map(|run| run.iter().map(|tagged| tagged.tag).collect()).collect();
        assert_eq!(tags, [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
    }
}
