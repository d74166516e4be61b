//! What can go wrong with the broker, said so that a person knows what to do.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

/// The broker did not do what it was asked to. Whoever meets one of these drops the connection,
/// waits a little, and starts anew.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The URL is none.
    #[error("AMQP_URL is not of the form amqp://user:password@host:5672/vhost: {0}")]
    Url(String),
    /// It cannot be reached, or does not let us in.
    #[error("cannot connect to RabbitMQ at {address}: {source}")]
    Unreachable {
        /// Host, port and vhost.
        address: String,
        /// Why.
        source: Box<BrokerError>,
    },
    /// No answer. The connection may be dead without knowing it.
    #[error("RabbitMQ did not answer within {} s: {doing}", .after.as_secs())]
    Timeout {
        /// What was asked for.
        doing: String,
        /// How long we waited.
        after: Duration,
    },
    /// The connection or the channel ended, or was refused.
    #[error("{doing}: {error}")]
    Lost {
        /// What we were doing.
        doing: String,
        /// What ended it.
        error: lapin::Error,
    },
    /// The broker stopped delivering: the queue was deleted, or its node went away.
    #[error("RabbitMQ ended the subscription to the queue {0}: it was deleted, or its node went away")]
    Unsubscribed(&'static str),
    /// A batch was given up although nobody is stopping.
    #[error(
        "a batch from the queue {0} was given up, since the database cannot be reached; the broker delivers it again"
    )]
    GivenUp(&'static str),
    /// The code that handles messages panicked.
    #[error("handling messages panicked; the broker delivers them again: {0}")]
    Panicked(String),
    /// It exists, and not as the topology says.
    #[error(
        "{what} exists with other arguments than this program declares, and RabbitMQ cannot change them: {why}. \
         Nothing was changed. Either run the version that made it, or stop its consumers, move or drain its \
         messages, delete it, and start again"
    )]
    Conflict {
        /// Which exchange or queue.
        what: String,
        /// What the broker said.
        why: String,
    },
    /// It does not exist, and this process only checks; or its node is down.
    #[error(
        "{what} does not exist, or its node is down. A process that only checks (SAGA_TOPOLOGY_PASSIVE) does not make \
         it: run `saga topology declare`"
    )]
    Missing {
        /// Which exchange or queue.
        what: String,
    },
    /// The user of the AMQP URL may not do this.
    #[error(
        "the user of AMQP_URL may not declare {what}: {why}. Give it the right, or run `saga topology declare` \
         with a user who has it and set SAGA_TOPOLOGY_PASSIVE"
    )]
    Forbidden {
        /// Which exchange, queue or binding.
        what: String,
        /// What the broker said.
        why: String,
    },
}

/// Why a message that somebody waits for was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No queue took it.
    #[error("no queue takes messages from exchange \"{exchange}\" with key \"{key}\"; nothing was published")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
    },
    /// The broker refused it.
    #[error("the broker refused the message: a queue is full or not available; publish it again later")]
    Nacked,
    /// The broker did not confirm it in time, or the connection ended before it could.
    #[error("the broker did not confirm the message; it may or may not have it: publish it again with the same id")]
    Timeout,
    /// There is no connection to the broker at present, or it takes nothing.
    #[error("no connection to RabbitMQ at present, or it takes nothing; nothing was published")]
    NotConnected,
    /// It cannot be written as AMQP.
    #[error("the message cannot be written as AMQP: {0}; nothing was published")]
    Malformed(String),
}

/// Waits for an answer of the broker, but not for ever: lapin promises nothing about a connection
/// that dies in between.
pub(crate) async fn within<T>(
    after: Duration,
    doing: impl Into<String>,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(after, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BrokerError::Lost { doing: doing.into(), error }),
        Err(_) => Err(BrokerError::Timeout { doing: doing.into(), after }),
    }
}

impl BrokerError {
    /// The same, where declaring or checking `what` met it.
    pub(crate) fn about(self, what: &str) -> Self {
        let Self::Lost { doing, error } = self else { return self };
        let ErrorKind::ProtocolError(said) = error.kind() else { return Self::Lost { doing, error } };
        let AMQPErrorKind::Soft(kind) = said.kind() else { return Self::Lost { doing, error } };
        let (what, why) = (what.to_owned(), said.get_message().to_string());
        if *kind == AMQPSoftError::PRECONDITIONFAILED {
            Self::Conflict { what, why }
        } else if *kind == AMQPSoftError::NOTFOUND {
            Self::Missing { what }
        } else if *kind == AMQPSoftError::ACCESSREFUSED {
            Self::Forbidden { what, why }
        } else {
            Self::Lost { doing, error }
        }
    }
}
