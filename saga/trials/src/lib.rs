//! Trials: what runs the whole system on one machine, and tries it.
//!
//! `./dev` is a thin script over the binary `trials`, and that over this library: private servers, the four
//! processes, tests against them. It may import every other crate; none imports it.

pub mod servers;

pub mod processes;
pub mod state;
pub mod up;

pub mod backlog;
pub mod bench;
pub mod demo;
pub mod invariants;
pub mod replayed;
pub mod replays;

pub mod simulate;

pub mod chaos;

pub mod tests;

pub mod screen;
