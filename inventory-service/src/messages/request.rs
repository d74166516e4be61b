//! What a message asks of this service.

use saga_contract::messages::{
    OrderApproved, PetCreated, PetDeleted, PetReleased, PetReserved, PetSold, PetUpdated, ReleaseInventory,
};
use saga_contract::steps::{COMMIT_INVENTORY, RESERVE_INVENTORY};
use saga_contract::{Items, Money, PetStatus};
use saga_runtime::Verdict;
use saga_runtime::core::{Message, Payload, PayloadError};
use uuid::Uuid;

use crate::domain::{Pet, PetChange};
use crate::store::Touched;

/// What a message asks of this service.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A pet's event: news for the read model, and perhaps supplies to reserve.
    Pet {
        /// The news; none when the event changed nothing.
        change: Option<PetChange>,
        /// What its order wants besides.
        reserve: Option<Reserve>,
    },
    /// Put back what is set aside.
    Release(Asked),
    /// Hand out what is set aside.
    Commit(Asked),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// Supplies to reserve.
#[derive(Debug, Clone, PartialEq)]
pub struct Reserve {
    /// For whom.
    pub asked: Asked,
    /// Which.
    pub items: Items,
    /// What the pet of the order costs.
    pub pet_price: Money,
}

/// Whose step is to be done or undone, and in which run of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The saga.
    pub saga: Uuid,
    /// Its order.
    pub order: Uuid,
    /// The step.
    pub step: &'static str,
    /// The run.
    pub epoch: u32,
}

impl Request {
    /// Reads a message.
    ///
    /// # Errors
    /// The verdict on one that cannot be read: it is parked.
    pub fn read(message: &Message) -> Result<Self, Verdict> {
        match message.kind.as_str() {
            PetCreated::TYPE => data::<PetCreated>(message).and_then(|e| news(message, e.pet, Some(e.status))),
            PetUpdated::TYPE => data::<PetUpdated>(message).and_then(|e| news(message, e.pet, Some(e.status))),
            PetDeleted::TYPE => data::<PetDeleted>(message).and_then(|e| news(message, e.pet, None)),
            PetSold::TYPE => data::<PetSold>(message).and_then(|e| news(message, e.pet, Some(e.status))),
            PetReleased::TYPE => data::<PetReleased>(message).and_then(|e| match e.status {
                Some(status) => news(message, e.pet, Some(status)),
                None => Ok(Self::Nothing("the pet was never reserved")),
            }),
            PetReserved::TYPE => data(message).and_then(|event| reserved(message, event)),
            ReleaseInventory::TYPE => {
                let command: ReleaseInventory = data(message)?;
                Ok(Self::Release(Asked::of(message, command.order, RESERVE_INVENTORY)?))
            }
            OrderApproved::TYPE => approved(message, &data(message)?),
            other => Err(Verdict::Park {
                reason: "unknown_type",
                detail: format!("{other} is none of the types that this service takes"),
            }),
        }
    }

    /// Whether messages of this type ask for nothing: they are news of pets, to be counted.
    #[must_use]
    pub fn is_news(kind: &str) -> bool {
        matches!(kind, PetCreated::TYPE | PetUpdated::TYPE | PetDeleted::TYPE | PetReleased::TYPE | PetSold::TYPE)
    }

    /// What has to be locked for it, beside the effect of its step.
    pub fn touches(&self, touched: &mut Touched) {
        match self {
            Self::Pet { change, reserve } => {
                touched.pets.extend(change.map(|change| change.pet));
                if let Some(Reserve { asked, items, .. }) = reserve {
                    touched.sagas.insert(asked.saga);
                    touched.supplies.extend(items.iter().map(|item| item.sku.clone()));
                }
            }
            Self::Release(asked) | Self::Commit(asked) => drop(touched.sagas.insert(asked.saga)),
            Self::Nothing(_) => {}
        }
    }

    /// The step that it is about, if it is about one.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        match self {
            Self::Pet { reserve, .. } => reserve.as_ref().map(|reserve| reserve.asked),
            Self::Release(asked) | Self::Commit(asked) => Some(*asked),
            Self::Nothing(_) => None,
        }
    }
}

impl Asked {
    fn of(message: &Message, order: Uuid, step: &'static str) -> Result<Self, Verdict> {
        let saga = message.saga_id.ok_or_else(|| Verdict::Park {
            reason: "no_saga",
            detail: format!("{} asks for the step {step} and names no saga", message.kind),
        })?;
        // An event that starts a step answers another one, whose epoch it carries; only an
        // operator's copy of it is made out to this step.
        let epoch = if message.step.as_deref() == Some(step) { message.epoch } else { 0 };
        Ok(Self { saga, order, step, epoch })
    }
}

fn data<P: Payload>(message: &Message) -> Result<P, Verdict> {
    message.payload().map_err(|error| Verdict::malformed(&error))
}

fn news(message: &Message, pet: Uuid, status: Option<PetStatus>) -> Result<Request, Verdict> {
    Ok(match change(message, pet, status)? {
        None => Request::Nothing("the event changed no pet"),
        change => Request::Pet { change, reserve: None },
    })
}

fn reserved(message: &Message, event: PetReserved) -> Result<Request, Verdict> {
    let change = change(message, event.pet, Some(event.status))?;
    if event.items.is_empty() {
        return Ok(Request::Pet { change, reserve: None });
    }
    let asked = Asked::of(message, event.order, RESERVE_INVENTORY)?;
    let reserve = Reserve { asked, items: event.items, pet_price: event.price };
    Ok(Request::Pet { change, reserve: Some(reserve) })
}

fn approved(message: &Message, event: &OrderApproved) -> Result<Request, Verdict> {
    if event.items.is_empty() {
        return Ok(Request::Nothing("the order has no supplies"));
    }
    Ok(Request::Commit(Asked::of(message, event.order, COMMIT_INVENTORY)?))
}

/// What the event tells of the pet; nothing without a version, as then nothing changed.
fn change(message: &Message, pet: Uuid, status: Option<PetStatus>) -> Result<Option<PetChange>, Verdict> {
    let Some(version) = message.aggregate_version else { return Ok(None) };
    if version == 0 || i64::try_from(version).is_err() {
        let why = format!("aggregateversion {version} is not between 1 and {}", i64::MAX);
        return Err(Verdict::malformed(&PayloadError::Malformed { kind: "a pet event", why }));
    }
    Ok(Some(PetChange { pet, after: Pet { status, version } }))
}
