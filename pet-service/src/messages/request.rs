//! What a message asks for, once it is known to make sense.

use saga_contract::messages::{OrderApproved, ReleasePet, ReservePet};
use saga_contract::{PetNumber, steps};
use saga_runtime::core::{Message, Payload};
use saga_runtime::{StepRequest, Verdict};
use uuid::Uuid;

/// A request of a saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<'a> {
    /// Which step it is for.
    pub step: StepRequest<'a>,
    /// What is asked for.
    pub request: Request,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Reserve a pet.
    Reserve(ReservePet),
    /// Give it back.
    Release(ReleasePet),
    /// Sell it, as its order is approved.
    Sell(OrderApproved),
}

impl<'a> Asked<'a> {
    /// Reads the request out of a message.
    ///
    /// # Errors
    /// The verdict on a message that is none: it is parked.
    pub fn parse(message: &'a Message) -> Result<Self, Verdict> {
        let request = match message.kind.as_str() {
            ReservePet::TYPE => Request::Reserve(message.payload()?),
            ReleasePet::TYPE => Request::Release(message.payload()?),
            OrderApproved::TYPE => Request::Sell(message.payload()?),
            other => return Err(foreign(other)),
        };
        Ok(Self { step: request.step_of(message)?, request })
    }

    /// The number of the pet that it is about.
    #[must_use]
    pub fn pet_number(&self) -> PetNumber {
        self.request.pet().0
    }
}

impl Request {
    /// The number and the id of the pet that it is about.
    #[must_use]
    pub fn pet(&self) -> (PetNumber, Uuid) {
        match self {
            Self::Reserve(ReservePet { pet_id, pet, .. })
            | Self::Release(ReleasePet { pet_id, pet, .. })
            | Self::Sell(OrderApproved { pet_id, pet, .. }) => (*pet_id, *pet),
        }
    }

    fn step_of<'a>(&self, message: &'a Message) -> Result<StepRequest<'a>, Verdict> {
        match self {
            Self::Reserve(_) => StepRequest::to_do(message, steps::RESERVE_PET),
            Self::Release(_) => StepRequest::to_undo(message, steps::RESERVE_PET),
            Self::Sell(_) => StepRequest::to_do(message, steps::SELL_PET),
        }
    }
}

fn foreign(kind: &str) -> Verdict {
    let taken = [ReservePet::TYPE, ReleasePet::TYPE, OrderApproved::TYPE].join(", ");
    Verdict::Park { reason: "unknown_type", detail: format!("{kind} is not for pet-service, which takes {taken}") }
}
