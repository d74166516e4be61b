//! What can go wrong in the shell, sorted by what to do about it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use saga_core::Time;
use tokio_postgres::error::SqlState;

/// The database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server said no, or the connection broke.
    #[error("database: {}", describe(.0))]
    Database(#[from] tokio_postgres::Error),
    /// No connection could be had.
    #[error("no database connection: {0}")]
    Pool(#[from] PoolError),
    /// What is stored cannot be read back.
    #[error("stored data of {what} cannot be read: {why}")]
    Corrupt {
        /// Which data.
        what: String,
        /// What the reader met.
        why: String,
    },
    /// The message was handled or set aside before, or by another copy meanwhile; this transaction is rolled back.
    #[error("the same message was handled or set aside before, or by another copy of the process meanwhile")]
    Overtaken,
    /// A message would be set aside before anybody looked whether it was handled; this transaction is rolled back.
    #[error("a message would be put off or parked, and nobody has looked yet whether it was handled before")]
    Unchecked,
    /// A list took too long to read: others need the connection.
    #[error("the list could not be read within {0:?}: ask for less, or again when less is going on")]
    TooLong(Duration),
    /// A statement failed before, and nobody heeded it.
    #[error("a statement of the transaction failed, so nothing of it is committed")]
    Aborted,
    /// The transaction was shared with others; all hear the same.
    #[error("{0}")]
    Shared(Arc<StoreError>),
    /// Two clocks are too far apart for anything to be thrown away by them.
    #[error("this machine's clock says {ours} and the database's {servers}: what is old is kept until they agree")]
    Clock {
        /// What the clock of this machine says.
        ours: Time,
        /// What the database's says.
        servers: Time,
    },
    /// A handler panicked; its transaction is rolled back.
    #[error("the handler panicked; the log says where")]
    Panicked,
}

/// What to do about a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The server is not there, or not well: wait, and do the same again.
    Wait,
    /// Somebody else was first: do the same again at once, it will see what they did.
    Again,
    /// It would fail again: this needs a person.
    Person,
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Database(error) => error.code().map_or_else(|| remedy_without_code(error), remedy_of),
            // Nothing was asked of it yet, so it cannot be the question; a login that is refused is mended at the server.
            Self::Pool(_) | Self::TooLong(_) => Remedy::Wait,
            Self::Shared(error) => error.remedy(),
            Self::Overtaken | Self::Unchecked => Remedy::Again,
            Self::Corrupt { .. } | Self::Aborted | Self::Clock { .. } | Self::Panicked => Remedy::Person,
        }
    }

    /// What a statement met that may take so long: [`Self::TooLong`] if the server ended it for that.
    pub(crate) fn within(self, limit: Duration) -> Self {
        let given_up = matches!(&self, Self::Database(error) if error.code() == Some(&SqlState::QUERY_CANCELED));
        if given_up { Self::TooLong(limit) } else { self }
    }

    /// Whether the server cannot be reached, or lets nobody in.
    pub(crate) fn is_unreachable(&self) -> bool {
        let Self::Pool(error) = self else { return false };
        matches!(error, PoolError::Backend(_) | PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle))
    }

    /// Whether a statement that was sent before this one failed, and tells the cause.
    pub(crate) fn is_aftermath(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }
}

/// The SQLSTATE of `overtaken()`; that of `expect_rows()`, a fault of ours, is for a person like any other.
const OVERTAKEN: &str = "SG002";

/// What the client met by itself on a connection that it had: it lost it; or there is a value that it can neither write
/// nor read, now or ever.
fn remedy_without_code(error: &tokio_postgres::Error) -> Remedy {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    let unwritable = io.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidInput);
    if error.is_closed() || (io.is_some() && !unwritable) { Remedy::Wait } else { Remedy::Person }
}

fn remedy_of(code: &SqlState) -> Remedy {
    if [SqlState::UNIQUE_VIOLATION, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
        || code.code() == OVERTAKEN
    {
        return Remedy::Again;
    }
    // A statement that was sent together with the one that failed: that one's error is the cause.
    if *code == SqlState::IN_FAILED_SQL_TRANSACTION {
        return Remedy::Again;
    }
    // We stood still for too long and lost the transaction; or the server is a standby, for now.
    if [SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, SqlState::READ_ONLY_SQL_TRANSACTION].contains(code) {
        return Remedy::Wait;
    }
    // Classes of the SQLSTATE: connection, resources, an operator's intervention, system; and a lock not available.
    match code.code().get(..2) {
        Some("08" | "53" | "57" | "58") => Remedy::Wait,
        Some("55") => Remedy::Again,
        Some(_) | None => Remedy::Person,
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(db), _) => format!("{} ({})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
