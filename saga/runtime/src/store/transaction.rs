//! A transaction whose BEGIN can travel with what is read first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Mutex;

use super::{Connection, Statements, sent};
use crate::error::StoreError;

/// How long it may take to find what there is of one saga: somebody waits for it.
pub(crate) const ONE_SAGA_WITHIN: Duration = Duration::from_secs(10);

/// A transaction on a pooled connection, whose statements are prepared once. Rolled back when dropped.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    open: AtomicBool,
    expects_news: bool,
    repeats: AtomicBool,
    /// Whether a statement failed: one that never reached the server aborts nothing there.
    pub(super) failed: AtomicBool,
    pub(super) turns: Mutex<()>,
}

impl<'a> Transaction<'a> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(connection: &'a mut Connection) -> Result<Self, StoreError> {
        let transaction = Self::unbegun(connection, false);
        transaction.start().await?;
        Ok(transaction)
    }

    /// Begins a transaction for reading, whose statements are planned for what they are asked: where one plan for all
    /// questions would read all of history for most of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn planning(connection: &'a mut Connection) -> Result<Self, StoreError> {
        Self::set(connection, "SET LOCAL plan_cache_mode = force_custom_plan").await
    }

    /// Begins a transaction for reading what the inbox has of one saga. Filters over ranges of pages tell where it may
    /// be; the planner, which takes them for no better than reading everything, is left no choice. None of its statements
    /// takes longer than [`ONE_SAGA_WITHIN`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn of_one_saga(connection: &'a mut Connection) -> Result<Self, StoreError> {
        let settings = format!(
            "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off;
             SET LOCAL statement_timeout = {}",
            ONE_SAGA_WITHIN.as_millis()
        );
        Self::set(connection, &settings).await
    }

    /// Begins a transaction for reading, none of whose statements takes longer than this.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(super) async fn within(connection: &'a mut Connection, limit: Duration) -> Result<Self, StoreError> {
        Self::set(connection, &format!("SET LOCAL statement_timeout = {}", limit.as_millis())).await
    }

    async fn set(connection: &'a mut Connection, settings: &str) -> Result<Self, StoreError> {
        let transaction = Self::begin(connection).await?;
        transaction.connection.batch_execute(settings).await?;
        Ok(transaction)
    }

    /// A transaction that does not begin before [`Self::start`].
    pub(crate) fn unbegun(connection: &'a mut Connection, expects_news: bool) -> Self {
        let [open, repeats, failed] = [false; 3].map(AtomicBool::new);
        Self { connection, open, expects_news, repeats, failed, turns: Mutex::new(()) }
    }

    /// Whether all that it handles is taken to be there for the first time, and nobody looks: what it inserts is the judge.
    pub(crate) fn expects_news(&self) -> bool {
        self.expects_news
    }

    /// Takes down that something of it was there before.
    pub(crate) fn met_repeat(&self) {
        self.repeats.store(true, Ordering::Relaxed);
    }

    /// Whether something of it was there before, as far as anybody looked.
    pub(crate) fn had_repeats(&self) -> bool {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Begins, unless it has begun. What only reads and locks may be sent together with it; what writes may not: should
    /// BEGIN fail, it would be committed by itself.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn start(&self) -> Result<(), StoreError> {
        if self.open.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Ok(self.connection.batch_execute("BEGIN").await?)
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError::Database`]; when the connection breaks, nobody knows the outcome.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.commit_with(async { Ok(()) }).await
    }

    /// Commits behind what is written last, in the same round trip: it must ask for all of its statements when it is first
    /// polled, and fail by one of them only. Where one fails, nothing is committed: the server rolls back, or was never told
    /// to commit.
    ///
    /// # Errors
    /// [`StoreError`]; when the connection breaks, nobody knows the outcome.
    pub(crate) async fn commit_with<T>(
        &self,
        last: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let commit = async {
            let turn = self.turn().await;
            if self.failed.load(Ordering::Relaxed) {
                return Err(StoreError::Aborted);
            }
            self.open.store(false, Ordering::Relaxed);
            Ok(sent(turn, self.connection.batch_execute("COMMIT")).await?)
        };
        let (written, committed) = futures_util::join!(last, commit);
        // What failed first is the cause.
        let written = written?;
        committed?;
        Ok(written)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            // Polled once, it is sent; whatever the connection is used for next comes behind it.
            let _ = self.connection.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
