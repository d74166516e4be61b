//! What a process says over HTTP, and the servers that tests stand on.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod about;
mod admin;
mod alone;
mod committed;
mod crash_loop;
mod database;
mod effects;
mod failures;
mod health;
mod journal;
mod logs;
mod marks;
mod migrations;
mod problems;
mod process;
mod replay;
mod servers;
