//! Alive, ready, degraded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Json;
use crate::store::{Pool, query};

/// A database that does not answer within this time is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a process has reached so far. Clones tell of the same process.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Reached>);

#[derive(Debug, Default)]
struct Reached {
    database_once: AtomicBool,
    broker_once: AtomicBool,
    broker: AtomicBool,
}

impl Readiness {
    /// The database was reached and its schema is up to date. Whether it still is there is looked up
    /// at each question.
    pub fn database_reached(&self) {
        self.0.database_once.store(true, Ordering::Relaxed);
    }

    /// The broker is there, all that the topology names is declared; or it is gone again.
    pub fn broker(&self, up: bool) {
        self.0.broker.store(up, Ordering::Relaxed);
        if up {
            self.0.broker_once.store(true, Ordering::Relaxed);
        }
    }

    async fn look(&self, pool: &Pool) -> Health {
        let was = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let database = match (was(&self.0.database_once), answers(pool).await) {
            (true, true) => Part::Up,
            (true, false) => Part::Lost,
            (false, _) => Part::NeverReached,
        };
        let broker = match (was(&self.0.broker_once), was(&self.0.broker)) {
            (_, true) => Part::Up,
            (true, false) => Part::Lost,
            (false, false) => Part::NeverReached,
        };
        Health { status: Status::of(database, broker), database, broker }
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
pub struct Health {
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
    /// Was there once, and is not now.
    Lost,
    /// Not since this process started.
    NeverReached,
}

impl Status {
    fn of(database: Part, broker: Part) -> Self {
        match (database, broker) {
            (Part::NeverReached, _) | (_, Part::NeverReached) => Self::Starting,
            (Part::Lost, Part::Up | Part::Lost) => Self::Unavailable,
            (Part::Up, Part::Lost) => Self::Degraded,
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

/// What the routes of this file need.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) readiness: Readiness,
    pub(super) pool: Pool,
}

/// The process is alive
#[utoipa::path(get, path = "/healthz", tag = "process", responses((status = 200, description = "It is alive", body = str)))]
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
    let health = probe.readiness.look(&probe.pool).await;
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
            (Part::Lost, Part::Up, Status::Unavailable, 503),
            (Part::Lost, Part::Lost, Status::Unavailable, 503),
        ];
        for (database, broker, status, code) in table {
            assert_eq!(Status::of(database, broker), status, "{database:?} {broker:?}");
            assert_eq!(status.code().as_u16(), code);
        }
    }
}
