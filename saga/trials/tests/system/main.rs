//! The whole system on real servers: what the project promises, each shown by a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod again;
mod alone;
mod another_day;
mod bounds;
mod command;
mod crashes;
mod faults;
mod fifty;
mod flat;
mod garbage;
mod idle;
mod ids;
mod operators;
mod participant;
mod races;
mod real;
mod rebuild;
mod replays;
mod runbook;
mod shop;
mod strange;
mod strangers;
mod stream;
mod sweep;
