//! The orders of the pet store.
//!
//! A request for an order is a row and ORDER_REQUESTED, written together; the orchestrator runs
//! the saga; what comes of it is read from three queues and written to that row, which whoever
//! waits looks at. Read `domain` first: it decides. `messages` and `http` are the two ways in, `store` is
//! the SQL, and `waiters` brings outcomes to clients.

pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod messages;
pub mod store;
pub mod verify;
pub mod waiters;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use saga_contract::{Names, TOPOLOGY, processes, queues};
use saga_runtime::store::Together;
use saga_runtime::{Process, ProcessError, Spec};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use config::Config;
use http::{App, Desk};
use messages::Messages;
use verify::OrderIds;
use waiters::{LOOK_EVERY, Waiters};

/// The process's name.
pub const NAME: &str = processes::ORDER_SERVICE;
/// Where it listens unless told otherwise.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8082);

/// The queues that it consumes.
const QUEUES: [&str; 3] = [queues::ORDER_PET_EVENTS, queues::ORDER_COMMANDS, queues::ORDER_SAGA_EVENTS];

/// Runs the process with its own listener until `shutdown`.
///
/// # Errors
/// [`ProcessError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ProcessError> {
    let listener = TcpListener::bind(config.process.listen.unwrap_or(ADDRESS)).await?;
    tracing::info!(address = %listener.local_addr()?, "order-service listens");
    serve(listener, config, shutdown).await
}

/// Runs the process on a listener until `shutdown`.
///
/// # Errors
/// [`ProcessError`].
pub async fn serve(listener: TcpListener, config: Config, shutdown: CancellationToken) -> Result<(), ProcessError> {
    let Config { process: settings, order_wait: wait, order_waiters, order_waves } = config;
    if wait >= settings.http_timeout {
        return Err(ProcessError::WaitTooLong { setting: "ORDER_WAIT", wait, limit: settings.http_timeout });
    }
    let (database, domain) = (settings.database_url.clone(), settings.domain.clone());
    let version = env!("CARGO_PKG_VERSION");
    let spec = Spec { name: NAME, version, topology: &TOPOLOGY, migrations: store::migrations() };
    let mut process = Process::new(spec, settings)?;
    let (waiters, writer, ids) = (Waiters::new(order_waiters), process.writer(), process.ids());
    let handler = Arc::new(Messages::new(ids.clone(), waiters.clone()));
    for queue in QUEUES {
        process.consume(queue, handler.clone());
    }
    let (looking, ringing, pool) = (waiters.clone(), waiters.clone(), writer.pool().clone());
    process.background("look", |stop| waiters::look(looking, pool, LOOK_EVERY, stop));
    process.background("ring", |stop| waiters::ring(ringing, database, stop));
    let (names, tokens) = (Names::new(process.salt(), &domain), process.tokens());
    let pool = writer.pool().clone();
    process.check(Arc::new(OrderIds { pool, ids: ids.clone(), names: names.clone() }));
    let together = if order_waves { Together::InWaves } else { Together::AtOnce };
    let (app, taker) = App::new(Desk { writer, ids, names }, waiters, wait, together, tokens);
    let turns = process.turns();
    process.background("take", |stop| taker.run(turns, stop));
    let (routes, document) = http::routes(app);
    process.openapi(document);
    process.serve(listener, routes, shutdown).await
}
