//! The order saga, its orchestrator, and the operator's command.

pub mod order_saga;
pub mod serve;
