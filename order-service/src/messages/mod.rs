//! What this service does with messages: it creates, closes and approves orders, and hears how
//! sagas come out. Every one of them may come in any order and any number of times.

#[cfg(test)]
mod tests;

use saga_contract::messages::{
    ApproveOrder, CloseOrder, OrderCancelled, OrderCreated, OrderRefused, OrderRejected, OrderResult, PetReserved,
};
use saga_contract::{Reason, processes, steps};
use saga_core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_core::{Body, Ids, Message, Outcome, Payload, PayloadError, SagaCancelled, SagaPrepared, SagaRejected, Time};
use saga_runtime::store::together;
use saga_runtime::{Decided, Effects, Handler, Handling, StoreError, Transaction, Verdict};
use uuid::Uuid;

use crate::domain::{Change, Request, Stuck};
use crate::store::Ledger;
use crate::waiters::Waiters;

/// Handles the messages of all three queues of this service.
#[derive(Debug, Clone)]
pub struct Messages {
    ids: Ids,
    waiters: Waiters,
}

/// A message, read: which order and saga it is about, and what is to be done.
#[derive(Debug)]
pub struct Job {
    order: Uuid,
    saga: Uuid,
    task: Task,
}

#[derive(Debug)]
enum Task {
    Create(PetReserved),
    Close(CloseOrder),
    Approve(ApproveOrder),
    Prepared(OrderResult),
    Ended(Outcome, Reason),
}

impl Messages {
    /// A handler that tells those who wait in this process.
    #[must_use]
    pub fn new(ids: Ids, waiters: Waiters) -> Self {
        Self { ids, waiters }
    }

    async fn batch<'a>(
        &self,
        transaction: &'a Transaction<'a>,
        batch: &[&Message],
        now: Time,
    ) -> Result<Decided, StoreError> {
        let jobs: Vec<Result<Job, Verdict>> = batch.iter().copied().map(Job::read).collect();
        let known = || jobs.iter().filter_map(|job| job.as_ref().ok());
        let ledger = Ledger::lock(transaction, known().map(|job| job.order));
        let effects = Effects::lock(transaction, known().filter_map(Job::effect));
        let (mut ledger, mut effects) = together(ledger, effects).await?;
        let mut desk = Desk { ids: &self.ids, ledger: &mut ledger, effects: &mut effects, now };
        let decide = |(job, message): (Result<Job, Verdict>, &Message)| job.and_then(|job| desk.decide(&job, message));
        let verdicts =
            jobs.into_iter().zip(batch.iter().copied()).map(decide).map(|verdict| verdict.unwrap_or_else(|park| park));
        let verdicts = verdicts.collect();
        let outcomes = batch.iter().filter(|message| tells_an_outcome(&message.kind));
        let outcomes = outcomes.filter_map(|message| ledger.get(message.subject.parse().ok()?).cloned()).collect();
        let waiters = self.waiters.clone();
        Ok(Decided::new(verdicts, ledger.writes().and(effects.writes(now))).then(move || waiters.tell(outcomes)))
    }
}

impl Handler for Messages {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(self.batch(transaction, batch, now))
    }
}

/// Whether somebody may be waiting for what this type of message brings.
fn tells_an_outcome(kind: &str) -> bool {
    [SagaPrepared::TYPE, SagaRejected::TYPE, SagaCancelled::TYPE, ApproveOrder::TYPE].contains(&kind)
}

fn task(message: &Message) -> Result<(Uuid, Task), PayloadError> {
    match message.kind.as_str() {
        PetReserved::TYPE => message.payload().map(|data: PetReserved| (data.order, Task::Create(data))),
        CloseOrder::TYPE => message.payload().map(|data: CloseOrder| (data.order, Task::Close(data))),
        ApproveOrder::TYPE => message.payload().map(|data: ApproveOrder| (data.order, Task::Approve(data))),
        SagaPrepared::TYPE => {
            let data: SagaPrepared = message.payload()?;
            let result = serde_json::from_value(data.result)
                .map_err(|error| PayloadError::Malformed { kind: SagaPrepared::TYPE, why: error.to_string() })?;
            Ok((subject(message, SagaPrepared::TYPE)?, Task::Prepared(result)))
        }
        SagaRejected::TYPE => {
            let data: SagaRejected = message.payload()?;
            Ok((subject(message, SagaRejected::TYPE)?, Task::Ended(Outcome::Rejected, data.reason.into())))
        }
        SagaCancelled::TYPE => {
            let data: SagaCancelled = message.payload()?;
            Ok((subject(message, SagaCancelled::TYPE)?, Task::Ended(Outcome::Cancelled, data.reason.into())))
        }
        other => {
            let expected = "a message of the queues of order-service";
            Err(PayloadError::OtherType { expected, found: other.to_owned() })
        }
    }
}

/// The order that a saga's own event is about.
fn subject(message: &Message, kind: &'static str) -> Result<Uuid, PayloadError> {
    let why = |error: uuid::Error| format!("its subject {} is no order's id: {error}", message.subject);
    message.subject.parse().map_err(|error| PayloadError::Malformed { kind, why: why(error) })
}

impl Job {
    /// Reads a message.
    ///
    /// # Errors
    /// The verdict on one that cannot be read: it is set aside.
    pub fn read(message: &Message) -> Result<Self, Verdict> {
        let saga = message.saga_id.ok_or_else(|| Verdict::Park {
            reason: "no_saga",
            detail: format!("{} belongs to a saga and carries no sagaid", message.kind),
        })?;
        let (order, task) = task(message).map_err(|error| Verdict::malformed(&error))?;
        Ok(Self { order, saga, task })
    }

    /// The order that it is about.
    #[must_use]
    pub fn order(&self) -> Uuid {
        self.order
    }

    /// What has to be remembered of it.
    #[must_use]
    pub fn effect(&self) -> Option<(Uuid, &'static str)> {
        match self.task {
            Task::Create(_) | Task::Close(_) => Some((self.saga, steps::CREATE_ORDER)),
            Task::Approve(_) => Some((self.saga, steps::APPROVE_ORDER)),
            Task::Prepared(_) | Task::Ended(..) => None,
        }
    }
}

/// Where the messages of one batch are decided, one after the other; each sees what those before
/// it changed.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Forges the ids of the answers.
    pub ids: &'a Ids,
    /// The requests that the batch touches.
    pub ledger: &'a mut Ledger,
    /// What became of their steps.
    pub effects: &'a mut Effects,
    /// The time of the batch.
    pub now: Time,
}

impl Desk<'_> {
    /// Decides a message: what changes here, and what is told.
    ///
    /// # Errors
    /// The verdict on a message that changes nothing, as it cannot be handled now or ever.
    pub fn decide(&mut self, job: &Job, message: &Message) -> Result<Verdict, Verdict> {
        match &job.task {
            Task::Create(data) => self.create(job, data, message),
            Task::Close(data) => self.close(job, data, message),
            Task::Approve(data) => self.approve(job, data, message),
            Task::Prepared(result) => self.told(job, |request| request.prepared(result.total)),
            Task::Ended(outcome, reason) => self.told(job, |request| request.ended(*outcome, reason.clone())),
        }
    }

    /// The request of the job, if it is that saga's: ids can be forged by others, too.
    fn request(&mut self, job: &Job) -> Option<&mut Request> {
        self.ledger.get_mut(job.order).filter(|request| request.saga == job.saga)
    }

    fn create(&mut self, job: &Job, data: &PetReserved, message: &Message) -> Result<Verdict, Verdict> {
        let epoch = if message.step.as_deref() == Some(steps::CREATE_ORDER) { message.epoch } else { 0 };
        let answering = Answering { message, order: job.order, step: steps::CREATE_ORDER, epoch };
        let refusal = |reason| OrderRefused { order: data.order, order_id: data.order_id, reason };
        match on_do(self.effects.get(job.saga, steps::CREATE_ORDER), epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                let refused = self.answer(&answering, &refusal(Reason::CANCELLED), None)?;
                return Ok(Verdict::send(vec![refused]));
            }
            OnDo::Perform => {}
        }
        let created = self.request(job).ok_or(Reason::ORDER_UNKNOWN).and_then(|request| {
            let change = request.create()?;
            Ok((request.created_event(), version_after(change, request)))
        });
        match created {
            Ok((event, version)) => self.settle::<OrderCreated>(job, &answering, &event, version, EffectState::Done),
            Err(reason) => self.settle(job, &answering, &refusal(reason), None, EffectState::Refused),
        }
    }

    fn close(&mut self, job: &Job, data: &CloseOrder, message: &Message) -> Result<Verdict, Verdict> {
        let answering = Answering { message, order: job.order, step: steps::CREATE_ORDER, epoch: message.epoch };
        let version = match on_undo(self.effects.get(job.saga, steps::CREATE_ORDER), message.epoch) {
            OnUndo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => {
                let closed = self.closed(&answering, data, None)?;
                return Ok(Verdict::send(vec![closed]));
            }
            OnUndo::Revert => match self.request(job) {
                Some(request) => {
                    let change = request.close(data.outcome, &data.reason).map_err(|stuck| no(stuck, message))?;
                    version_after(change, request)
                }
                None => None,
            },
            OnUndo::Bury => None,
        };
        let closed = self.closed(&answering, data, version)?;
        Ok(self.remember(job, &answering, closed, EffectState::Undone))
    }

    fn approve(&mut self, job: &Job, data: &ApproveOrder, message: &Message) -> Result<Verdict, Verdict> {
        let answering = Answering { message, order: job.order, step: steps::APPROVE_ORDER, epoch: message.epoch };
        match on_do(self.effects.get(job.saga, steps::APPROVE_ORDER), message.epoch) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => return Err(no(Stuck::Never("order_closed"), message)),
            OnDo::Perform => {}
        }
        let request = self.request(job).ok_or_else(|| no(Stuck::Never("order_unknown"), message))?;
        let change = request.approve(data.total).map_err(|stuck| no(stuck, message))?;
        let (event, version) = (request.approved_event(data.total), version_after(change, request));
        self.settle(job, &answering, &event, version, EffectState::Done)
    }

    /// An event of the saga's own: it asks for no answer.
    fn told(
        &mut self,
        job: &Job,
        apply: impl FnOnce(&mut Request) -> Result<Change, Stuck>,
    ) -> Result<Verdict, Verdict> {
        let Some(request) = self.request(job) else { return Ok(Verdict::ignored("no order of ours has this saga")) };
        match apply(request) {
            Ok(Change::Changed) => Ok(Verdict::send(Vec::new())),
            Ok(Change::Unchanged(why)) => Ok(Verdict::ignored(why)),
            Err(Stuck::NotYet(why)) => Ok(Verdict::PutOff { reason: why.to_owned() }),
            Err(Stuck::Never(reason)) => {
                Err(Verdict::Park { reason, detail: format!("the state of order {} forbids it", job.order) })
            }
        }
    }

    fn closed(&self, answering: &Answering<'_>, data: &CloseOrder, version: Option<u64>) -> Result<Message, Verdict> {
        let (order, reason) = (data.order, data.reason.clone());
        match data.outcome {
            Outcome::Rejected => self.answer(answering, &OrderRejected { order, reason }, version),
            Outcome::Cancelled => self.answer(answering, &OrderCancelled { order, reason }, version),
        }
    }

    /// Answers, and remembers what became of the step.
    fn settle<P: Payload>(
        &mut self,
        job: &Job,
        answering: &Answering<'_>,
        payload: &P,
        version: Option<u64>,
        state: EffectState,
    ) -> Result<Verdict, Verdict> {
        let answer = self.answer(answering, payload, version)?;
        Ok(self.remember(job, answering, answer, state))
    }

    fn remember(&mut self, job: &Job, answering: &Answering<'_>, answer: Message, state: EffectState) -> Verdict {
        let effect = Effect { epoch: answering.epoch, state, answer: answer.reference() };
        self.effects.set(job.saga, answering.step, effect);
        Verdict::send(vec![answer])
    }

    fn answer<P: Payload>(
        &self,
        answering: &Answering<'_>,
        payload: &P,
        version: Option<u64>,
    ) -> Result<Message, Verdict> {
        let body = Body::of(payload).map_err(|error| Verdict::malformed(&error))?;
        let Answering { message: cause, order, step, epoch } = *answering;
        let id = self.ids.event_caused(cause.id, P::TYPE);
        let answer = Message::caused_by(cause, id, processes::ORDER_SERVICE, order.to_string(), body, self.now);
        let answer = answer.for_step(step, epoch);
        Ok(version.into_iter().fold(answer, Message::at_version))
    }
}

/// The request that is being answered.
#[derive(Clone, Copy)]
struct Answering<'a> {
    message: &'a Message,
    order: Uuid,
    step: &'static str,
    epoch: u32,
}

/// The version that an answer tells of; none if nothing changed.
fn version_after(change: Change, request: &Request) -> Option<u64> {
    match change {
        Change::Changed => Some(request.version),
        Change::Unchanged(_) => None,
    }
}

fn no(stuck: Stuck, message: &Message) -> Verdict {
    match stuck {
        Stuck::NotYet(why) => Verdict::PutOff { reason: why.to_owned() },
        Stuck::Never(reason) => {
            Verdict::Park { reason, detail: format!("the order's state forbids {} {}", message.kind, message.id) }
        }
    }
}
