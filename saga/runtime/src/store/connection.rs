//! Connections to the process's own database, and which of them are used again.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::{Error, NoTls};

/// A connection, until it is dropped: then it goes back to its pool.
pub type Connection = Object<Connections>;

/// Makes the connections of a pool, and judges which of them are used again.
///
/// A task that ends while its statement runs, because a client hung up or somebody waited long enough, leaves the server at
/// work on it. Whoever was given that connection next would wait for an answer that nobody wants: it is closed instead, and
/// the statement cancelled.
#[derive(Debug)]
pub struct Connections(deadpool_postgres::Manager);

/// What a connection is besides the client.
#[derive(Debug)]
pub struct Session {
    client: ClientWrapper,
    /// Statements that were sent, and whose answers nobody has heard yet.
    unanswered: AtomicUsize,
}

impl Connections {
    pub(super) fn new(manager: deadpool_postgres::Manager) -> Self {
        Self(manager)
    }
}

impl Session {
    /// Waits for the answer to a statement. Given up on the way, it stays unanswered.
    pub(super) async fn answered<T>(&self, answer: impl Future<Output = T>) -> T {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let answer = answer.await;
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    /// Has the server end what it is at. In a task of its own: nobody waits for that either.
    fn cancel(&self) {
        let cancel = self.client.cancel_token();
        tokio::spawn(async move {
            if let Err(error) = cancel.cancel_query(NoTls).await {
                tracing::debug!(%error, "a statement that nobody waits for could not be cancelled; it ends at its timeout");
            }
        });
    }
}

impl Deref for Session {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl Manager for Connections {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        Ok(Session { client: self.0.create().await?, unanswered: AtomicUsize::new(0) })
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<Error> {
        if *session.unanswered.get_mut() > 0 {
            session.cancel();
            return Err(RecycleError::message("a statement was given up"));
        }
        self.0.recycle(&mut session.client, metrics).await
    }

    fn detach(&self, session: &mut Session) {
        self.0.detach(&mut session.client);
    }
}
