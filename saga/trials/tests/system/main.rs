//! The whole system on real servers: what the project promises, each shown by a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod again;
mod alone;
mod crashes;
mod garbage;
mod ids;
mod races;
mod shop;
