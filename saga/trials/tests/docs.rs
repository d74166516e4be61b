//! The documents against the code: what they name exists, what they quote is there, what can be
//! made from the code is made from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "docs/named.rs"]
mod named;
#[path = "docs/pages.rs"]
mod pages;
#[path = "docs/reference.rs"]
mod reference;
#[path = "system/shop.rs"]
#[allow(dead_code, reason = "the tests of the whole system use the rest of it")]
mod shop;
