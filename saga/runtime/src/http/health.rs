//! Alive, ready, degraded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::Json;
use crate::broker::{Broker, Link};
use crate::store::{Pool, query};

/// A database that does not answer within this time is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at what a process needs.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pool: Pool,
    schema: watch::Receiver<bool>,
    consuming: watch::Receiver<Link>,
    publishing: watch::Receiver<Link>,
    broker_once: Arc<AtomicBool>,
}

impl Probe {
    /// Remembers from now on whether both connections to the broker were there.
    pub(super) fn new(pool: Pool, schema: watch::Receiver<bool>, broker: &Broker) -> Self {
        let (consuming, publishing) = (broker.watch_consuming(), broker.watch_publishing());
        let broker_once = Arc::new(AtomicBool::new(false));
        tokio::spawn(remember(consuming.clone(), publishing.clone(), Arc::clone(&broker_once)));
        Self { pool, schema, consuming, publishing, broker_once }
    }

    async fn look(&self) -> Health {
        let schema = *self.schema.borrow();
        let database = match (schema, answers(&self.pool).await) {
            (true, true) => Part::Up,
            (true, false) => Part::Lost,
            (false, _) => Part::NeverReached,
        };
        let broker = if self.broker_once.load(Ordering::Acquire) { self.link() } else { Part::NeverReached };
        Health { status: Status::of(database, broker), database, broker }
    }

    fn link(&self) -> Part {
        match (&*self.consuming.borrow(), &*self.publishing.borrow()) {
            (Link::Up, Link::Up) => Part::Up,
            (Link::Down { .. }, _) | (_, Link::Down { .. }) => Part::Lost,
            (Link::Blocked { .. }, _) | (_, Link::Blocked { .. }) => Part::Blocked,
        }
    }
}

/// Ends once both connections were there, or the process is gone.
async fn remember(mut consuming: watch::Receiver<Link>, mut publishing: watch::Receiver<Link>, once: Arc<AtomicBool>) {
    let there = |link: &Link| !matches!(link, Link::Down { .. });
    let reached = async {
        consuming.wait_for(there).await.ok()?;
        publishing.wait_for(there).await.ok()?;
        Some(())
    };
    if reached.await.is_some() {
        once.store(true, Ordering::Release);
    }
}

/// Whether the database answers now.
async fn answers(pool: &Pool) -> bool {
    let ask = async {
        let client = pool.get().await.ok()?;
        query(&client, "SELECT 1", &[]).await.ok()
    };
    matches!(tokio::time::timeout(PATIENCE, ask).await, Ok(Some(_)))
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Health {
    /// All in all.
    status: Status,
    /// Its database.
    database: Part,
    /// The broker.
    broker: Part,
}

/// How a process is, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It takes work.
    Ready,
    /// It takes work; messages wait until the broker is back.
    Degraded,
    /// It waits for what it has never reached yet.
    Starting,
    /// It has lost its database.
    Unavailable,
}

/// How something that a process needs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// There.
    Up,
    /// There, but takes no messages until it is well again.
    Blocked,
    /// Was there once, and is not now.
    Lost,
    /// Not since this process started.
    NeverReached,
}

impl Status {
    fn of(database: Part, broker: Part) -> Self {
        match (database, broker) {
            (Part::NeverReached, _) | (_, Part::NeverReached) => Self::Starting,
            (Part::Lost | Part::Blocked, Part::Up | Part::Blocked | Part::Lost) => Self::Unavailable,
            (Part::Up, Part::Lost | Part::Blocked) => Self::Degraded,
            (Part::Up, Part::Up) => Self::Ready,
        }
    }

    fn code(self) -> StatusCode {
        match self {
            Self::Ready | Self::Degraded => StatusCode::OK,
            Self::Starting | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The process is alive
#[utoipa::path(get, path = "/healthz", tag = "process", responses(
    (status = 200, description = "It is alive", body = String, content_type = "text/plain"),
))]
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// The process takes work
///
/// Not before database and broker were reached once. The loss of the database later is a 503; the
/// loss of the broker is only `degraded`, since requests are still taken.
#[utoipa::path(get, path = "/readyz", tag = "process", responses(
    (status = 200, description = "It takes work", body = Health),
    (status = 503, description = "It does not", body = Health),
))]
pub(super) async fn readyz(State(probe): State<Probe>) -> impl IntoResponse {
    let health = probe.look().await;
    (health.status.code(), Json(health))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_both_were_reached_and_only_the_database_is_needed_after_that() {
        let table = [
            (Part::NeverReached, Part::NeverReached, Status::Starting, 503),
            (Part::NeverReached, Part::Up, Status::Starting, 503),
            (Part::Up, Part::NeverReached, Status::Starting, 503),
            (Part::Lost, Part::NeverReached, Status::Starting, 503),
            (Part::Up, Part::Up, Status::Ready, 200),
            (Part::Up, Part::Lost, Status::Degraded, 200),
            (Part::Up, Part::Blocked, Status::Degraded, 200),
            (Part::Lost, Part::Up, Status::Unavailable, 503),
            (Part::Lost, Part::Lost, Status::Unavailable, 503),
        ];
        for (database, broker, status, code) in table {
            assert_eq!(Status::of(database, broker), status, "{database:?} {broker:?}");
            assert_eq!(status.code().as_u16(), code);
        }
    }
}
