//! The messages that pet-service takes: as a participant of the order saga it reserves pets, gives
//! them back and sells them.

mod participant;
mod request;
#[cfg(test)]
mod tests;

use saga_contract::processes;
use saga_runtime::core::{Ids, Message, Time};
use saga_runtime::store::together;
use saga_runtime::{Answers, Decided, Effects, Handler, Handling, StoreError, Transaction, Verdict};

use crate::store::Pets;

pub use participant::Participant;
pub use request::{Asked, Request};

/// Who answers here, with ids that these forge.
#[must_use]
pub fn answers(ids: &Ids, now: Time) -> Answers<'_> {
    Answers { ids, source: processes::PET_SERVICE, now }
}

/// Handles the messages of `pet.commands` and `pet.order-events`.
#[derive(Debug, Clone)]
pub struct PetHandler {
    ids: Ids,
}

impl PetHandler {
    /// A handler that forges the ids of its answers so.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Self { ids }
    }

    /// Locks pets and then effects, each in the order of their keys, so that no two batches wait
    /// for each other; decides in memory; writes once.
    async fn handle_batch<'a>(
        &self,
        transaction: &'a Transaction<'a>,
        batch: &[&Message],
        now: Time,
    ) -> Result<Decided, StoreError> {
        let asked: Vec<Result<Asked<'_>, Verdict>> = batch.iter().copied().map(Asked::parse).collect();
        let good = || asked.iter().flatten();
        let pets = Pets::lock(transaction, good().map(Asked::pet_number));
        let effects = Effects::lock(transaction, good().map(|asked| asked.step));
        let (pets, effects) = together(pets, effects).await?;
        let answers = answers(&self.ids, now);
        let mut participant = Participant::new(pets, effects);
        let answer = |asked: Result<Asked<'_>, Verdict>| {
            asked.map_or_else(|parked| parked, |asked| participant.answer(asked, answers))
        };
        let verdicts = asked.into_iter().map(answer).collect();
        Ok(Decided::new(verdicts, participant.writes(now)))
    }
}

impl Handler for PetHandler {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(self.handle_batch(transaction, batch, now))
    }
}
