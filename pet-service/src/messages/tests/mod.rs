//! Given pets, when these messages come, then these answers go out: without a database or a broker.

mod batches;
mod properties;
mod release;
mod reserve;
mod sell;
mod wrong;

use idforge::Salt;
use saga_contract::messages::{OrderApproved, ReleasePet, ReservePet};
use saga_contract::{Currency, Items, Money, Names, OrderNumber, PetNumber, Quantity, Reason, processes, steps};
use saga_runtime::core::{Body, Direction, Ids, Message, Outcome, Payload, Time};
use saga_runtime::{Effects, Output, Verdict};
use time::macros::datetime;
use uuid::Uuid;

use super::{Asked, Participant, answers};
use crate::domain::{Draft, Pet, State};
use crate::store::Pets;

const NOW: Time = datetime!(2026-11-20 12:00 UTC);

/// Messages by the number of the saga, so that a test reads as a list of what comes.
struct Shop {
    participant: Participant,
    ids: Ids,
    names: Names,
}

/// One saga, for one order, for one pet.
#[derive(Debug, Clone, Copy)]
struct Saga {
    n: u128,
    pet: i64,
}

impl Shop {
    /// Pet 12 is available; no other is known.
    fn new() -> Self {
        let salt = Salt::new("a salt for tests that is long enough").unwrap();
        let (ids, names) = (Ids::new(&salt, "petstore.example"), Names::new(&salt, "petstore.example"));
        let number = PetNumber::new(12).unwrap();
        let draft = Draft { name: "Miso".to_owned(), price: Some(25_000), ..Draft::default() };
        let pets = Pets::of([Pet::born(number, names.pet(number), draft).unwrap()]);
        Self { participant: Participant::new(pets, Effects::default()), ids, names }
    }

    fn comes(&mut self, message: &Message) -> Verdict {
        match Asked::parse(message) {
            Ok(asked) => self.participant.answer(asked, answers(&self.ids, NOW)),
            Err(parked) => parked,
        }
    }

    /// The one answer to a message that makes sense.
    fn answer(&mut self, message: &Message) -> Message {
        let verdict = self.comes(message);
        let Verdict::Done(Output { mut send, resend, .. }) = verdict else { panic!("{verdict:?} is no answer") };
        assert_eq!((send.len(), resend.len()), (1, 0), "one answer");
        send.remove(0).message
    }

    fn state(&self) -> State {
        self.miso().state
    }

    fn miso(&self) -> &Pet {
        self.participant.pet(PetNumber::new(12).unwrap()).unwrap()
    }

    fn pet_of(&self, saga: Saga) -> (PetNumber, Uuid) {
        let number = PetNumber::new(saga.pet).unwrap();
        (number, self.names.pet(number))
    }

    fn reserve(&self, saga: Saga) -> Message {
        self.reserve_at(saga, 0)
    }

    fn reserve_at(&self, saga: Saga, epoch: u32) -> Message {
        self.command(saga, &self.reserve_command(saga), Direction::Do, epoch)
    }

    fn reserve_command(&self, saga: Saga) -> ReservePet {
        let (pet_id, pet) = self.pet_of(saga);
        ReservePet {
            pet,
            pet_id,
            order: saga.order(),
            order_id: OrderNumber::new(1001).unwrap(),
            user_id: Uuid::from_u128(5),
            quantity: Quantity::ONE,
            items: Items::none(),
            ship_date: None,
        }
    }

    fn release(&self, saga: Saga) -> Message {
        self.release_at(saga, 0)
    }

    fn release_at(&self, saga: Saga, epoch: u32) -> Message {
        let (pet_id, pet) = self.pet_of(saga);
        let (order, outcome, reason) = (saga.order(), Outcome::Rejected, Reason::OUT_OF_STOCK);
        self.command(saga, &ReleasePet { pet, pet_id, order, outcome, reason }, Direction::Undo, epoch)
    }

    fn command<P: Payload>(&self, saga: Saga, payload: &P, direction: Direction, epoch: u32) -> Message {
        let id = self.ids.command(saga.id(), steps::RESERVE_PET, direction, epoch);
        let message = Message::new(id, processes::SAGA, "subject", Body::of(payload).unwrap(), NOW);
        saga.owns(message).for_step(steps::RESERVE_PET, epoch)
    }

    /// The event as order-service sends it: for its own step.
    fn approved(&self, saga: Saga) -> Message {
        let id = self.ids.command(saga.id(), steps::APPROVE_ORDER, Direction::Do, 0);
        self.approved_for(saga, id, steps::APPROVE_ORDER, 3)
    }

    fn approved_for(&self, saga: Saga, cause: Uuid, step: &str, epoch: u32) -> Message {
        let (pet_id, pet) = self.pet_of(saga);
        let event = OrderApproved {
            order: saga.order(),
            order_id: OrderNumber::new(1001).unwrap(),
            pet,
            pet_id,
            user_id: Uuid::from_u128(5),
            items: Items::none(),
            total: Money::new(25_000, Currency::EUR).unwrap(),
        };
        let id = self.ids.event_caused(cause, OrderApproved::TYPE);
        let message = Message::new(id, processes::ORDER_SERVICE, "subject", Body::of(&event).unwrap(), NOW);
        saga.owns(message).for_step(step, epoch)
    }
}

impl Saga {
    fn id(self) -> Uuid {
        Uuid::from_u128(self.n + 1000)
    }

    fn order(self) -> Uuid {
        Uuid::from_u128(self.n + 2000)
    }

    fn holder(self) -> crate::domain::Holder {
        crate::domain::Holder { order: self.order(), saga: self.id() }
    }

    fn owns(self, mut message: Message) -> Message {
        message.saga_id = Some(self.id());
        message.correlation_id = Uuid::from_u128(self.n + 3000);
        message
    }
}

fn saga(n: u128) -> Saga {
    Saga { n, pet: 12 }
}

/// Which recorded answer goes out again.
fn again(verdict: &Verdict) -> Uuid {
    let Verdict::Done(Output { send, resend, .. }) = verdict else { panic!("{verdict:?} is no answer") };
    assert_eq!((send.len(), resend.len()), (0, 1), "the recorded answer");
    resend[0].message.id
}

/// Why it is set aside.
fn parked(verdict: &Verdict) -> (&'static str, &str) {
    let Verdict::Park { reason, detail } = verdict else { panic!("{verdict:?} is not parked") };
    (reason, detail)
}

/// The same message, but for something.
fn but(mut message: Message, change: impl FnOnce(&mut Message)) -> Message {
    change(&mut message);
    message
}
