//! What pet-service answers to the requests of sagas: pure, on pets and effects in memory.

use saga_contract::messages::{
    OrderApproved, PetReleased, PetReservationRefused, PetReserved, PetSold, ReleasePet, ReservePet,
};
use saga_contract::{PetNumber, PetStatus, Reason, processes, steps};
use saga_runtime::core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_runtime::core::{Body, Ids, Message, PayloadError, Time};
use saga_runtime::store::Writes;
use saga_runtime::{Effects, Verdict};
use uuid::Uuid;

use super::{Asked, Request};
use crate::domain::{AlreadySold, Holder, Pet, State};
use crate::store::Pets;

/// Answers requests one after the other; a later one sees what an earlier one changed.
#[derive(Debug)]
pub struct Participant {
    ids: Ids,
    pets: Pets,
    effects: Effects,
}

/// The message that asks, and what is needed to answer it.
#[derive(Clone, Copy)]
struct Cause<'a> {
    message: &'a Message,
    saga: Uuid,
    epoch: u32,
    now: Time,
}

impl Participant {
    /// A participant that knows these pets, and what became of these steps.
    #[must_use]
    pub fn new(ids: Ids, pets: Pets, effects: Effects) -> Self {
        Self { ids, pets, effects }
    }

    /// What it knows of a pet by now.
    #[must_use]
    pub fn pet(&self, number: PetNumber) -> Option<&Pet> {
        self.pets.get(number)
    }

    /// What it remembers of its steps by now.
    #[must_use]
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// What was changed.
    #[must_use]
    pub fn writes(self, now: Time) -> Writes {
        self.pets.writes().and(self.effects.writes(now))
    }

    /// Does what a message asks for, once, and answers it.
    pub fn answer(&mut self, message: &Message, asked: Asked, now: Time) -> Verdict {
        let Asked { saga, epoch, request } = asked;
        let cause = Cause { message, saga, epoch, now };
        if let Some(parked) = self.mistaken(&request) {
            return parked;
        }
        let answered = match request {
            Request::Reserve(command) => self.reserve(cause, command),
            Request::Release(command) => self.release(cause, &command),
            Request::Sell(event) => self.sell(cause, &event),
        };
        answered.unwrap_or_else(|error| Verdict::malformed(&error))
    }

    /// A request whose pet's number and id do not belong together is for a person: most likely
    /// two processes forge their ids with different salts.
    fn mistaken(&self, request: &Request) -> Option<Verdict> {
        let (number, id) = request.pet();
        let stored = self.pets.get(number)?.id;
        let detail = format!("the id of pet {number} is {stored}, not {id}; do all processes have the same salt?");
        (stored != id).then_some(Verdict::Park { reason: "malformed_data", detail })
    }

    fn reserve(&mut self, cause: Cause<'_>, command: ReservePet) -> Result<Verdict, PayloadError> {
        match on_do(self.remembered(cause.saga, steps::RESERVE_PET), cause.epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                return Ok(Verdict::send(vec![self.refusal(cause, &command, Reason::CANCELLED)?]));
            }
            OnDo::Perform => {}
        }
        let by = Holder { order: command.order, saga: cause.saga };
        let reserved = match self.pets.get(command.pet_id) {
            Some(pet) => pet.reserve(by, command.quantity).map(|next| (pet.clone(), next)),
            None => Err(Reason::PET_UNKNOWN),
        };
        match reserved {
            Ok((pet, next)) => {
                let body = Body::of(&reserved_event(next.as_ref().unwrap_or(&pet), command))?;
                let answer = self.answer_to(cause, steps::RESERVE_PET, pet.id, body, next.as_ref());
                Ok(self.done(cause, steps::RESERVE_PET, EffectState::Done, answer, next))
            }
            Err(reason) => {
                let answer = self.refusal(cause, &command, reason)?;
                Ok(self.done(cause, steps::RESERVE_PET, EffectState::Refused, answer, None))
            }
        }
    }

    fn release(&mut self, cause: Cause<'_>, command: &ReleasePet) -> Result<Verdict, PayloadError> {
        match on_undo(self.remembered(cause.saga, steps::RESERVE_PET), cause.epoch) {
            OnUndo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => return Ok(Verdict::send(vec![self.released(cause, command, None)?])),
            OnUndo::Bury | OnUndo::Revert => {}
        }
        let by = Holder { order: command.order, saga: cause.saga };
        let next = match self.pets.get(command.pet_id).map(|pet| pet.release(by)) {
            Some(Ok(next)) => next,
            Some(Err(AlreadySold)) => return Ok(sold_already(command)),
            None => None,
        };
        let answer = self.released(cause, command, next.as_ref())?;
        Ok(self.done(cause, steps::RESERVE_PET, EffectState::Undone, answer, next))
    }

    fn sell(&mut self, cause: Cause<'_>, event: &OrderApproved) -> Result<Verdict, PayloadError> {
        match on_do(self.remembered(cause.saga, steps::SELL_PET), cause.epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            // Nothing undoes a sale, so nothing can have overtaken it.
            OnDo::RefuseCancelled | OnDo::Perform => {}
        }
        let to = Holder { order: event.order, saga: cause.saga };
        let pet = self.pets.get(event.pet_id);
        let Some(Ok(next)) = pet.map(|pet| pet.sell(to)) else {
            return Ok(not_reserved(event, pet));
        };
        let OrderApproved { pet, pet_id, order, .. } = *event;
        let body = Body::of(&PetSold { pet, pet_id, order, status: PetStatus::Sold })?;
        let answer = self.answer_to(cause, steps::SELL_PET, pet, body, next.as_ref());
        Ok(self.done(cause, steps::SELL_PET, EffectState::Done, answer, next))
    }

    fn remembered(&self, saga: Uuid, step: &str) -> Option<&Effect> {
        self.effects.get(saga, step)
    }

    /// Remembers what became of a step, and the pet if it changed.
    fn done(
        &mut self,
        cause: Cause<'_>,
        step: &'static str,
        state: EffectState,
        answer: Message,
        changed: Option<Pet>,
    ) -> Verdict {
        let effect = Effect { epoch: cause.epoch, state, answer: answer.reference() };
        self.effects.set(cause.saga, step, effect);
        changed.into_iter().for_each(|pet| self.pets.set(pet));
        Verdict::send(vec![answer])
    }

    /// An answer; it carries a version only when the pet changed.
    fn answer_to(&self, cause: Cause<'_>, step: &str, pet: Uuid, body: Body, changed: Option<&Pet>) -> Message {
        let id = self.ids.event_caused(cause.message.id, body.kind);
        let subject = pet.to_string();
        let answer = Message::caused_by(cause.message, id, processes::PET_SERVICE, subject, body, cause.now)
            .for_step(step, cause.epoch);
        match changed {
            Some(pet) => answer.at_version(pet.version),
            None => answer,
        }
    }

    fn refusal(&self, cause: Cause<'_>, command: &ReservePet, reason: Reason) -> Result<Message, PayloadError> {
        let ReservePet { pet, pet_id, order, .. } = *command;
        let body = Body::of(&PetReservationRefused { pet, pet_id, order, reason })?;
        Ok(self.answer_to(cause, steps::RESERVE_PET, pet, body, None))
    }

    fn released(&self, cause: Cause<'_>, command: &ReleasePet, changed: Option<&Pet>) -> Result<Message, PayloadError> {
        let ReleasePet { pet, pet_id, order, .. } = *command;
        let status = changed.and_then(|pet| pet.state.status());
        let body = Body::of(&PetReleased { pet, pet_id, order, status })?;
        Ok(self.answer_to(cause, steps::RESERVE_PET, pet, body, changed))
    }
}

fn reserved_event(pet: &Pet, command: ReservePet) -> PetReserved {
    let ReservePet { order, order_id, user_id, quantity, items, ship_date, .. } = command;
    PetReserved {
        pet: pet.id,
        pet_id: pet.number,
        name: pet.entry.name.clone(),
        status: PetStatus::Pending,
        price: pet.entry.price,
        order,
        order_id,
        user_id,
        quantity,
        items,
        ship_date,
    }
}

fn sold_already(command: &ReleasePet) -> Verdict {
    let ReleasePet { pet_id, order, .. } = command;
    let detail = format!("pet {pet_id} was sold to order {order}: what is past the point of no return is not undone");
    Verdict::Park { reason: "pet_sold", detail }
}

fn not_reserved(event: &OrderApproved, pet: Option<&Pet>) -> Verdict {
    let stands = match pet.map(|pet| pet.state) {
        None => "unknown".to_owned(),
        Some(State::Available) => "available".to_owned(),
        Some(State::Reserved(by)) => format!("reserved by order {}", by.order),
        Some(State::Sold(to)) => format!("sold to order {}", to.order),
        Some(State::Deleted) => "deleted".to_owned(),
    };
    let detail = format!("order {} is approved for pet {}, which is {stands}", event.order, event.pet_id);
    Verdict::Park { reason: "pet_not_reserved", detail }
}
