//! Looking ahead and looking back: what a message would do here, and what became of one.

use std::collections::BTreeSet;

use saga_core::{Message, MessageRef, Time};
use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;

use super::inspect::key_of_bytes;
use super::{Bad, Delivery, Inspected, inspect};
use crate::broker::Incoming;
use crate::clock;
use crate::error::StoreError;
use crate::handler::{Handler, NO_NEWS, Output, Verdict};
use crate::store::{Handled, Known, Transaction, day_of, known};

/// What a message would do, if it came now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DryRun {
    /// What would become of it.
    pub(crate) would: Would,
    /// Why, in a sentence, where there is more to say.
    pub(crate) why: Option<String>,
}

/// What would become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Would {
    /// It would be handled, and something would change or go out.
    Apply,
    /// It was handled before: a participant would answer again, and nothing would change.
    Duplicate,
    /// The aggregate is ahead of it: nothing would change.
    StaleVersion,
    /// Its saga has ended: nothing would change.
    SagaFinished,
    /// It would be handled, and nothing would change for another reason.
    ChangeNothing,
    /// It would be put off, and come back by itself.
    PutOff,
    /// It would be parked.
    Park,
}

/// A message that was delivered here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Delivered {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its time, which says where the inbox has it.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) time: Time,
    /// What it is found by while it is put off or parked.
    pub(crate) key: String,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It was handled.
    Handled,
    /// It is put off.
    PutOff,
    /// It is parked.
    Parked,
    /// Nothing is known of it here.
    Unknown,
}

impl Delivered {
    /// A message with these bytes, as it is looked for.
    pub(crate) fn of(message: &Message, body: &[u8]) -> Self {
        Self { id: message.id, time: message.time, key: key_of_bytes(body) }
    }

    fn place(&self) -> (Date, Uuid) {
        (day_of(self.time), self.id)
    }
}

impl Delivery {
    /// Executes the handler of a queue on these bytes, each in a transaction that is rolled back, and
    /// says what would become of each. `None` when no such queue is consumed here.
    pub(crate) async fn dry_run(&self, queue: &str, bodies: Vec<Vec<u8>>) -> Result<Option<Vec<DryRun>>, StoreError> {
        let Some((queue, handler)) = self.handlers.get_key_value(queue) else { return Ok(None) };
        let mut outcomes = Vec::with_capacity(bodies.len());
        for body in bodies {
            outcomes.push(self.dry_run_one(queue, handler.as_ref(), body).await?);
        }
        Ok(Some(outcomes))
    }

    async fn dry_run_one(&self, queue: &str, handler: &dyn Handler, body: Vec<u8>) -> Result<DryRun, StoreError> {
        let now = clock::now();
        let candidate = match inspect(Incoming::of_bytes(body), 0, self.topology, now, self.retention) {
            Inspected::Bad(bad) => return self.of_bad(queue, &bad).await,
            Inspected::Ahead(_) => return Ok(would(Would::PutOff, "its time is ahead of ours")),
            Inspected::Good(candidate) => candidate,
        };
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let outcome = before(&transaction, queue, &candidate.message).await?;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => first_time(&transaction, handler, &candidate.message, now).await?,
        };
        Ok(outcome)
    }

    /// What no handler would see is parked, unless it was handled when one did.
    async fn of_bad(&self, queue: &str, bad: &Bad) -> Result<DryRun, StoreError> {
        let parked = would(Would::Park, format!("{}: {}", bad.reason, bad.detail));
        let Some(message) = bad.sound() else { return Ok(parked) };
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let duplicate = before(&transaction, queue, message).await?.filter(|found| found.would == Would::Duplicate);
        Ok(duplicate.unwrap_or(parked))
    }

    /// What became of messages of a queue. `None` when no such queue is consumed here.
    pub(crate) async fn fates(&self, queue: &str, messages: &[Delivered]) -> Result<Option<Vec<Fate>>, StoreError> {
        if !self.handlers.contains_key(queue) {
            return Ok(None);
        }
        let references = messages.iter().map(|message| MessageRef { id: message.id, time: message.time });
        let keys: Vec<&str> = messages.iter().map(|message| message.key.as_str()).collect();
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let Known { handled, deferred, parked } = known(&transaction, queue, references, &keys).await?;
        let in_set = |set: &BTreeSet<String>, message: &Delivered| set.contains(&message.key);
        let fate = |message: &Delivered| match handled.contains_key(&message.place()) {
            true => Fate::Handled,
            false if in_set(&parked, message) => Fate::Parked,
            false if in_set(&deferred, message) => Fate::PutOff,
            false => Fate::Unknown,
        };
        Ok(Some(messages.iter().map(fate).collect()))
    }
}

/// What the inbox says before any handler is asked. A message that is parked or put off here now counts
/// as one that comes for the first time: that is what a replay makes of it.
async fn before(transaction: &Transaction<'_>, queue: &str, message: &Message) -> Result<Option<DryRun>, StoreError> {
    let known = known(transaction, queue, [message.reference()], &[]).await?;
    Ok(known.handled.into_values().next().map(|Handled { hash, .. }| match hash == message.content_hash() {
        true => DryRun { would: Would::Duplicate, why: None },
        false => would(Would::Park, "conflict: another message of this id, with other content, was here before"),
    }))
}

async fn first_time(
    transaction: &Transaction<'_>,
    handler: &dyn Handler,
    message: &Message,
    now: Time,
) -> Result<DryRun, StoreError> {
    // What it would write is dropped: its decision says enough.
    let verdict = match handler.handle(transaction, &[message], now).await {
        Ok(decided) => decided.verdicts.into_iter().next(),
        Err(error) if error.remedy() == crate::error::Remedy::Person => {
            return Ok(would(Would::PutOff, format!("handling fails: {error}")));
        }
        Err(error) => return Err(error),
    };
    let why = || format!("the handler says nothing of {}", message.id);
    Ok(of_verdict(verdict.ok_or_else(|| StoreError::Corrupt { what: "a dry run".to_owned(), why: why() })?))
}

fn of_verdict(verdict: Verdict) -> DryRun {
    match verdict {
        Verdict::Done(Output { note: Some(why), .. }) if why == NO_NEWS => would(Would::StaleVersion, why),
        Verdict::Done(Output { note: Some(why), .. }) if why == saga_core::SAGA_HAS_ENDED => {
            would(Would::SagaFinished, why)
        }
        Verdict::Done(Output { note: Some(why), .. }) => would(Would::ChangeNothing, why),
        Verdict::Done(Output { send, resend, .. }) if send.is_empty() && !resend.is_empty() => {
            would(Would::Duplicate, "the step was answered before: the answer would go out again")
        }
        Verdict::Done(_) => DryRun { would: Would::Apply, why: None },
        Verdict::PutOff { reason } => would(Would::PutOff, reason),
        Verdict::Park { reason, detail } => would(Would::Park, format!("{reason}: {detail}")),
    }
}

fn would(would: Would, why: impl Into<String>) -> DryRun {
    DryRun { would, why: Some(why.into()) }
}
