//! What pet-service answers to the requests of sagas: pure, on pets and effects in memory.

use saga_contract::messages::{
    OrderApproved, PetReleased, PetReservationRefused, PetReserved, PetSold, ReleasePet, ReservePet,
};
use saga_contract::{PetNumber, PetStatus, Reason};
use saga_runtime::core::effect::{EffectState, OnDo, OnUndo};
use saga_runtime::core::{Body, Message, PayloadError, Time};
use saga_runtime::store::Writes;
use saga_runtime::{Answers, Effects, StepRequest, Verdict};

use super::{Asked, Request};
use crate::domain::{AlreadySold, Holder, Pet, State};
use crate::store::Pets;

/// Answers requests one after the other; a later one sees what an earlier one changed.
#[derive(Debug)]
pub struct Participant {
    pets: Pets,
    effects: Effects,
}

impl Participant {
    /// A participant that knows these pets, and what became of these steps.
    #[must_use]
    pub fn new(pets: Pets, effects: Effects) -> Self {
        Self { pets, effects }
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
    pub fn answer(&mut self, asked: Asked<'_>, answers: Answers<'_>) -> Verdict {
        let Asked { step, request } = asked;
        if let Some(parked) = self.mistaken(&request) {
            return parked;
        }
        let answered = match request {
            Request::Reserve(command) => self.reserve(step, command, answers),
            Request::Release(command) => self.release(step, &command, answers),
            Request::Sell(event) => self.sell(step, &event, answers),
        };
        answered.unwrap_or_else(Verdict::from)
    }

    /// A request whose pet's number and id do not belong together is for a person: most likely
    /// two processes forge their ids with different salts.
    fn mistaken(&self, request: &Request) -> Option<Verdict> {
        let (number, id) = request.pet();
        let stored = self.pets.get(number)?.id;
        let detail = format!("the id of pet {number} is {stored}, not {id}; do all processes have the same salt?");
        (stored != id).then_some(Verdict::Park { reason: "malformed_data", detail })
    }

    fn reserve(
        &mut self,
        step: StepRequest<'_>,
        command: ReservePet,
        answers: Answers<'_>,
    ) -> Result<Verdict, PayloadError> {
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                return Ok(Verdict::send(vec![refusal(step, &command, Reason::CANCELLED, answers)?]));
            }
            OnDo::Perform => {}
        }
        let by = Holder { order: command.order, saga: step.saga };
        let reserved = match self.pets.get(command.pet_id) {
            Some(pet) => pet.reserve(by, command.quantity).map(|next| (pet.clone(), next)),
            None => Err(Reason::PET_UNKNOWN),
        };
        match reserved {
            Ok((pet, next)) => {
                let body = Body::of(&reserved_event(next.as_ref().unwrap_or(&pet), command))?;
                let answer = answers.to(step, pet.id, body, version_of(next.as_ref()));
                Ok(self.done(step, EffectState::Done, answer, next))
            }
            Err(reason) => {
                let answer = refusal(step, &command, reason, answers)?;
                Ok(self.done(step, EffectState::Refused, answer, None))
            }
        }
    }

    fn release(
        &mut self,
        step: StepRequest<'_>,
        command: &ReleasePet,
        answers: Answers<'_>,
    ) -> Result<Verdict, PayloadError> {
        match self.effects.on_undo(step) {
            OnUndo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => return Ok(Verdict::send(vec![released(step, command, None, answers)?])),
            OnUndo::Bury | OnUndo::Revert => {}
        }
        let by = Holder { order: command.order, saga: step.saga };
        let next = match self.pets.get(command.pet_id).map(|pet| pet.release(by)) {
            Some(Ok(next)) => next,
            Some(Err(AlreadySold)) => return Ok(sold_already(command)),
            None => None,
        };
        let answer = released(step, command, next.as_ref(), answers)?;
        Ok(self.done(step, EffectState::Undone, answer, next))
    }

    fn sell(
        &mut self,
        step: StepRequest<'_>,
        event: &OrderApproved,
        answers: Answers<'_>,
    ) -> Result<Verdict, PayloadError> {
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            // Nothing undoes a sale, so nothing can have overtaken it.
            OnDo::RefuseCancelled | OnDo::Perform => {}
        }
        let to = Holder { order: event.order, saga: step.saga };
        let pet = self.pets.get(event.pet_id);
        let Some(Ok(next)) = pet.map(|pet| pet.sell(to)) else {
            return Ok(not_reserved(event, pet));
        };
        let OrderApproved { pet, pet_id, order, .. } = *event;
        let body = Body::of(&PetSold { pet, pet_id, order, status: PetStatus::Sold })?;
        let answer = answers.to(step, pet, body, version_of(next.as_ref()));
        Ok(self.done(step, EffectState::Done, answer, next))
    }

    /// Remembers what became of a step, and the pet if it changed.
    fn done(&mut self, step: StepRequest<'_>, state: EffectState, answer: Message, changed: Option<Pet>) -> Verdict {
        changed.into_iter().for_each(|pet| self.pets.set(pet));
        self.effects.settle(step, state, answer)
    }
}

/// The version that an answer carries: only when the pet changed.
fn version_of(changed: Option<&Pet>) -> Option<u64> {
    changed.map(|pet| pet.version)
}

fn refusal(
    step: StepRequest<'_>,
    command: &ReservePet,
    reason: Reason,
    answers: Answers<'_>,
) -> Result<Message, PayloadError> {
    let ReservePet { pet, pet_id, order, .. } = *command;
    Ok(answers.to(step, pet, Body::of(&PetReservationRefused { pet, pet_id, order, reason })?, None))
}

fn released(
    step: StepRequest<'_>,
    command: &ReleasePet,
    changed: Option<&Pet>,
    answers: Answers<'_>,
) -> Result<Message, PayloadError> {
    let ReleasePet { pet, pet_id, order, .. } = *command;
    let status = changed.and_then(|pet| pet.state.status());
    Ok(answers.to(step, pet, Body::of(&PetReleased { pet, pet_id, order, status })?, version_of(changed)))
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
