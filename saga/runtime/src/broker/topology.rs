//! Declaring the topology table at the broker, or checking that it is there.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongInt, ShortString};
use lapin::{Channel, ExchangeKind};
use saga_core::{Exchange, ExchangeType, Queue, QueueType, Topology};

use super::error::{BrokerError, within};

/// The exchange that takes what the broker itself sets aside.
pub const DEAD_LETTERS: &str = "dead-letters";
/// How often a message is delivered before the broker sets it aside: a stop for crash loops alone,
/// since this runtime parks a message long before.
pub const DELIVERY_LIMIT: LongInt = 50;
/// As good as none. Dead letters have nowhere to go, so at this limit they would be dropped; and
/// leaving it out means 20 on newer brokers.
const DEAD_LETTERS_DELIVERY_LIMIT: LongInt = 1_000_000_000;
/// Making a quorum queue takes a while on a busy broker.
const ANSWER: Duration = Duration::from_secs(30);

/// How the topology is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Only check that exchanges and queues exist (bindings cannot be checked over AMQP).
    pub passive: bool,
    /// Whether the stream of all events is part of it.
    pub event_stream: bool,
}

/// Declares exchanges, and the queues whose messages somebody waits for, with their bindings; or checks that exchanges
/// and queues exist. What exists already is left as it is. After an error the channel is closed.
///
/// # Errors
/// [`BrokerError::Conflict`], [`BrokerError::Missing`] or [`BrokerError::Forbidden`] name the part
/// and what to do; the others are about the connection.
pub async fn declare(channel: &Channel, topology: &Topology, passive: bool) -> Result<(), BrokerError> {
    declare_exchanges(channel, topology, passive).await?;
    let works = |queue: &&Queue| queue.kind != QueueType::Stream;
    declare_queues(channel, topology.queues.iter().filter(works), passive).await
}

/// The same for the streams, which hold copies of what others get, too. Exchanges are declared with them, and not checked.
///
/// # Errors
/// As [`declare`] has them. A stream that is down is [`BrokerError::Missing`].
pub async fn declare_streams(channel: &Channel, topology: &Topology, passive: bool) -> Result<(), BrokerError> {
    if !passive {
        declare_exchanges(channel, topology, passive).await?;
    }
    let streams = |queue: &&Queue| queue.kind == QueueType::Stream;
    declare_queues(channel, topology.queues.iter().filter(streams), passive).await
}

async fn declare_exchanges(channel: &Channel, topology: &Topology, passive: bool) -> Result<(), BrokerError> {
    for exchange in topology.exchanges {
        declare_exchange(channel, exchange, passive).await?;
    }
    Ok(())
}

async fn declare_queues(
    channel: &Channel,
    queues: impl Iterator<Item = &Queue>,
    passive: bool,
) -> Result<(), BrokerError> {
    for queue in queues {
        declare_queue(channel, queue, passive).await?;
        if !passive {
            bind(channel, queue).await?;
        }
    }
    Ok(())
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange, passive: bool) -> Result<(), BrokerError> {
    let kind = match exchange.kind {
        ExchangeType::Topic => ExchangeKind::Topic,
        ExchangeType::Direct => ExchangeKind::Direct,
    };
    let options = ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
    let answer = channel.exchange_declare(exchange.name.into(), kind, options, FieldTable::default());
    let what = format!("the exchange {}", exchange.name);
    within(ANSWER, format!("declaring {what}"), answer).await.map_err(|error| error.about(&what))
}

/// Declares a queue, or checks that it exists.
pub(crate) async fn declare_queue(channel: &Channel, queue: &Queue, passive: bool) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
    let answer = channel.queue_declare(queue.name.into(), options, arguments(queue));
    let what = format!("the queue {}", queue.name);
    within(ANSWER, format!("declaring {what}"), answer).await.map_err(|error| error.about(&what))?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &Queue) -> Result<(), BrokerError> {
    for binding in queue.bindings {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let answer =
            channel.queue_bind(queue.name.into(), binding.exchange.into(), binding.key.into(), options, arguments);
        let what = format!("the binding of {} to {} by {}", queue.name, binding.exchange, binding.key);
        within(ANSWER, format!("declaring {what}"), answer).await.map_err(|error| error.about(&what))?;
    }
    Ok(())
}

/// The arguments of a queue. They cannot be changed later, so they are the same for all versions.
fn arguments(queue: &Queue) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut set = |key: &'static str, value: AMQPValue| {
        arguments.insert(ShortString::from(key), value);
    };
    match queue.kind {
        QueueType::Quorum => {
            set("x-queue-type", text("quorum"));
            set("x-delivery-limit", DELIVERY_LIMIT.into());
            set("x-dead-letter-exchange", text(DEAD_LETTERS));
            set("x-dead-letter-routing-key", text(queue.name));
            set("x-dead-letter-strategy", text("at-least-once"));
            set("x-overflow", text("reject-publish"));
        }
        QueueType::DeadLetters => {
            set("x-queue-type", text("quorum"));
            set("x-delivery-limit", DEAD_LETTERS_DELIVERY_LIMIT.into());
        }
        // Its bounds in age and bytes are a policy's: arguments of a stream cannot be changed later.
        QueueType::Stream => set("x-queue-type", text("stream")),
    }
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Whether a message may be handed to the broker for this exchange: publishing to one that does not
/// exist closes the channel, and with it everything else that is on its way.
pub(crate) fn knows_exchange(topology: &Topology, exchange: &str) -> bool {
    exchange.is_empty() || topology.exchanges.iter().any(|known| known.name == exchange)
}

/// Whether what is published to this exchange goes to one queue, which its key names.
pub(crate) fn goes_to_one_queue(topology: &Topology, exchange: &str) -> bool {
    let direct = |known: &saga_core::Exchange| known.name == exchange && known.kind == ExchangeType::Direct;
    exchange.is_empty() || topology.exchanges.iter().any(direct)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(kind: QueueType) -> Vec<(String, AMQPValue)> {
        let queue = Queue { name: "pet.commands", kind, consumer: "pet-service", bindings: &[] };
        arguments(&queue).inner().iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
    }

    #[test]
    fn a_work_queue_dead_letters_at_least_once_under_its_own_name() {
        let expected = [
            ("x-dead-letter-exchange", text("dead-letters")),
            ("x-dead-letter-routing-key", text("pet.commands")),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-delivery-limit", AMQPValue::LongInt(50)),
            ("x-overflow", text("reject-publish")),
            ("x-queue-type", text("quorum")),
        ];
        assert_eq!(arguments_of(QueueType::Quorum), expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn dead_letters_go_nowhere_else() {
        let keys: Vec<String> = arguments_of(QueueType::DeadLetters).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["x-delivery-limit", "x-queue-type"]);
    }
}
