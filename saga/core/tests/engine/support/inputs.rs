//! What may happen in a story, in the words of the table.

use saga_core::OperatorWord;
use serde_json::{Value, json};
use uuid::Uuid;

/// An input that is still to be addressed to the story's saga.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A message arrives.
    Message(Said),
    /// The alarm goes off.
    Alarm,
    /// An operator speaks.
    Operator(OperatorWord),
}

/// A message of the table.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) kind: &'static str,
    pub(crate) step: Option<&'static str>,
    pub(crate) epoch: u32,
    pub(crate) data: Value,
    pub(crate) saga: Option<Uuid>,
}

impl What {
    /// The same, for another run of the step.
    pub(crate) fn of_epoch(mut self, epoch: u32) -> Self {
        self.said().epoch = epoch;
        self
    }

    /// The same, with other data.
    pub(crate) fn saying(mut self, data: Value) -> Self {
        self.said().data = data;
        self
    }

    /// The same, naming a saga by hand.
    pub(crate) fn for_saga(mut self, saga: Uuid) -> Self {
        self.said().saga = Some(saga);
        self
    }

    fn said(&mut self) -> &mut Said {
        match self {
            Self::Message(said) => said,
            Self::Alarm | Self::Operator(_) => panic!("only a message has that"),
        }
    }
}

/// A message of any type.
pub(crate) fn told(kind: &'static str, step: Option<&'static str>, data: Value) -> What {
    What::Message(Said { kind, step, epoch: 0, data, saga: None })
}

macro_rules! messages {
    ($($name:ident = $kind:literal $(of $step:literal)? $(saying $data:tt)?;)*) => {$(
        #[doc = concat!("The message ", $kind, ".")]
        pub(crate) fn $name() -> What {
            let step: &[&'static str] = &[$($step)?];
            let data: &[Value] = &[$(json!($data))?];
            told($kind, step.first().copied(), data.first().cloned().unwrap_or_else(|| json!({})))
        }
    )*};
}

messages! {
    pet_reserved = "PET_RESERVED" of "reserve_pet" saying { "price": 29900 };
    pet_refused = "PET_RESERVATION_REFUSED" of "reserve_pet" saying { "reason": "pet_taken" };
    pet_released = "PET_RELEASED" of "reserve_pet";
    order_created = "ORDER_CREATED" of "create_order";
    order_refused = "ORDER_REFUSED" of "create_order" saying { "reason": "order_id_taken" };
    order_rejected = "ORDER_REJECTED" of "create_order";
    order_cancelled = "ORDER_CANCELLED" of "create_order";
    inventory_reserved = "INVENTORY_RESERVED" of "reserve_inventory" saying { "price": 5000 };
    inventory_refused = "INVENTORY_REFUSED" of "reserve_inventory" saying { "reason": "out_of_stock" };
    inventory_released = "INVENTORY_RELEASED" of "reserve_inventory";
    granted = "ORDER_APPROVAL_GRANTED";
    cancellation = "ORDER_CANCELLATION_REQUESTED" saying { "reason": "changed_my_mind" };
    order_approved = "ORDER_APPROVED" of "approve_order";
    pet_sold = "PET_SOLD" of "sell_pet";
    inventory_committed = "INVENTORY_COMMITTED" of "commit_inventory";
    first_done = "FIRST_DONE" of "first" saying { "price": 1 };
    second_done = "SECOND_DONE" of "second";
    third_done = "THIRD_DONE" of "third";
    third_refused = "THIRD_REFUSED" of "third";
    go = "GO_GIVEN";
    last_done = "LAST_DONE" of "last";
}

/// The alarm goes off.
pub(crate) fn alarm() -> What {
    What::Alarm
}

/// An operator cancels the saga.
pub(crate) fn operator_cancels() -> What {
    What::Operator(OperatorWord::Cancel { reason: "asked_by_phone".to_owned() })
}

/// An operator runs a step again. Where an event started it, the story finds that event.
pub(crate) fn operator_retries(step: &str) -> What {
    What::Operator(OperatorWord::Retry { step: step.to_owned(), starter: None })
}

/// An operator counts a step as done.
pub(crate) fn operator_skips(step: &str) -> What {
    What::Operator(OperatorWord::Skip { step: step.to_owned(), undone: false })
}

/// An operator counts a step as undone.
pub(crate) fn operator_skips_the_undo_of(step: &str) -> What {
    What::Operator(OperatorWord::Skip { step: step.to_owned(), undone: true })
}
