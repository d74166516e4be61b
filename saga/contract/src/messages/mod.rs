//! One struct per command and event: the `data` of a message. All of them are ids and facts;
//! nothing here names a person.
//!
//! On the wire `order` and `pet` are ids forged from meaning, `orderId` and `petId` the public
//! numbers, amounts are in minor units.

mod inventory;
mod order;
mod pet;

pub use inventory::{
    InventoryCommitted, InventoryRefused, InventoryReleased, InventoryReserved, ReleaseInventory, StockSet,
};
pub use order::{
    ApproveOrder, CloseOrder, OrderApprovalGranted, OrderApproved, OrderCancellationRequested, OrderCancelled,
    OrderCreated, OrderDelivered, OrderRefused, OrderRejected, OrderRequested, OrderResult,
};
pub use pet::{
    PetCreated, PetDeleted, PetReleased, PetReservationRefused, PetReserved, PetSold, PetUpdated, ReleasePet,
    ReservePet,
};

/// Gives payloads their names on the wire and the newest version that this program knows.
macro_rules! payloads {
    ($($type:ident = $name:literal v $version:literal;)+) => {
        $(impl saga_core::Payload for $type {
            const TYPE: &'static str = $name;
            const VERSION: u16 = $version;
        })+
    };
}
use payloads;
