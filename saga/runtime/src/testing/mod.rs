//! What integration tests stand on: a fresh database and an empty vhost of their own, on real
//! servers, and waiting without sleeping.
//!
//! ```no_run
//! # async fn test() {
//! use std::time::Duration;
//! use saga_runtime::testing::{Servers, eventually, process_config};
//!
//! let mut servers = Servers::claim().await;
//! let pets = servers.database("pets").await;
//! let config = process_config(&pets, &servers);
//! // .. start a process with it, then wait for what it should do:
//! eventually("the pet is reserved", Duration::from_secs(10), async || true).await;
//! # }
//! ```
//!
//! Everything a claim makes is named after its vhost and goes when the [`Servers`] are dropped. What
//! a killed test leaves behind goes when its vhost is claimed next. Roles, the broker's user and
//! their passwords live as long as the claim, so that a process which outlives its test is shut out.

#![expect(clippy::panic, reason = "a test fails by panicking, with a message for the person who reads it")]

mod bodies;
mod claim;
mod database;
mod deliveries;
mod environment;
mod eventually;
mod management;
mod servers;
mod trap;

pub use bodies::{Body, corpus, is_taken, operators_bodies};
pub use database::Database;
pub use deliveries::Deliveries;
pub use eventually::{Reached, eventually};
pub use servers::{SALT, Servers, process_config};
pub use trap::{RELEASE, TRAPPED, trap};

/// What went wrong with the servers of a test, in words.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// A password that nobody else has.
#[expect(clippy::disallowed_methods, reason = "a password is drawn; it is no id")]
fn password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
