//! Bringing the schema up to date, whenever the database comes.

use std::time::Duration;

use backon::BackoffBuilder;
use deadpool_postgres::PoolError;
use tokio_postgres::{Config, NoTls};
use tokio_util::sync::CancellationToken;

use super::{Process, ProcessError};
use crate::clock;
use crate::error::{Remedy, StoreError};
use crate::store::{self, SchemaError};

const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Process {
    /// Waits for the database, migrates it where the owner's role is known, and returns once the
    /// application's role can work with it.
    pub(super) async fn bring_up(&self, stop: &CancellationToken) -> Result<(), ProcessError> {
        let mut waits = waits();
        loop {
            let error = match self.try_bring_up().await {
                Ok(()) => return Ok(()),
                Err(error) if is_worth_waiting(&error, self.owner.is_some()) => error,
                Err(error) => return Err(error.into()),
            };
            let wait = waits.next().unwrap_or(LONGEST_WAIT);
            tracing::warn!(%error, wait_ms = wait.as_millis(), "waiting for the database");
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn try_bring_up(&self) -> Result<(), SchemaError> {
        if let Some(owner) = &self.owner {
            let mut client = connect_owner(owner, self.spec.name).await?;
            let (role, retention) = (self.application_role(), self.retention());
            store::migrate(&mut client, &self.spec.migrations, &role, clock::now().date(), retention).await?;
        }
        let client = self.pool.get().await.map_err(StoreError::from)?;
        store::check_version(&client, &self.spec.migrations).await
    }

    /// The user of `DATABASE_URL`, to whom the owner grants.
    fn application_role(&self) -> String {
        let config: Option<Config> = self.config.database_url.expose().parse().ok();
        config.and_then(|config| config.get_user().map(str::to_owned)).unwrap_or_default()
    }

    /// How far back messages are remembered.
    #[must_use]
    pub fn retention(&self) -> time::Duration {
        time::Duration::try_from(self.config.retention).unwrap_or(time::Duration::days(30))
    }
}

/// Makes the partitions of the days to come and drops what is past retention.
pub(super) async fn keep_partitions(owner: &Config, name: &str, retention: time::Duration) -> Result<(), StoreError> {
    let client = connect_owner(owner, name).await?;
    let now = clock::now();
    match store::check_clock(&client, now).await {
        Ok(()) => store::partitions(&client, now.date(), retention).await,
        // By a wrong clock, too, there must be days to come; only what is dropped is gone for good.
        Err(error) => store::make_ahead(&client, now.date(), retention).await.and(Err(error)),
    }
}

async fn connect_owner(owner: &Config, name: &str) -> Result<tokio_postgres::Client, StoreError> {
    let mut config = owner.clone();
    config.application_name(format!("{name} owner")).connect_timeout(Duration::from_secs(5));
    // As the pool says it: a login that is refused is waited for, too.
    let (client, connection) = config.connect(NoTls).await.map_err(PoolError::Backend)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the owner's connection ended");
        }
    });
    Ok(client)
}

/// Whether the next attempt may go better: a server that is not there, or a schema that somebody
/// else has yet to make. A migration that fails would fail again.
fn is_worth_waiting(error: &SchemaError, owns: bool) -> bool {
    match error {
        SchemaError::Migration(_) => false,
        SchemaError::OtherVersion { .. } => !owns,
        SchemaError::Store(error) => error.remedy() != Remedy::Person || !owns,
    }
}

pub(super) fn waits() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .with_jitter()
        .build()
}
