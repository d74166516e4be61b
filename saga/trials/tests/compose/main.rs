//! `compose.yaml`, as far as it can be tried without a container engine: its shape, its rights against the table of
//! the topology, and its inline scripts and definitions on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod file;
mod rights;
mod servers;
mod shape;
