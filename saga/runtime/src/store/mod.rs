//! PostgreSQL: what a process keeps, and the SQL that keeps it.
//!
//! Statements are named constants, prepared once per connection, and take arrays: the cost of a
//! batch hardly depends on its size.

pub mod admin;
mod audit;
mod check_clock;
mod connection;
mod deferred;
mod effects;
mod gather;
pub(crate) mod gauges;
mod known;
mod lists;
mod outbox;
mod parked;
mod place;
mod pool;
mod record;
mod schema;
mod transaction;
mod waves;
mod writer;
mod writes;

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::sync::MutexGuard;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::error::StoreError;

pub use audit::audit;
pub use check_clock::check_clock;
pub use connection::{Connection, Connections};
pub(crate) use deferred::{Deferral, Due, keys_due, put_off, queues_due, take_due};
pub use effects::Effects;
pub use gather::{Gather, Gathered, Together, UnderWay, gather};
pub(crate) use known::{Handled, Key, Known, day_of, known};
pub use lists::Lists;
pub(crate) use outbox::{OutboxMarks, load};
pub(crate) use parked::{Parking, park};
pub use place::Place;
pub(crate) use pool::settings;
pub use pool::{Pool, PoolError, connect};
pub(crate) use record::{Receipt, Receipts, record};
pub use schema::{SchemaError, Version, migrate, no_migrations, partitions};
pub(crate) use schema::{check_version, make_ahead};
pub(crate) use transaction::ONE_SAGA_WITHIN;
pub use transaction::Transaction;
pub(crate) use writer::Publish;
pub use writer::Writer;
pub use writes::{Value, Writes};

/// A parameter of a statement.
pub type Param<'a> = &'a (dyn ToSql + Sync);

/// Runs a statement that returns rows; prepared once per connection.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn query(on: &impl Statements, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
    run(on, sql, async |connection, statement| connection.query(statement, params).await).await
}

/// Runs a statement that returns at most one row; prepared once per connection.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn query_opt(on: &impl Statements, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, StoreError> {
    Ok(query(on, sql, params).await?.into_iter().next())
}

/// Runs a statement for its effect and says how many rows it changed; prepared once per connection.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn execute(on: &impl Statements, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
    run(on, sql, async |connection, statement| connection.execute(statement, params).await).await
}

async fn run<T>(
    on: &impl Statements,
    sql: &str,
    send: impl AsyncFnOnce(&Connection, &Statement) -> Result<T, tokio_postgres::Error>,
) -> Result<T, StoreError> {
    let (turn, connection) = (on.turn().await, on.connection());
    let answer = match connection.prepare_cached(sql).await {
        Ok(statement) => connection.answered(sent(turn, send(connection, &statement))).await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| {
        on.failed();
        error.into()
    })
}

/// Sends a statement, lets the next one be sent, and waits for what comes of it.
async fn sent<T>(turn: Option<SendingTurn<'_>>, answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    // Polled once, it is sent.
    let early = futures_util::poll!(answer.as_mut());
    drop(turn);
    match early {
        Poll::Ready(answer) => answer,
        Poll::Pending => answer.await,
    }
}

/// Waits for statements that travel together: one round trip for both, in which the server runs the first one first, if
/// both are of one transaction. If both fail, the error is the cause: what was sent behind the statement that failed
/// only hears that the transaction is aborted.
///
/// # Errors
/// [`StoreError`].
pub fn together<A, B>(
    first: impl Future<Output = Result<A, StoreError>>,
    second: impl Future<Output = Result<B, StoreError>>,
) -> impl Future<Output = Result<(A, B), StoreError>> {
    // On the heap: held within each other, as these calls are, they would outgrow a thread's stack.
    let (first, second) = (Box::pin(first), Box::pin(second));
    async move {
        match futures_util::join!(first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(first), Err(second)) => Err(cause(first, second)),
        }
    }
}

/// Which of two errors, in the order of their statements, tells why both failed.
fn cause(first: StoreError, second: StoreError) -> StoreError {
    if first.is_aftermath() { second } else { first }
}

/// A text that PostgreSQL can hold: it knows no U+0000, and what is wrong with a message may quote one.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What statements can run on: a transaction, or a pooled connection outside of any.
pub trait Statements: Sync {
    /// The connection.
    fn connection(&self) -> &Connection;

    /// Waits until all that was asked for before has been sent; `None` where the order is all the same. A statement that
    /// a connection has not prepared yet would else be overtaken by one that it has: rows would be read before the lock
    /// is there that they are read under.
    fn turn(&self) -> impl Future<Output = Option<SendingTurn<'_>>> + Send;

    /// Hears that a statement failed, perhaps before the server heard of it.
    fn failed(&self) {}
}

/// Whoever has it sends next.
pub type SendingTurn<'a> = MutexGuard<'a, ()>;

impl Statements for Connection {
    fn connection(&self) -> &Connection {
        self
    }

    async fn turn(&self) -> Option<SendingTurn<'_>> {
        None
    }
}

impl Statements for Transaction<'_> {
    fn connection(&self) -> &Connection {
        self.connection
    }

    async fn turn(&self) -> Option<SendingTurn<'_>> {
        // Fair: turns come in the order in which they were asked for.
        Some(self.turns.lock().await)
    }

    fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}
