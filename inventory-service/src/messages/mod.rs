//! What the service does with messages: parse, lock, decide, write once.

mod answer;
mod request;

use saga_contract::processes;
use saga_runtime::core::{Ids, Message, PayloadError, Time};
use saga_runtime::store::together;
use saga_runtime::{Answers, Decided, Effects, Handler, Handling, StoreError, Transaction};

use crate::store::{self, Touched};

pub use answer::Inventory;
pub use request::{Asked, Request, Reserve};

/// Who answers here, with ids that these forge.
#[must_use]
pub fn answers(ids: &Ids, now: Time) -> Answers<'_> {
    Answers { ids, source: processes::INVENTORY_SERVICE, now }
}

/// Handles the messages of all of the service's queues.
#[derive(Debug, Clone)]
pub struct Messages {
    ids: Ids,
}

impl Messages {
    /// A handler that forges its answers' ids with these.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Self { ids }
    }

    async fn handle_batch<'a>(
        &self,
        on: &'a Transaction<'a>,
        batch: &[&Message],
        now: Time,
    ) -> Result<Decided, StoreError> {
        let requests: Vec<_> = batch.iter().copied().map(Request::read).collect();
        let mut touched = Touched::default();
        requests.iter().flatten().for_each(|request| request.touches(&mut touched));
        // The effects first, where anybody looks for them: what they say is then true of the rows that are read after them.
        let steps = requests.iter().flatten().filter_map(Request::step);
        let (effects, before) = together(Effects::lock(on, steps), store::lock(on, &touched)).await?;
        let (warehouse, pets) = before.clone();
        let mut inventory = Inventory { warehouse, pets, effects };
        let answers = answers(&self.ids, now);
        let decide = |request: Result<Request<'_>, _>| {
            request.map_or_else(Ok, |request| inventory.decide(request, answers).map_err(unwritable))
        };
        let verdicts = requests.into_iter().map(decide).collect::<Result<_, _>>()?;
        let Inventory { warehouse, pets, effects } = inventory;
        let after = (warehouse, pets);
        Ok(Decided::new(verdicts, store::writes(&before, &after, now).and(effects.writes(now))))
    }
}

impl Handler for Messages {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(self.handle_batch(transaction, batch, now))
    }

    fn hurries(&self, kind: &str) -> bool {
        !Request::is_news(kind)
    }
}

fn unwritable(error: PayloadError) -> StoreError {
    StoreError::Corrupt { what: "an answer".to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests;
