//! order-service on real servers: HTTP from the outside, and messages as the broker delivers them.
//! The test plays the orchestrator and the other services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
mod hostile;
mod idempotency;
mod lists;
mod messages;
mod openapi;
mod placing;
mod schema;
mod support;
mod waiting;
mod words;
