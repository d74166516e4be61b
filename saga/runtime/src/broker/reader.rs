//! Reading queues that are not consumed here: one message at a time, given back unless it is settled.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use saga_core::Time;

use super::Incoming;
use super::amqp::stream_offset;
use super::connection::{ANSWER, Broker, leave, open_channel};
use super::error::{BrokerError, within};

/// How many messages of a stream are on their way at most.
const AHEAD: u16 = 1_000;

/// How many messages one subscription to a queue holds at most.
const HELD: u16 = 2_000;
/// How long to wait for a message before asking whether there is any.
const MAY_COME: Duration = Duration::from_millis(100);

/// Takes messages of any queue. What is not settled goes back to its place when this is left: a subscription, other
/// than messages that are fetched one by one, gives back in order.
pub(crate) struct QueueReader {
    connection: Connection,
    control: Channel,
    queue: String,
    /// The last one takes; those before hold as many as they may.
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    channel: Channel,
    consumer: Consumer,
    held: u16,
}

/// A message that was taken from a queue and is to be settled.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) incoming: Incoming,
    pub(crate) tag: Tag,
    pub(crate) redelivered: bool,
}

/// What a message is settled by: the number of its subscription, and its own.
pub(crate) type Tag = (usize, u64);

impl QueueReader {
    /// Opens a queue.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] when there is none of this name.
    pub(crate) async fn open(broker: &Broker, queue: &str) -> Result<Self, BrokerError> {
        let connection = broker.open("replaying a queue").await?;
        let control = open_channel(&connection).await?;
        let reader = Self { connection, control, queue: queue.to_owned(), subscriptions: Vec::new() };
        reader.waiting().await?;
        Ok(reader)
    }

    /// How many messages wait in it, those that were taken aside.
    pub(crate) async fn waiting(&self) -> Result<u32, BrokerError> {
        Ok(look_at(&self.control, &self.queue).await?.messages)
    }

    /// The next message; `None` when there is none.
    pub(crate) async fn take(&mut self) -> Result<Option<Taken>, BrokerError> {
        let mut is_last_look = false;
        loop {
            if self.subscriptions.last().is_none_or(|last| last.held >= HELD) {
                self.subscribe().await?;
            }
            let number = self.subscriptions.len() - 1;
            let subscription = &mut self.subscriptions[number];
            match tokio::time::timeout(MAY_COME, subscription.consumer.next()).await {
                Ok(next) => {
                    let delivery = delivered(next, &self.queue)?;
                    subscription.held += 1;
                    let (tag, redelivered) = ((number, delivery.delivery_tag), delivery.redelivered);
                    return Ok(Some(Taken { incoming: Incoming::from(delivery), tag, redelivered }));
                }
                Err(_) if is_last_look => return Ok(None),
                // What does not wait any more may be on its way to us.
                Err(_) => is_last_look = self.waiting().await? == 0,
            }
        }
    }

    async fn subscribe(&mut self) -> Result<(), BrokerError> {
        let channel = open_channel(&self.connection).await?;
        let prefetch = channel.basic_qos(HELD, BasicQosOptions::default());
        within(ANSWER, "setting the prefetch", prefetch).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consume = channel.basic_consume(self.queue.as_str().into(), "".into(), options, arguments);
        let consumer = within(ANSWER, format!("reading {}", self.queue), consume).await?;
        self.subscriptions.push(Subscription { channel, consumer, held: 0 });
        Ok(())
    }

    /// Settles messages: they have left the queue when this returns.
    pub(crate) async fn settle(&mut self, tags: &[Tag]) -> Result<(), BrokerError> {
        for (number, tag) in tags {
            let Some(subscription) = self.subscriptions.get_mut(*number) else { continue };
            let settling = subscription.channel.basic_ack(*tag, BasicAckOptions::default());
            within(ANSWER, format!("settling a message of {}", self.queue), settling).await?;
            subscription.held = subscription.held.saturating_sub(1);
        }
        // An acknowledgement has no answer; whoever asks something after it has one.
        let numbers: BTreeSet<usize> = tags.iter().map(|(number, _)| *number).collect();
        for subscription in numbers.into_iter().filter_map(|number| self.subscriptions.get(number)) {
            look_at(&subscription.channel, &self.queue).await?;
        }
        Ok(())
    }

    /// Gives everything else back.
    pub(crate) async fn leave(self) {
        leave(&self.connection).await;
    }
}

/// What came of waiting for a message.
pub(crate) fn delivered(next: Option<lapin::Result<Delivery>>, queue: &str) -> Result<Delivery, BrokerError> {
    let lost = |error| BrokerError::Lost { doing: format!("reading {queue}"), error };
    let ended = || lost(lapin::ErrorKind::InvalidConnectionState(lapin::ConnectionState::Closed).into());
    next.ok_or_else(ended)?.map_err(lost)
}

/// How a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Messages that wait.
    pub(crate) messages: u32,
    /// Who consumes it.
    pub(crate) consumers: u32,
}

/// So long RabbitMQ waits for a quorum queue to say how it is. Then it says that there is nothing in it, and nobody at it.
const ASKED_IN_VAIN: Duration = Duration::from_millis(250);
/// How often a queue is asked that is too busy to say how it is.
const MOST_LOOKS: usize = 8;

/// Looks at a queue; an error closes the channel.
pub(crate) async fn look_at(channel: &Channel, queue: &str) -> Result<Depth, BrokerError> {
    let mut depth = Depth { messages: 0, consumers: 0 };
    for _ in 0..MOST_LOOKS {
        let asked = Instant::now();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let looking = channel.queue_declare(queue.into(), passive, FieldTable::default());
        let looked = within(ANSWER, format!("looking at the queue {queue}"), looking).await;
        let looked = looked.map_err(|error| error.about(&format!("the queue {queue}")))?;
        depth = Depth { messages: looked.message_count(), consumers: looked.consumer_count() };
        if (depth.messages, depth.consumers) != (0, 0) || asked.elapsed() < ASKED_IN_VAIN {
            break;
        }
    }
    Ok(depth)
}

/// Where to begin reading a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    /// With the oldest message.
    First,
    /// With the youngest ones.
    Last,
    /// With this one.
    At(u64),
    /// A little before this time.
    Since(Time),
}

/// Reads a stream, which keeps what is read.
pub(crate) struct StreamReader {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    unsettled: u16,
}

impl StreamReader {
    /// Opens a stream.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub(crate) async fn open(broker: &Broker, queue: &str, from: Offset) -> Result<Self, BrokerError> {
        let connection = broker.open("replaying a stream").await?;
        let channel = open_channel(&connection).await?;
        look_at(&channel, queue).await?;
        let prefetch = channel.basic_qos(AHEAD, BasicQosOptions::default());
        within(ANSWER, "setting the prefetch", prefetch).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), from.to_amqp());
        let consume = channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), arguments);
        let consumer = within(ANSWER, format!("reading the stream {queue}"), consume).await?;
        Ok(Self { connection, channel, consumer, unsettled: 0 })
    }

    /// The next message with its place; `None` when none comes for that long.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Option<(u64, Incoming)>, BrokerError> {
        let Ok(next) = tokio::time::timeout(patience, self.consumer.next()).await else { return Ok(None) };
        let delivery = delivered(next, "a stream")?;
        self.unsettled += 1;
        if self.unsettled >= AHEAD / 2 {
            // It only asks for more: a stream keeps everything.
            let more = self.channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true });
            within(ANSWER, "asking for more of a stream", more).await?;
            self.unsettled = 0;
        }
        Ok(Some((stream_offset(&delivery).unwrap_or_default(), Incoming::from(delivery))))
    }

    /// Takes leave.
    pub(crate) async fn leave(self) {
        leave(&self.connection).await;
    }
}

impl Offset {
    fn to_amqp(self) -> AMQPValue {
        match self {
            Self::First => AMQPValue::LongString("first".into()),
            Self::Last => AMQPValue::LongString("last".into()),
            Self::At(offset) => AMQPValue::LongLongInt(i64::try_from(offset).unwrap_or(i64::MAX)),
            Self::Since(time) => AMQPValue::Timestamp(u64::try_from(time.unix_timestamp()).unwrap_or_default()),
        }
    }
}
