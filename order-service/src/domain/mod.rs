//! What an order is and what may happen to it. Pure: no IO, no clock, no random, no async.
//!
//! Read in this order: a [`Draft`] is what a client sent, a [`Wish`] what is left of it once it is
//! known to be valid; [`Key`] and [`Identity`] say which order it is; a [`Request`] is that order from
//! then on, and its methods are all that can happen to it; [`answer`] is what clients are told.

pub mod answer;
mod events;
mod identity;
mod key;
mod request;
mod wish;

#[cfg(test)]
pub(crate) mod request_tests;

pub use answer::{Answer, Status, View};
pub use identity::Identity;
pub use key::{Key, KeyError};
pub use request::{Change, Conflict, End, Order, Request, State, Stuck, Word};
pub use wish::{Draft, DraftItem, Invalid, Wish};
