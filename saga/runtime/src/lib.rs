//! Runs sagas and their participants on RabbitMQ and PostgreSQL.
//!
//! A process is a [`Process`]: it has a database of its own, queues that it consumes with a
//! [`Handler`] each, and HTTP. What a handler returns is stored with the handler's own changes in
//! one transaction and published afterwards; see `docs/architecture.md` for one delivery in full.

mod awaited;
pub mod broker;
pub mod check;
pub mod clock;
pub mod config;
mod delivery;
pub mod error;
pub mod handler;
pub mod http;
pub mod metrics;
pub mod orchestrator;
mod participant;
pub mod process;
pub mod read_model;
pub mod secret;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod turns;

pub use awaited::Awaited;
pub use check::{Check, Disagreement, Looked};
pub use error::{Remedy, StoreError};
pub use handler::{Again, Decided, Handler, Handling, Outgoing, Output, Verdict};
pub use participant::{Answers, StepRequest};
pub use process::{Process, ProcessError, Spec};
pub use read_model::ReadModel;
pub use saga_core as core;
pub use secret::Secret;
pub use store::{Effects, Pool, Transaction, Writer};
pub use turns::{Turn, Turns};
