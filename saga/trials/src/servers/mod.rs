//! Private RabbitMQ and PostgreSQL: found or fetched, started, watched and stopped.
//!
//! Everything they write is under `.dev/` of the checkout; they listen on the loopback alone, on ports below the
//! ephemeral range, never a default one; no service of the machine is touched.

pub mod place;
pub mod ports;
pub mod process;
pub mod secrets;

pub mod apt;
pub mod install;
pub mod programs;
pub mod relocate;

pub mod postgres;
pub mod rabbitmq;

pub mod databases;
pub mod given;
pub mod stack;
pub mod vhosts;

mod error;

pub use error::Trouble;
pub use given::{Endpoints, Given};
pub use place::Place;
pub use stack::Stack;
