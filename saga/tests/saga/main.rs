//! The order saga's table, what it computes, and the command as a person meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod command;
mod computed;
mod table;
