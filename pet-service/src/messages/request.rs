//! What a message asks for, once it is known to make sense.

use saga_contract::messages::{OrderApproved, ReleasePet, ReservePet};
use saga_contract::{PetNumber, steps};
use saga_runtime::Verdict;
use saga_runtime::core::{Message, Payload};
use uuid::Uuid;

/// A request of a saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The saga.
    pub saga: Uuid,
    /// Which run of the step.
    pub epoch: u32,
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

impl Asked {
    /// Reads the request out of a message.
    ///
    /// # Errors
    /// The verdict on a message that is none: it is parked.
    pub fn parse(message: &Message) -> Result<Self, Verdict> {
        let request = match message.kind.as_str() {
            ReservePet::TYPE => message.payload().map(Request::Reserve),
            ReleasePet::TYPE => message.payload().map(Request::Release),
            OrderApproved::TYPE => message.payload().map(Request::Sell),
            other => return Err(foreign(other)),
        };
        let request = request.map_err(|error| Verdict::malformed(&error))?;
        let saga = message.saga_id.ok_or_else(|| no_saga(&message.kind))?;
        Ok(Self { saga, epoch: request.epoch_of(message), request })
    }

    /// The number of the pet that it is about.
    #[must_use]
    pub fn pet_number(&self) -> PetNumber {
        self.request.pet().0
    }

    /// The key of the effect that it has: the saga and the step.
    #[must_use]
    pub fn key(&self) -> (Uuid, &'static str) {
        (self.saga, self.request.step())
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

    /// The step that it does or undoes.
    #[must_use]
    pub fn step(&self) -> &'static str {
        match self {
            Self::Reserve(_) | Self::Release(_) => steps::RESERVE_PET,
            Self::Sell(_) => steps::SELL_PET,
        }
    }

    /// A command is for its step alone. An event starts several: the epoch that it carries is that
    /// of its own step, unless it is a copy that an operator's retry made for this one.
    fn epoch_of(&self, message: &Message) -> u32 {
        match self {
            Self::Reserve(_) | Self::Release(_) => message.epoch,
            Self::Sell(_) if message.step.as_deref() == Some(steps::SELL_PET) => message.epoch,
            Self::Sell(_) => 0,
        }
    }
}

fn foreign(kind: &str) -> Verdict {
    let taken = [ReservePet::TYPE, ReleasePet::TYPE, OrderApproved::TYPE].join(", ");
    Verdict::Park { reason: "unknown_type", detail: format!("{kind} is not for pet-service, which takes {taken}") }
}

fn no_saga(kind: &str) -> Verdict {
    let detail = format!("{kind} carries no sagaid, so nobody could ever undo or finish what it asks for");
    Verdict::Park { reason: "no_saga", detail }
}
