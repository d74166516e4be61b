//! What the tests are written in: two sagas, and a language to tell their stories in.

mod definitions;
mod inputs;
mod participants;
mod story;
pub(crate) mod world;

pub(crate) use definitions::{engine, errand, errand_steps, errand_with_result, order, order_steps};
pub(crate) use inputs::*;
pub(crate) use story::{Story, a_story, an_errand, an_errand_with_result, an_order, an_order_for_a_pet};

use saga_core::{Ids, Time};
use time::macros::datetime;

/// When every story begins.
pub(crate) const NOON: Time = datetime!(2026-11-20 12:00 UTC);

/// The salt of the recorded ids.
pub(crate) fn ids() -> Ids {
    Ids::new(&idforge::Salt::new("a-salt-of-thirty-two-characters!").unwrap(), "petstore.example")
}
