//! What can happen to a pet: pure decisions, without a database, a broker or a clock.
//!
//! The owner of the store writes about a pet what a [`Draft`] holds, whenever they like. Whether it
//! is reserved or sold is the order saga's to say, and nobody else's: [`Pet::reserve`],
//! [`Pet::release`] and [`Pet::sell`].

mod draft;
mod pet;
#[cfg(test)]
mod properties;

pub use draft::{Draft, Entry, InvalidDraft, Tag};
pub use pet::{AlreadySold, Holder, NotReserved, ONE_OF_A_KIND, Pet, Refusal, State};
