//! The service on real servers: `./dev test` starts them and names them in the environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod batches;
mod bodies;
mod description;
mod process;
mod races;
mod rebuild;
mod service;
mod support;
