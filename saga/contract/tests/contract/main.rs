//! The contract, held: golden files, documents, ids, laws, the topology.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod again;
mod asyncapi;
mod damaged;
mod described;
mod golden;
mod ids;
mod laws;
mod messages_page;
mod pinned;
mod samples;
mod schemas;
mod topology;
