//! Being written.
pub mod domain;
