//! pet-service owns the pets of the store.
//!
//! Read in this order: [`domain`] says what can happen to a pet; [`messages`] what it answers to
//! the sagas that want one; [`http`] what the owner of the store and their clients can do;
//! [`store`] how pets are kept.

pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod messages;
pub mod store;
pub mod verify;

use std::sync::Arc;

use saga_contract::{Names, TOPOLOGY, processes, queues};
use saga_runtime::process::{Process, ProcessError, Spec};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use config::Config;
use http::Catalogue;
use messages::PetHandler;
use verify::PetIds;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Runs pet-service where its settings say, until `shutdown` is cancelled.
///
/// # Errors
/// [`ProcessError`]: as [`serve`], or the address is taken.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ProcessError> {
    let listener = TcpListener::bind(config.listen()).await?;
    tracing::info!(address = %listener.local_addr()?, "pet-service listens");
    serve(listener, config, shutdown).await
}

/// Runs pet-service on this listener until `shutdown` is cancelled.
///
/// # Errors
/// [`ProcessError`]: a setting that can never work, a migration that failed, a broken listener.
pub async fn serve(listener: TcpListener, config: Config, shutdown: CancellationToken) -> Result<(), ProcessError> {
    let spec = Spec {
        name: processes::PET_SERVICE,
        version: env!("CARGO_PKG_VERSION"),
        topology: &TOPOLOGY,
        migrations: embedded::migrations::runner(),
    };
    let mut process = Process::new(spec, config.process)?;
    let names = Names::new(process.salt(), &process.config().domain);
    let handler = Arc::new(PetHandler::new(process.ids()));
    process.consume(queues::PET_COMMANDS, handler.clone());
    process.consume(queues::PET_ORDER_EVENTS, handler);
    let pool = process.writer().pool().clone();
    process.check(Arc::new(PetIds { pool, names: names.clone() }));
    let (routes, document) = http::routes(Catalogue::new(process.writer(), process.ids(), names));
    process.openapi(document);
    process.serve(listener, routes, shutdown).await
}
