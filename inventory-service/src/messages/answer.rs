//! What becomes of a request: pure, on what the batch has locked.

use saga_contract::messages::{InventoryRefused, InventoryReleased};
use saga_contract::{Items, Reason};
use saga_runtime::core::effect::{EffectState, OnDo, OnUndo};
use saga_runtime::core::{Body, PayloadError};
use saga_runtime::{Answers, Effects, Verdict};

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

impl Inventory {
    /// Decides a request: what changes here, and what is told.
    ///
    /// # Errors
    /// [`PayloadError`] when an answer cannot be written as JSON: nothing of the batch may happen.
    pub fn decide(&mut self, request: Request<'_>, answers: Answers<'_>) -> Result<Verdict, PayloadError> {
        match request {
            Request::Nothing(why) => Ok(Verdict::ignored(why)),
            Request::Release(asked) => self.release(asked, answers),
            Request::Commit(asked) => self.commit(asked, answers),
            Request::Pet { change, reserve: None } => {
                let news = change.is_some_and(|change| self.pets.apply(change));
                Ok(if news { Verdict::send(Vec::new()) } else { Verdict::no_news() })
            }
            Request::Pet { change, reserve: Some(reserve) } => {
                let verdict = self.reserve(&reserve, answers)?;
                // What is set aside for an operator has changed nothing, the read model included.
                if let (Verdict::Done(_), Some(change)) = (&verdict, change) {
                    self.pets.apply(change);
                }
                Ok(verdict)
            }
        }
    }

    fn reserve(&mut self, reserve: &Reserve<'_>, answers: Answers<'_>) -> Result<Verdict, PayloadError> {
        let Reserve { asked: Asked { step, order }, items, pet_price } = reserve;
        let (step, order) = (*step, *order);
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                let refused = Body::of(&InventoryRefused { order, reason: Reason::CANCELLED, sku: None })?;
                return Ok(Verdict::send(vec![answers.to(step, order, refused, None)]));
            }
            OnDo::Perform => {}
        }
        let demand = Demand { saga: step.saga, order, items, pet_price: *pet_price };
        let (state, body, version) = match self.warehouse.reserve(demand) {
            Ok(done) => (EffectState::Done, Body::of(&done.event)?, done.version),
            Err(NotReserved::Refused(event)) => (EffectState::Refused, Body::of(&event)?, None),
            Err(NotReserved::Contradiction(why)) => return Ok(park(why)),
        };
        Ok(self.effects.settle(step, state, answers.to(step, order, body, version)))
    }

    fn release(&mut self, asked: Asked<'_>, answers: Answers<'_>) -> Result<Verdict, PayloadError> {
        let Asked { step, order } = asked;
        let nothing = || Body::of(&InventoryReleased { order, items: Items::none() });
        let (body, version) = match self.effects.on_undo(step) {
            OnUndo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => return Ok(Verdict::send(vec![answers.to(step, order, nothing()?, None)])),
            OnUndo::Bury => (nothing()?, None),
            OnUndo::Revert => match self.warehouse.release(step.saga, order) {
                Ok(done) => (Body::of(&done.event)?, done.version),
                Err(why) => return Ok(park(why)),
            },
        };
        Ok(self.effects.settle(step, EffectState::Undone, answers.to(step, order, body, version)))
    }

    fn commit(&mut self, asked: Asked<'_>, answers: Answers<'_>) -> Result<Verdict, PayloadError> {
        let Asked { step, order } = asked;
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            // Nothing undoes this step, so nothing can have cancelled it.
            OnDo::RefuseCancelled => return Ok(park(Contradiction::Released)),
            OnDo::Perform => {}
        }
        match self.warehouse.commit(step.saga, order) {
            Ok(done) => {
                let answer = answers.to(step, order, Body::of(&done.event)?, done.version);
                Ok(self.effects.settle(step, EffectState::Done, answer))
            }
            Err(why @ Contradiction::Nothing) => Ok(Verdict::PutOff { reason: why.to_string() }),
            Err(why) => Ok(park(why)),
        }
    }
}

fn park(why: Contradiction) -> Verdict {
    Verdict::Park { reason: why.reason(), detail: why.to_string() }
}
