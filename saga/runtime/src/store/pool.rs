//! The pool of connections to the process's own database.

use std::time::Duration;

use deadpool::managed;
use deadpool_postgres::{Manager, ManagerConfig, QueueMode, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

use super::connection::Connections;
use crate::secret::Secret;

/// A pool of connections.
pub type Pool = managed::Pool<Connections>;

/// A pool that cannot be made. Whether the server is there shows only when a connection is taken.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The URL is none.
    #[error("{setting} is no PostgreSQL URL (postgres://user:password@host:port/database): {why}")]
    Url {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it. Never contains the password.
        why: String,
    },
    /// The pool's settings contradict each other.
    #[error("the connection pool cannot be built: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
}

/// No transaction of ours is idle or stuck for long: a stopped process must not hold its locks for ever. Plans are made
/// once per connection: with a day as a parameter a custom plan looks cheaper, since it names one partition, and would
/// be made anew for every batch, though the general one leaves out the same partitions when it runs. And rows are found
/// by their keys: a plan that was made while a table was empty would otherwise go on reading all of it as it grows. For
/// the same reason a statement that joins rows to a list of keys says `= ANY` of the keys too: whichever side its plan
/// begins with, it searches. One that joins them by their places ([`Place`](super::Place)) need not.
const SESSION: &str = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s \
                       -c timezone=UTC -c plan_cache_mode=force_generic_plan -c jit=off \
                       -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

/// What a URL says. `setting` is where it comes from.
///
/// # Errors
/// [`PoolError::Url`].
pub(crate) fn settings(setting: &'static str, url: &Secret) -> Result<Config, PoolError> {
    url.expose().parse().map_err(|error: tokio_postgres::Error| PoolError::Url {
        setting,
        why: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
    })
}

/// Makes a pool for a URL. Connects nothing yet.
///
/// # Errors
/// [`PoolError`].
pub fn connect(setting: &'static str, url: &Secret, name: &str, connections: usize) -> Result<Pool, PoolError> {
    let mut config = settings(setting, url)?;
    config.application_name(name).options(SESSION);
    config.connect_timeout(Duration::from_secs(5)).keepalives_idle(Duration::from_secs(15));
    config.tcp_user_timeout(Duration::from_secs(20));
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    // The connection that was used last has its statements prepared: while little happens, one does all.
    let pool = Pool::builder(Connections::new(manager)).max_size(connections.max(2));
    let pool = pool.queue_mode(QueueMode::Lifo).runtime(Runtime::Tokio1);
    let limit = Some(Duration::from_secs(10));
    Ok(pool.wait_timeout(limit).create_timeout(limit).recycle_timeout(limit).build()?)
}
