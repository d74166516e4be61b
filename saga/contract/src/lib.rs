//! What the processes of the pet store say to each other, once and for all: pure.
//!
//! Read in this order: [`messages`] has one struct per command and event; [`values`] the small
//! types that they are made of, which refuse nonsense when they are read; [`TOPOLOGY`] says which
//! exchange and queue each message travels through; [`Names`] forges the ids of users, pets and
//! orders. `docs/messages.md` shows an example of each message.
//!
//! Readers are tolerant: a field that a program does not know is ignored, so adding one is no new
//! version. A change that an old reader would misunderstand is a new version with its own golden
//! file, and the old file stays.

pub mod ids;
pub mod messages;
pub mod topology;
pub mod values;

pub use ids::{DEFAULT_DOMAIN, Names, order_saga_id};
pub use topology::{TOPOLOGY, exchanges, processes, queues, steps};
pub use values::{
    Category, Currency, InvalidValue, Item, Items, Line, Money, MoneyError, OnHand, OrderNumber, PetNumber, PetStatus,
    PricedItem, Quantity, Reason, ShipDate, Sku,
};
