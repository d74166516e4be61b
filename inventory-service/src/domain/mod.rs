//! What the service knows and decides: pure, without IO, clock or async.
//!
//! [`Warehouse`] holds the supplies and what is set aside for orders; [`Pets`] the read model of
//! the pets' statuses. Both are the part of the database that a batch touches: loaded and locked
//! by the store, changed here, written back by comparing before and after.

mod pets;
mod stock;
mod warehouse;

pub use pets::{Counts, Generations, Pet, PetChange, Pets};
pub use stock::{BelowReserved, Stock};
pub use warehouse::{Contradiction, Demand, NotReserved, Reservation, ReservationState, Told, Warehouse};
