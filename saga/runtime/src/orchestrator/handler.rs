//! Messages: each is one input to its saga.

use std::collections::BTreeSet;

use saga_core::{Input, Message, Note, Time};
use uuid::Uuid;

use super::store::Sagas;
use super::{Orchestrator, output, refused};
use crate::awaited::Awaited;
use crate::handler::{Decided, Handler, Handling, Verdict};
use crate::store::Transaction;

impl Handler for Orchestrator {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(async move {
            let ids: BTreeSet<Uuid> = batch.iter().filter_map(|message| self.saga_of(message)).collect();
            let mut sagas = Sagas::lock(transaction, &Vec::from_iter(ids)).await?;
            let verdicts = batch.iter().map(|message| self.on_message(&mut sagas, message, now)).collect();
            let (writes, news) = self.writes(sagas, now);
            Ok(Decided::new(verdicts, writes).then(|| news.tell()))
        })
    }

    /// Its timers resend what is not answered; answering every repetition would only echo it.
    fn answers_again(&self) -> bool {
        false
    }

    fn awaited(&self) -> Option<&Awaited> {
        Some(&self.awaited)
    }
}

impl Orchestrator {
    /// The saga that a message belongs to: named by it, or forged from what starts one.
    fn saga_of(&self, message: &Message) -> Option<Uuid> {
        let forged = || (self.engine_for_start(&message.kind)?.definition.id)(message).ok();
        message.saga_id.or_else(forged)
    }

    fn on_message(&self, sagas: &mut Sagas, message: &Message, now: Time) -> Verdict {
        let saga = self.saga_of(message).and_then(|id| sagas.get(id));
        let engine = match saga {
            Some(saga) => self.engine_of(saga),
            // Any engine can tell what an unknown saga's message is: a start, or to be put off.
            None => self.engine_for_start(&message.kind).or_else(|| self.engines.values().next()),
        };
        let Some(engine) = engine else {
            let detail =
                "this program does not know the definition, or the version of it, that the saga was started with";
            return Verdict::Park { reason: "unknown_definition", detail: detail.to_owned() };
        };
        match engine.decide(saga, Input::Message(message), now) {
            Ok(decision) => {
                let applied = decision.note == Note::Applied;
                let (next, output) = output(decision);
                if applied {
                    self.keep(sagas, next, message.time);
                }
                Verdict::Done(output)
            }
            Err(refusal) => refused(&refusal),
        }
    }
}
