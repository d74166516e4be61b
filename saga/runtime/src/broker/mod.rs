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

use std::time::Duration;

use futures_util::future::BoxFuture;
use saga_core::{Message, Route};

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

    /// How long a message may wait for company once it was taken; the same for all that may wait. One that may not begins a
    /// batch, and the others go with it.
    fn company(&self, _queue: &'static str, _message: &Incoming) -> Duration {
        Duration::ZERO
    }

    /// Waits until batches can be handled; none is taken before.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A batch is left to others: the process is stopping, or cannot reach its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch is left to others")]
pub struct GivenUp;

/// A stored message that is to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// The outbox mark that goes once it is published.
    pub mark: i64,
    /// Where it goes.
    pub route: Route,
    /// Its AMQP properties.
    pub properties: Properties,
    /// The stored bytes.
    pub body: Vec<u8>,
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
    /// Removes marks of messages that were published: confirmed and, where that is asked for, routed.
    ///
    /// # Errors
    /// The marks stay, and the messages go out again some day.
    fn published<'a>(&'a self, marks: &'a [i64]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes over messages whose publisher seems to be gone, oldest first, at most `limit`: marks
    /// nobody has claimed for a while, which are then claimed by us.
    ///
    /// # Errors
    /// None are taken over.
    fn leftovers<'a>(&'a self, limit: i64) -> BoxFuture<'a, Result<Vec<Outbound>, StoreError>>;
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
