//! Whoever owns a rebuild fills the next generation, part by part, serves it, and removes the last one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store::{self, Next, Owned};
use super::{Found, ReadModel};
use crate::error::{Remedy, StoreError};
use crate::process::pause;
use crate::store::{Pool, Transaction, storable};

/// How often somebody looks for a rebuild that is nobody's; of one that is asked for here it is told.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a rebuild waits when something is in its way.
const WAIT_SECONDS: f64 = 1.0;

/// What holds a rebuild up.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("its source does not answer: {0}")]
    Source(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rebuilds a read model whenever somebody asked for it, until stopped. Any copy of the process may go on with what
/// another began.
pub(crate) async fn rebuild_always<R: ReadModel>(
    model: Arc<R>,
    pool: Pool,
    asked: Arc<Notify>,
    stop: CancellationToken,
) {
    let rebuild = Rebuild { model, pool };
    loop {
        if let Err(error) = rebuild.look(&stop).await {
            tracing::warn!(read_model = rebuild.model.name(), %error, "whether a rebuild was asked for cannot be seen");
        }
        tokio::select! {
            waited = pause(LOOK_EVERY, &stop) => if waited.is_break() { return },
            () = asked.notified() => {}
        }
    }
}

struct Rebuild<R> {
    model: Arc<R>,
    pool: Pool,
}

impl<R: ReadModel> Rebuild<R> {
    /// Does what there is to do, if it is nobody's.
    async fn look(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(owned) = store::claim(&self.pool.get().await?, self.model.name()).await? else { return Ok(()) };
        tracing::info!(read_model = owned.name, "going on with a rebuild");
        let ended = self.run(&owned, stop).await;
        let client = self.pool.get().await?;
        match ended {
            // Somebody else may go on at once, if anything is left.
            Ok(()) => owned.wait(&client, None, 0.0).await,
            Err(trouble) => {
                tracing::warn!(read_model = owned.name, %trouble, "a rebuild is held up");
                owned.wait(&client, Some(&storable(&trouble.to_string())), WAIT_SECONDS).await
            }
        }
    }

    async fn run(&self, owned: &Owned, stop: &CancellationToken) -> Result<(), Trouble> {
        while !stop.is_cancelled() {
            let next = owned.next(&self.pool.get().await.map_err(StoreError::from)?).await?;
            let went_on = match next {
                Next::Fill { generation, after } => self.fill(owned, generation, after).await,
                Next::Clear { before } => Ok(self.clear(owned, before).await?),
                Next::Nothing => return Ok(()),
            };
            match went_on {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // An event was there first: what it wrote is seen the next time.
                Err(Trouble::Store(error)) if error.remedy() == Remedy::Again => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// Fills a generation with the next part of its source, or serves it when there is none. False when it is not ours
    /// any more.
    async fn fill(&self, owned: &Owned, generation: i32, after: i64) -> Result<bool, Trouble> {
        let found = self.model.read(after).await.map_err(Trouble::Source)?;
        let mut client = self.pool.get().await.map_err(StoreError::from)?;
        let Some(Found { part, entries, place }) = found else {
            let ours = owned.serve(&client, generation).await?;
            tracing::info!(read_model = owned.name, generation, ours, "a rebuilt read model is served");
            return Ok(ours);
        };
        let transaction = Transaction::begin(&mut client).await?;
        if !owned.advance(&transaction, generation, place, entries).await? {
            return Ok(false);
        }
        self.model.fill(&transaction, generation, &part).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn clear(&self, owned: &Owned, before: i32) -> Result<bool, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let more = self.model.clear(&transaction, before).await?;
        let ours = owned.cleared(&transaction, before, more).await?;
        if ours {
            transaction.commit().await?;
        }
        Ok(ours)
    }
}
