//! What becomes of a request: pure, on what the batch has locked.

use saga_contract::messages::{InventoryRefused, InventoryReleased};
use saga_contract::processes::INVENTORY_SERVICE;
use saga_contract::{Items, Reason};
use saga_runtime::core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_runtime::core::{Body, Ids, Message, Payload, PayloadError, Time};
use saga_runtime::{Effects, Verdict};

use super::request::{Asked, Request, Reserve};
use crate::domain::{Contradiction, Demand, Generations, NotReserved, Warehouse};

/// All that requests are decided on, changed as they are.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The supplies and reservations.
    pub warehouse: Warehouse,
    /// The read model of the pets.
    pub pets: Generations,
    /// What became of each step.
    pub effects: Effects,
}

/// One request, about to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Forges the ids of the answers.
    pub ids: &'a Ids,
    /// The message that asks.
    pub cause: &'a Message,
    /// The time of the batch.
    pub now: Time,
}

impl Inventory {
    /// Decides a request: what changes here, and what is told.
    ///
    /// # Errors
    /// [`PayloadError`] when an answer cannot be written as JSON.
    pub fn decide(&mut self, request: Request, turn: Turn<'_>) -> Result<Verdict, PayloadError> {
        match request {
            Request::Nothing(why) => Ok(Verdict::ignored(why)),
            Request::Release(asked) => self.release(asked, turn),
            Request::Commit(asked) => self.commit(asked, turn),
            Request::Pet { change, reserve: None } => {
                let news = change.is_some_and(|change| self.pets.apply(change));
                Ok(if news { Verdict::send(Vec::new()) } else { Verdict::no_news() })
            }
            Request::Pet { change, reserve: Some(reserve) } => {
                let verdict = self.reserve(&reserve, turn)?;
                // What is set aside for an operator has changed nothing, the read model included.
                if let (Verdict::Done(_), Some(change)) = (&verdict, change) {
                    self.pets.apply(change);
                }
                Ok(verdict)
            }
        }
    }

    fn reserve(&mut self, reserve: &Reserve, turn: Turn<'_>) -> Result<Verdict, PayloadError> {
        let Reserve { asked, items, pet_price } = reserve;
        match on_do(self.effects.get(asked.saga, asked.step), asked.epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                let refused = InventoryRefused { order: asked.order, reason: Reason::CANCELLED, sku: None };
                return Ok(Verdict::send(vec![turn.tell(*asked, &refused, None)?]));
            }
            OnDo::Perform => {}
        }
        let demand = Demand { saga: asked.saga, order: asked.order, items, pet_price: *pet_price };
        match self.warehouse.reserve(demand) {
            Ok(done) => self.answer(*asked, EffectState::Done, turn.tell(*asked, &done.event, done.version)?),
            Err(NotReserved::Refused(event)) => {
                self.answer(*asked, EffectState::Refused, turn.tell(*asked, &event, None)?)
            }
            Err(NotReserved::Contradiction(why)) => Ok(park(why)),
        }
    }

    fn release(&mut self, asked: Asked, turn: Turn<'_>) -> Result<Verdict, PayloadError> {
        let nothing = InventoryReleased { order: asked.order, items: Items::none() };
        match on_undo(self.effects.get(asked.saga, asked.step), asked.epoch) {
            OnUndo::AnswerAgain(answer) => Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => Ok(Verdict::send(vec![turn.tell(asked, &nothing, None)?])),
            OnUndo::Bury => self.answer(asked, EffectState::Undone, turn.tell(asked, &nothing, None)?),
            OnUndo::Revert => match self.warehouse.release(asked.saga, asked.order) {
                Ok(done) => self.answer(asked, EffectState::Undone, turn.tell(asked, &done.event, done.version)?),
                Err(why) => Ok(park(why)),
            },
        }
    }

    fn commit(&mut self, asked: Asked, turn: Turn<'_>) -> Result<Verdict, PayloadError> {
        match on_do(self.effects.get(asked.saga, asked.step), asked.epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            // Nothing undoes this step, so nothing can have cancelled it.
            OnDo::RefuseCancelled => return Ok(park(Contradiction::Released)),
            OnDo::Perform => {}
        }
        match self.warehouse.commit(asked.saga, asked.order) {
            Ok(done) => self.answer(asked, EffectState::Done, turn.tell(asked, &done.event, done.version)?),
            Err(why @ Contradiction::Nothing) => Ok(Verdict::PutOff { reason: why.to_string() }),
            Err(why) => Ok(park(why)),
        }
    }

    /// Remembers what became of a step, and answers.
    fn answer(&mut self, asked: Asked, state: EffectState, answer: Message) -> Result<Verdict, PayloadError> {
        let effect = Effect { epoch: asked.epoch, state, answer: answer.reference() };
        self.effects.set(asked.saga, asked.step, effect);
        Ok(Verdict::send(vec![answer]))
    }
}

impl Turn<'_> {
    /// The event that this request leads to.
    fn tell<P: Payload>(&self, asked: Asked, event: &P, version: Option<u64>) -> Result<Message, PayloadError> {
        let id = self.ids.event_caused(self.cause.id, P::TYPE);
        let subject = asked.order.to_string();
        let told = Message::caused_by(self.cause, id, INVENTORY_SERVICE, subject, Body::of(event)?, self.now)
            .for_step(asked.step, asked.epoch);
        Ok(match version {
            Some(version) => told.at_version(version),
            None => told,
        })
    }
}

fn park(why: Contradiction) -> Verdict {
    Verdict::Park { reason: why.reason(), detail: why.to_string() }
}
