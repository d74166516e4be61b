//! RabbitMQ: connections that heal, the topology, consumers that take micro-batches, and the relay.
//!
//! The rest of the runtime sees three things: an [`Incoming`] message and who takes it
//! ([`Deliver`]), an [`Outbound`] one and who keeps its mark ([`Marks`]), and the [`Relay`]. Whether messages travelled
//! alone or several in one AMQP message ([`batch`]) shows nowhere else.

mod amqp;
pub mod batch;
mod connection;
pub mod consumer;
mod counters;
mod error;
mod gate;
mod hand;
mod held;
mod incoming;
mod look;
mod management;
mod publisher;
mod reader;
pub mod relay;
mod stream;
pub mod topology;
mod window;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use saga_core::{Message, Route};
use uuid::Uuid;

use crate::error::StoreError;

pub(crate) use amqp::LONGEST_NAME;
pub use amqp::{CONTENT_TYPE, Unwritable};
pub use connection::{Broker, Link, Links};
pub use counters::Counters;
pub use error::{BrokerError, PublishError};
pub use incoming::Incoming;
pub(crate) use incoming::arrived;
pub(crate) use look::{QueueLook, Tap};
pub use management::{Management, ManagementError};
pub(crate) use reader::{Offset, QueueReader, StreamReader, Tag, Taken};
pub use relay::{Parcel, Publisher, Relay};
pub use window::{ConfirmChannel, WINDOW};

/// Takes what a consumer collected.
pub trait Deliver: Send + Sync + 'static {
    /// Handles a batch. When it returns `Ok`, everything in the batch is stored (handled, put off or
    /// parked) and may be acknowledged.
    ///
    /// # Errors
    /// The batch was given up: nothing may be acknowledged.
    fn deliver<'a>(&'a self, queue: &'static str, batch: Vec<Incoming>) -> BoxFuture<'a, Result<(), GivenUp>>;

    /// What a message may wait for once it was taken; as long as nobody says otherwise, for nothing.
    fn company(&self, _queue: &'static str, _message: &Incoming) -> Company {
        Company::default()
    }

    /// Waits until batches can be handled; none is taken before.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What a message may wait for once it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Company {
    /// The saga that it belongs to: when it is handled, so is what else waits of that saga.
    pub saga: Option<Uuid>,
    /// What it waits for.
    pub waits: Waits,
}

/// What a message may wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Waits {
    /// For nothing: it begins a batch.
    #[default]
    No,
    /// For the next batch of its queue, and no longer than this.
    ForBatch(Duration),
    /// Until messages of all these types of its saga are in hand.
    ForAll {
        /// Its own type, one of them.
        kind: &'static str,
        /// The types.
        all: Arc<[&'static str]>,
        /// No longer than this.
        patience: Duration,
    },
}

/// A batch is left to others: the process is stopping, or cannot reach its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch is left to others")]
pub struct GivenUp;

/// A stored message that is to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// The mark in the outbox that stands for it.
    pub mark: Mark,
    /// Where it goes.
    pub route: Route,
    /// Its AMQP properties.
    pub properties: Properties,
    /// The stored bytes.
    pub body: Vec<u8>,
}

/// One of the messages that a mark stands for, which were stored in one transaction. The mark goes once all are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The mark's number; later ones are larger.
    pub id: i64,
    /// Which of its messages, from 0.
    pub n: u32,
    /// How many it stands for, at most [`Mark::MOST`].
    pub of: u32,
}

/// A mark whose messages are all settled, and some of them need it no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The mark's number.
    pub id: i64,
    /// How many messages it stands for.
    pub of: u32,
    /// Which of them need it no more, the first one by the lowest bit: they were published, that is confirmed and, where
    /// that is asked for, routed; or there is nothing left to publish.
    pub done: u64,
}

/// The AMQP properties that mirror an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// `message_id`: the envelope's id.
    pub message_id: String,
    /// `correlation_id`.
    pub correlation_id: String,
    /// `type`.
    pub kind: String,
    /// `app_id`: the process that made it.
    pub app_id: String,
    /// `timestamp`: seconds since 1970.
    pub timestamp: u64,
}

/// Keeps the outbox marks.
pub trait Marks: Send + Sync + 'static {
    /// Removes marks of which nothing is left; the others stand for what is left of them.
    ///
    /// # Errors
    /// The marks stay, and the messages go out again some day.
    fn settled<'a>(&'a self, marks: &'a [Settled]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes over messages whose publisher seems to be gone, oldest first, `limit` or as many more as the last mark
    /// stands for: marks nobody has claimed for a while, which are then claimed by us.
    ///
    /// # Errors
    /// None are taken over.
    fn leftovers<'a>(&'a self, limit: i64) -> BoxFuture<'a, Result<Vec<Outbound>, StoreError>>;
}

impl Mark {
    /// How many messages a mark may stand for.
    pub const MOST: u32 = u64::BITS;

    /// A mark of a single message.
    #[must_use]
    pub fn alone(id: i64) -> Self {
        Self { id, n: 0, of: 1 }
    }
}

impl Settled {
    /// Whether nothing is left of it.
    #[must_use]
    pub fn wholly(&self) -> bool {
        self.done.count_ones() == self.of
    }
}

impl From<&Message> for Properties {
    fn from(message: &Message) -> Self {
        Self {
            message_id: message.id.to_string(),
            correlation_id: message.correlation_id.to_string(),
            kind: message.kind.clone(),
            app_id: message.source.clone(),
            timestamp: u64::try_from(message.time.unix_timestamp()).unwrap_or_default(),
        }
    }
}
