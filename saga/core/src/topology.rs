//! Where messages go: one table that every process declares before it publishes.

use crate::message::{Message, Payload, PayloadError};

/// Everything that the broker must hold. Built once, as a constant.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// All exchanges.
    pub exchanges: &'static [Exchange],
    /// All queues, with what is bound to them.
    pub queues: &'static [Queue],
    /// All types of messages, with the exchange and key that each goes to.
    pub types: &'static [MessageType],
}

/// A durable exchange.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Its name.
    pub name: &'static str,
    /// How it routes.
    pub kind: ExchangeType,
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeType {
    /// By patterns over the words of the key.
    Topic,
    /// By the key as it is.
    Direct,
}

/// A durable queue.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// Its name.
    pub name: &'static str,
    /// What kind of queue.
    pub kind: QueueType,
    /// The process that consumes it; empty for the stream.
    pub consumer: &'static str,
    /// What is routed to it.
    pub bindings: &'static [Binding],
}

/// The kinds of queue in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated, fsynced before the confirm, dead-lettering at least once to `dead-letters`.
    Quorum,
    /// Where dead letters end: quorum, and never dead-lettering itself.
    DeadLetters,
    /// The convenient copy of history; it may be switched off.
    Stream,
}

/// A binding of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The exchange.
    pub exchange: &'static str,
    /// The key or pattern.
    pub key: &'static str,
}

/// One type of message.
#[derive(Debug, Clone, Copy)]
pub struct MessageType {
    /// The CloudEvents `type`.
    pub name: &'static str,
    /// The newest schema version.
    pub version: u16,
    /// The process that makes it.
    pub source: &'static str,
    /// The exchange that it goes to.
    pub exchange: &'static str,
    /// The routing key.
    pub key: &'static str,
    /// Whether a queue must take it: then it is published `mandatory`. The rest counts as
    /// published on the broker's confirm alone.
    pub must_be_taken: bool,
    /// Whether the data of a message fits the type's schema: what does not is parked at the door,
    /// before it can do half of something.
    pub check: fn(&Message) -> Result<(), PayloadError>,
}

/// Where one message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The exchange; empty for the default one, which takes a queue's name as key.
    pub exchange: String,
    /// The routing key.
    pub key: String,
    /// Whether it counts as published only when a queue took it.
    pub mandatory: bool,
}

/// A table that contradicts itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TopologyError {
    /// Two entries of the same name.
    #[error("{0} is declared twice")]
    Twice(&'static str),
    /// A binding or a type names an exchange that is not there.
    #[error("{user} names the exchange {exchange}, which is not declared")]
    NoSuchExchange {
        /// Who names it.
        user: &'static str,
        /// What it names.
        exchange: &'static str,
    },
    /// A type that must be taken and that no queue would take.
    #[error("{0} must be taken by a queue and no binding takes it")]
    NobodyTakes(&'static str),
}

impl MessageType {
    /// A type that somebody waits for: it is published only once a queue took it.
    #[must_use]
    pub const fn taken<P: Payload>(source: &'static str, exchange: &'static str, key: &'static str) -> Self {
        let check = |message: &Message| message.payload::<P>().map(|_| ());
        Self { name: P::TYPE, version: P::VERSION, source, exchange, key, must_be_taken: true, check }
    }

    /// A type that is told to whoever listens.
    #[must_use]
    pub const fn told<P: Payload>(source: &'static str, exchange: &'static str, key: &'static str) -> Self {
        Self { must_be_taken: false, ..Self::taken::<P>(source, exchange, key) }
    }
}

impl Route {
    /// Straight into a queue, past all exchanges.
    #[must_use]
    pub fn to_queue(queue: &str) -> Self {
        Self { exchange: String::new(), key: queue.to_owned(), mandatory: true }
    }
}

impl Topology {
    /// The entry of a type.
    #[must_use]
    pub fn message_type(&self, name: &str) -> Option<&'static MessageType> {
        self.types.iter().find(|t| t.name == name)
    }

    /// Where messages of this type go; `None` for a type that is not in the table.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<Route> {
        self.message_type(name).map(|t| Route {
            exchange: t.exchange.to_owned(),
            key: t.key.to_owned(),
            mandatory: t.must_be_taken,
        })
    }

    /// The queues that a process consumes.
    pub fn queues_of(&self, consumer: &str) -> impl Iterator<Item = &'static Queue> {
        self.queues.iter().filter(move |q| q.consumer == consumer)
    }

    /// The queues that take messages of this type.
    pub fn takers(&self, kind: &MessageType) -> impl Iterator<Item = &'static Queue> {
        self.bound(kind.exchange, kind.key)
    }

    /// The queues that take what is published to this exchange with this key; of the default exchange the
    /// queue of that name.
    pub fn bound<'a>(&self, exchange: &'a str, key: &'a str) -> impl Iterator<Item = &'static Queue> + use<'a> {
        let bound = move |queue: &&Queue| {
            queue.bindings.iter().any(|b| b.exchange == exchange && matches_key(b.key, key))
                || exchange.is_empty() && queue.name == key
        };
        self.queues.iter().filter(bound)
    }

    /// Checks that the table agrees with itself.
    ///
    /// # Errors
    /// [`TopologyError`], the first contradiction.
    pub fn validate(&self) -> Result<(), TopologyError> {
        no_twice(self.exchanges.iter().map(|e| e.name))?;
        no_twice(self.queues.iter().map(|q| q.name))?;
        no_twice(self.types.iter().map(|t| t.name))?;
        let known = |exchange| self.exchanges.iter().any(|e| e.name == exchange);
        let bound = self.queues.iter().flat_map(|q| q.bindings.iter().map(move |b| (q.name, b.exchange)));
        let used = bound.chain(self.types.iter().map(|t| (t.name, t.exchange)));
        for (user, exchange) in used {
            if !known(exchange) {
                return Err(TopologyError::NoSuchExchange { user, exchange });
            }
        }
        for kind in self.types.iter().filter(|t| t.must_be_taken) {
            if self.takers(kind).all(|queue| queue.kind == QueueType::Stream) {
                return Err(TopologyError::NobodyTakes(kind.name));
            }
        }
        Ok(())
    }
}

fn no_twice(names: impl Iterator<Item = &'static str>) -> Result<(), TopologyError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TopologyError::Twice(name));
        }
    }
    Ok(())
}

/// AMQP 0-9-1 topic matching: `*` is one word, `#` any number of them.
fn matches_key(pattern: &str, key: &str) -> bool {
    fn go(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), _) => go(rest, key) || (!key.is_empty() && go(pattern, &key[1..])),
            (Some((&"*", rest)), Some((_, words))) => go(rest, words),
            (Some((word, rest)), Some((first, words))) => word == first && go(rest, words),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
    let (pattern, key): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), key.split('.').collect());
    go(&pattern, &key)
}

#[cfg(test)]
mod tests {
    use super::matches_key;

    #[test]
    fn patterns_match_as_the_broker_does() {
        for (pattern, key, taken) in [
            ("#", "pet.reserved", true),
            ("pet.reserved", "pet.reserved", true),
            ("pet.reserved", "pet.released", false),
            ("pet.*", "pet.reserved", true),
            ("pet.*", "pet", false),
            ("pet.#", "pet", true),
            ("*.reserved", "pet.reserved", true),
            ("pet.*", "pet.reserved.twice", false),
        ] {
            assert_eq!(matches_key(pattern, key), taken, "{pattern} {key}");
        }
    }
}
