//! pet-service as a process: on a real PostgreSQL and a real RabbitMQ, over HTTP and messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod bodies;
mod database;
mod lists;
mod nonsense;
mod openapi;
mod races;
mod running;
mod sagas;
