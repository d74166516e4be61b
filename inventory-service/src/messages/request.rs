//! What a message asks of this service.

use saga_contract::messages::{
    OrderApproved, PetCreated, PetDeleted, PetReleased, PetReserved, PetSold, PetUpdated, ReleaseInventory,
};
use saga_contract::steps::{COMMIT_INVENTORY, RESERVE_INVENTORY};
use saga_contract::{Items, Money, PetStatus};
use saga_runtime::core::{Message, Payload, PayloadError};
use saga_runtime::{StepRequest, Verdict};
use uuid::Uuid;

use crate::domain::{Pet, PetChange};
use crate::store::Touched;

/// What a message asks of this service.
#[derive(Debug, Clone, PartialEq)]
pub enum Request<'a> {
    /// A pet's event: news for the read model, and perhaps supplies to reserve.
    Pet {
        /// The news; none when the event changed nothing.
        change: Option<PetChange>,
        /// What its order wants besides.
        reserve: Option<Reserve<'a>>,
    },
    /// Put back what is set aside.
    Release(Asked<'a>),
    /// Hand out what is set aside.
    Commit(Asked<'a>),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// Supplies to reserve.
#[derive(Debug, Clone, PartialEq)]
pub struct Reserve<'a> {
    /// For whom.
    pub asked: Asked<'a>,
    /// Which.
    pub items: Items,
    /// What the pet of the order costs.
    pub pet_price: Money,
}

/// A step to be done or undone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    /// Which.
    pub step: StepRequest<'a>,
    /// The saga's order.
    pub order: Uuid,
}

impl<'a> Request<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// The verdict on one that cannot be read: it is parked.
    pub fn read(message: &'a Message) -> Result<Self, Verdict> {
        match message.kind.as_str() {
            PetCreated::TYPE => {
                let PetCreated { pet, status, .. } = message.payload()?;
                news(message, pet, Some(status))
            }
            PetUpdated::TYPE => {
                let PetUpdated { pet, status, .. } = message.payload()?;
                news(message, pet, Some(status))
            }
            PetDeleted::TYPE => {
                let PetDeleted { pet, .. } = message.payload()?;
                news(message, pet, None)
            }
            PetSold::TYPE => {
                let PetSold { pet, status, .. } = message.payload()?;
                news(message, pet, Some(status))
            }
            PetReleased::TYPE => match message.payload()? {
                PetReleased { pet, status: Some(status), .. } => news(message, pet, Some(status)),
                PetReleased { status: None, .. } => Ok(Self::Nothing("the pet was never reserved")),
            },
            PetReserved::TYPE => reserved(message, message.payload()?),
            ReleaseInventory::TYPE => {
                let ReleaseInventory { order } = message.payload()?;
                Ok(Self::Release(Asked { step: StepRequest::to_undo(message, RESERVE_INVENTORY)?, order }))
            }
            OrderApproved::TYPE => approved(message, &message.payload()?),
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
                    touched.sagas.insert(asked.step.saga);
                    touched.supplies.extend(items.iter().map(|item| item.sku.clone()));
                }
            }
            Self::Release(asked) | Self::Commit(asked) => drop(touched.sagas.insert(asked.step.saga)),
            Self::Nothing(_) => {}
        }
    }

    /// The step that it is about, if it is about one.
    #[must_use]
    pub fn step(&self) -> Option<StepRequest<'a>> {
        match self {
            Self::Pet { reserve, .. } => reserve.as_ref().map(|reserve| reserve.asked.step),
            Self::Release(asked) | Self::Commit(asked) => Some(asked.step),
            Self::Nothing(_) => None,
        }
    }
}

fn news<'a>(message: &'a Message, pet: Uuid, status: Option<PetStatus>) -> Result<Request<'a>, Verdict> {
    Ok(match change(message, pet, status)? {
        None => Request::Nothing("the event changed no pet"),
        change => Request::Pet { change, reserve: None },
    })
}

fn reserved(message: &Message, event: PetReserved) -> Result<Request<'_>, Verdict> {
    let change = change(message, event.pet, Some(event.status))?;
    if event.items.is_empty() {
        return Ok(Request::Pet { change, reserve: None });
    }
    let asked = Asked { step: StepRequest::to_do(message, RESERVE_INVENTORY)?, order: event.order };
    let reserve = Reserve { asked, items: event.items, pet_price: event.price };
    Ok(Request::Pet { change, reserve: Some(reserve) })
}

fn approved<'a>(message: &'a Message, event: &OrderApproved) -> Result<Request<'a>, Verdict> {
    if event.items.is_empty() {
        return Ok(Request::Nothing("the order has no supplies"));
    }
    Ok(Request::Commit(Asked { step: StepRequest::to_do(message, COMMIT_INVENTORY)?, order: event.order }))
}

/// What the event tells of the pet; nothing without a version, as then nothing changed.
fn change(message: &Message, pet: Uuid, status: Option<PetStatus>) -> Result<Option<PetChange>, Verdict> {
    let Some(version) = message.aggregate_version else { return Ok(None) };
    if version == 0 || i64::try_from(version).is_err() {
        let why = format!("aggregateversion {version} is not between 1 and {}", i64::MAX);
        return Err(PayloadError::Malformed { kind: "a pet event", why }.into());
    }
    Ok(Some(PetChange { pet, after: Pet { status, version } }))
}
