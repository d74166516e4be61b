//! The engine, from the outside: stories that read like the requirement, and laws over random schedules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod laws;
mod support;

mod cancelling;
mod definition;
mod diagram;
mod envelope;
mod going_forward;
mod ids;
mod operator;
mod refused;
mod schedules;
mod starting;
mod undo_order;
mod waiting;
