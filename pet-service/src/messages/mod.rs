//! The messages that pet-service takes: as a participant of the order saga it reserves pets, gives
//! them back and sells them.

mod participant;
mod request;
#[cfg(test)]
mod tests;

use saga_runtime::core::{Ids, Message, Time};
use saga_runtime::store::together;
use saga_runtime::{Decided, Effects, Handler, Handling, StoreError, Transaction, Verdict};

use crate::store::Pets;

pub use participant::Participant;
pub use request::{Asked, Request};

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
        let asked: Vec<Result<Asked, Verdict>> = batch.iter().copied().map(Asked::parse).collect();
        let good = || asked.iter().flatten();
        let pets = Pets::lock(transaction, good().map(Asked::pet_number));
        let (pets, effects) = together(pets, Effects::lock(transaction, good().map(Asked::key))).await?;
        let mut participant = Participant::new(self.ids.clone(), pets, effects);
        let answer = |(message, asked)| match asked {
            Ok(asked) => participant.answer(message, asked, now),
            Err(parked) => parked,
        };
        let verdicts = batch.iter().copied().zip(asked).map(answer).collect();
        Ok(Decided::new(verdicts, participant.writes(now)))
    }
}

impl Handler for PetHandler {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(self.handle_batch(transaction, batch, now))
    }
}
