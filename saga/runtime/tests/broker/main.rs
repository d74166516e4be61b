//! The broker's side of the runtime, on a real RabbitMQ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod batches;
mod company;
mod consumer;
mod hostile;
mod parts;
mod relay;
mod topology;
