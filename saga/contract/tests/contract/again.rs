//! Data that can be read can be written and read again as the same: for any command or event.

use std::fmt::Debug;

use saga_contract::messages::*;
use saga_core::{Body, Message, Payload};

/// Reads the data of a message as what its type says; says whether that worked.
///
/// # Panics
/// When it reads what it wrote as something else.
pub(crate) fn check(message: &Message) -> bool {
    macro_rules! of_each {
        ($($payload:ident)+) => { [$(of::<$payload>(message)),+].contains(&true) };
    }
    of_each!(
        PetCreated PetUpdated PetDeleted PetReserved PetReservationRefused PetReleased PetSold ReservePet ReleasePet
        OrderRequested OrderCreated OrderRefused OrderRejected OrderCancelled OrderApprovalGranted
        OrderCancellationRequested OrderApproved OrderDelivered ApproveOrder CloseOrder
        InventoryReserved InventoryRefused InventoryReleased InventoryCommitted ReleaseInventory StockSet
    )
}

fn of<P: Payload + PartialEq + Debug>(message: &Message) -> bool {
    if message.kind != P::TYPE {
        return false;
    }
    let Ok(payload) = message.payload::<P>() else { return false };
    let body = Body::of(&payload).unwrap_or_else(|error| panic!("{error}: {payload:?}"));
    let again = Message::new(message.id, &message.source, message.subject.clone(), body, message.time);
    assert_eq!(again.payload::<P>().ok(), Some(payload));
    true
}
