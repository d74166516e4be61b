//! Looking at what the broker holds, and at what passes an exchange.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer, ExchangeKind};
use saga_core::{Queue, QueueType};

use super::connection::{ANSWER, Broker, leave, open_channel};
use super::error::{BrokerError, within};
use super::management::Bound;
use super::reader::{Depth, delivered, look_at};
use super::{Incoming, arrived, topology};

/// How many messages a tap has on their way at most.
const AHEAD: u16 = 200;
/// How many messages wait for whoever watches, and how many bytes: the oldest go. A client that reads slowly, or not any
/// more, must not fill the broker.
const MOST_WAITING: i32 = 10_000;
const MOST_BYTES: i32 = 16 << 20;

/// A queue of the topology, as it is.
#[derive(Debug)]
pub(crate) struct QueueLook {
    pub(crate) queue: &'static Queue,
    pub(crate) depth: Option<Depth>,
    /// In what it is not as the topology says.
    pub(crate) difference: Option<String>,
}

impl QueueLook {
    /// Holds what is bound in the vhost against the topology's bindings of this queue.
    pub(crate) fn compare_bindings(&mut self, bound: &[Bound]) {
        if self.depth.is_none() {
            return;
        }
        // To the exchange without a name, every queue is bound.
        let bound = bound.iter().filter(|bound| bound.queue == self.queue.name && !bound.exchange.is_empty());
        let found: BTreeSet<(&str, &str)> = bound.map(|bound| (bound.exchange.as_str(), bound.key.as_str())).collect();
        let declared: BTreeSet<_> = self.queue.bindings.iter().map(|binding| (binding.exchange, binding.key)).collect();
        let missing = declared.difference(&found).map(|(exchange, key)| format!("not bound to {exchange} by {key}"));
        let foreign = found.difference(&declared);
        let foreign =
            foreign.map(|(exchange, key)| format!("bound to {exchange} by {key}, which is not in the topology"));
        let all: Vec<String> = self.difference.take().into_iter().chain(missing).chain(foreign).collect();
        self.difference = (!all.is_empty()).then(|| all.join("; "));
    }
}

impl Broker {
    /// Looks at every queue of the topology.
    ///
    /// # Errors
    /// [`BrokerError`]: the broker does not answer.
    pub(crate) async fn look_at_queues(&self) -> Result<Vec<QueueLook>, BrokerError> {
        let connection = self.open("looking at queues").await?;
        let mut looks = Vec::new();
        for queue in self.topology().queues {
            if queue.kind == QueueType::Stream && !self.has_stream() {
                continue;
            }
            looks.push(look(&connection, queue).await?);
        }
        leave(&connection).await;
        Ok(looks)
    }
}

/// An answer other than yes closes the channel: each question has one of its own.
async fn look(connection: &Connection, queue: &'static Queue) -> Result<QueueLook, BrokerError> {
    let depth = match look_at(&open_channel(connection).await?, queue.name).await {
        Ok(depth) => depth,
        Err(error @ (BrokerError::Missing { .. } | BrokerError::Forbidden { .. })) => {
            return Ok(QueueLook { queue, depth: None, difference: Some(error.to_string()) });
        }
        Err(error) => return Err(error),
    };
    // It is there, so declaring it makes nothing: it only compares.
    let difference = match topology::declare_queue(&open_channel(connection).await?, queue, false).await {
        Ok(()) => None,
        Err(error @ (BrokerError::Conflict { .. } | BrokerError::Forbidden { .. })) => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    Ok(QueueLook { queue, depth: Some(depth), difference })
}

/// Watches what passes an exchange, through a queue of its own that goes with the connection.
pub(crate) struct Tap {
    // Kept for as long as it is watched.
    _connection: Connection,
    channel: Channel,
    consumer: Consumer,
    /// The rest of a batch.
    seen: VecDeque<Incoming>,
}

impl Tap {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] when there is no such exchange.
    pub(crate) async fn open(broker: &Broker, exchange: &str, key: &str) -> Result<Self, BrokerError> {
        let connection = broker.open("watching").await?;
        let channel = open_channel(&connection).await?;
        let what = format!("the exchange {exchange}");
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let there = channel.exchange_declare(exchange.into(), ExchangeKind::Topic, passive, FieldTable::default());
        within(ANSWER, format!("looking at {what}"), there).await.map_err(|error| error.about(&what))?;
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut bounds = FieldTable::default();
        bounds.insert("x-max-length".into(), AMQPValue::LongInt(MOST_WAITING));
        bounds.insert("x-max-length-bytes".into(), AMQPValue::LongInt(MOST_BYTES));
        let queue = channel.queue_declare("".into(), own, bounds);
        let queue = within(ANSWER, "declaring a queue to watch with", queue).await?.name().clone();
        let bind = channel.queue_bind(
            queue.clone(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(ANSWER, format!("binding to {what}"), bind).await?;
        within(ANSWER, "setting the prefetch", channel.basic_qos(AHEAD, BasicQosOptions::default())).await?;
        let consume = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = within(ANSWER, "watching", consume).await?;
        Ok(Self { _connection: connection, channel, consumer, seen: VecDeque::new() })
    }

    /// The next message.
    ///
    /// # Errors
    /// [`BrokerError`]: the connection ended.
    pub(crate) async fn next(&mut self) -> Result<Incoming, BrokerError> {
        loop {
            if let Some(next) = self.seen.pop_front() {
                return Ok(next);
            }
            let delivery = delivered(self.consumer.next().await, "what passes")?;
            let seen = self.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
            within(ANSWER, "asking for more", seen).await?;
            self.seen.extend(arrived(delivery));
        }
    }
}
