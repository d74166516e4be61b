//! inventory-service owns the supplies, which orders reserve all or nothing, and counts the pets
//! that the store has in each status.
//!
//! Read in this order: [`domain`] says what can happen to a supply and to a reservation;
//! [`messages`] what the service answers to sagas; [`http`] what people can do; [`store`] how it is
//! kept; [`read_model`] how the counts are made anew.

pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod messages;
pub mod read_model;
pub mod store;

use std::sync::Arc;

use saga_contract::{TOPOLOGY, processes, queues};
use saga_runtime::store::Lists;
use saga_runtime::{Process, ProcessError, Spec};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use config::Config;
use http::Shelves;
use messages::Messages;
use read_model::Inventory;

/// The process's name.
pub const NAME: &str = processes::INVENTORY_SERVICE;

/// The queues that it consumes.
const QUEUES: [&str; 3] = [queues::INVENTORY_PET_EVENTS, queues::INVENTORY_COMMANDS, queues::INVENTORY_ORDER_EVENTS];

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The service's own migrations; the runtime's tables are not among them.
#[must_use]
pub fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}

/// Runs inventory-service on this listener until `shutdown` is cancelled.
///
/// # Errors
/// [`ProcessError`]: a setting that can never work, a migration that failed, a broken listener.
pub async fn run(listener: TcpListener, config: Config, shutdown: CancellationToken) -> Result<(), ProcessError> {
    let spec = Spec { name: NAME, version: env!("CARGO_PKG_VERSION"), topology: &TOPOLOGY, migrations: migrations() };
    let mut process = Process::new(spec, config.process)?;
    let handler = Arc::new(Messages::new(process.ids()));
    for queue in QUEUES {
        process.consume(queue, handler.clone());
    }
    let pool = process.writer().pool().clone();
    let lists = Lists::new(pool.clone());
    let read_model = Arc::new(Inventory::new(pool, config.pet_service_url).map_err(std::io::Error::other)?);
    process.check(read_model.clone());
    process.read_model(read_model);
    let shelves = Shelves { writer: process.writer(), lists, ids: process.ids(), tokens: process.tokens() };
    let (routes, document) = http::routes(shelves);
    process.openapi(document);
    process.serve(listener, routes, shutdown).await
}
