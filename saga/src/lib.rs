//! The order saga, its orchestrator, and the operator's command.

pub mod command;
pub mod order_saga;
pub mod serve;
