//! What this service does with messages: it creates, closes and approves orders, and hears how
//! sagas come out. Every one of them may come in any order and any number of times.

#[cfg(test)]
mod tests;

use saga_contract::messages::{
    ApproveOrder, CloseOrder, OrderCancelled, OrderRefused, OrderRejected, OrderResult, PetReserved,
};
use saga_contract::{Reason, processes, steps};
use saga_core::effect::{EffectState, OnDo, OnUndo};
use saga_core::{Body, Ids, Message, Outcome, Payload, PayloadError, SagaCancelled, SagaPrepared, SagaRejected, Time};
use saga_runtime::store::together;
use saga_runtime::{Answers, Decided, Effects, Handler, Handling, StepRequest, StoreError, Transaction, Verdict};
use uuid::Uuid;

use crate::domain::{Change, Request, Stuck};
use crate::store::Ledger;
use crate::waiters::Waiters;

/// Who answers here, with ids that these forge.
#[must_use]
pub fn answers(ids: &Ids, now: Time) -> Answers<'_> {
    Answers { ids, source: processes::ORDER_SERVICE, now }
}

/// Handles the messages of all three queues of this service.
#[derive(Debug, Clone)]
pub struct Messages {
    ids: Ids,
    waiters: Waiters,
}

/// A message, read: which order and saga it is about, and what is to be done.
#[derive(Debug)]
pub struct Job<'a> {
    order: Uuid,
    saga: Uuid,
    task: Task<'a>,
}

#[derive(Debug)]
enum Task<'a> {
    Create(StepRequest<'a>, PetReserved),
    Close(StepRequest<'a>, CloseOrder),
    Approve(StepRequest<'a>, ApproveOrder),
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
        let jobs: Vec<Result<Job<'_>, Verdict>> = batch.iter().copied().map(Job::read).collect();
        let known = || jobs.iter().filter_map(|job| job.as_ref().ok());
        let ledger = Ledger::lock(transaction, known().map(|job| job.order));
        let effects = Effects::lock(transaction, known().filter_map(Job::step));
        let (mut ledger, mut effects) = together(ledger, effects).await?;
        let answers = answers(&self.ids, now);
        let mut decisions = Decisions { answers, ledger: &mut ledger, effects: &mut effects };
        let decide =
            |job: Result<Job<'_>, Verdict>| job.and_then(|job| decisions.decide(&job)).unwrap_or_else(|park| park);
        let verdicts = jobs.into_iter().map(decide).collect();
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

/// What is to be done, and with which order.
fn task(message: &Message) -> Result<(Uuid, Task<'_>), Verdict> {
    match message.kind.as_str() {
        PetReserved::TYPE => {
            let data: PetReserved = message.payload()?;
            Ok((data.order, Task::Create(StepRequest::to_do(message, steps::CREATE_ORDER)?, data)))
        }
        CloseOrder::TYPE => {
            let data: CloseOrder = message.payload()?;
            Ok((data.order, Task::Close(StepRequest::to_undo(message, steps::CREATE_ORDER)?, data)))
        }
        ApproveOrder::TYPE => {
            let data: ApproveOrder = message.payload()?;
            Ok((data.order, Task::Approve(StepRequest::to_do(message, steps::APPROVE_ORDER)?, data)))
        }
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
            Err(PayloadError::OtherType { expected, found: other.to_owned() }.into())
        }
    }
}

/// The order that a saga's own event is about.
fn subject(message: &Message, kind: &'static str) -> Result<Uuid, PayloadError> {
    let why = |error: uuid::Error| format!("its subject {} is no order's id: {error}", message.subject);
    message.subject.parse().map_err(|error| PayloadError::Malformed { kind, why: why(error) })
}

impl<'a> Job<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// The verdict on one that cannot be read: it is set aside.
    pub fn read(message: &'a Message) -> Result<Self, Verdict> {
        let saga = message.saga_id.ok_or_else(|| Verdict::no_saga(message))?;
        let (order, task) = task(message)?;
        Ok(Self { order, saga, task })
    }

    /// The order that it is about.
    #[must_use]
    pub fn order(&self) -> Uuid {
        self.order
    }

    /// The step that it is about, if it is about one.
    #[must_use]
    pub fn step(&self) -> Option<StepRequest<'a>> {
        match self.task {
            Task::Create(step, _) | Task::Close(step, _) | Task::Approve(step, _) => Some(step),
            Task::Prepared(_) | Task::Ended(..) => None,
        }
    }
}

/// Where the messages of one batch are decided, one after the other; each sees what those before
/// it changed.
#[derive(Debug)]
pub struct Decisions<'a> {
    /// Who answers.
    pub answers: Answers<'a>,
    /// The requests that the batch touches.
    pub ledger: &'a mut Ledger,
    /// What became of their steps.
    pub effects: &'a mut Effects,
}

impl Decisions<'_> {
    /// Decides a message: what changes here, and what is told.
    ///
    /// # Errors
    /// The verdict on a message that changes nothing, as it cannot be handled now or ever.
    pub fn decide(&mut self, job: &Job<'_>) -> Result<Verdict, Verdict> {
        match &job.task {
            Task::Create(step, data) => self.create(job, *step, data),
            Task::Close(step, data) => self.close(job, *step, data),
            Task::Approve(step, data) => self.approve(job, *step, data),
            Task::Prepared(result) => self.told(job, |request| request.prepared(result.total)),
            Task::Ended(outcome, reason) => self.told(job, |request| request.ended(*outcome, reason.clone())),
        }
    }

    /// The request of the job, if it is that saga's: ids can be forged by others, too.
    fn request(&mut self, job: &Job<'_>) -> Option<&mut Request> {
        self.ledger.get_mut(job.order).filter(|request| request.saga == job.saga)
    }

    // What is told is put into JSON before anything changes: should that fail, the message is set aside and nothing happened.

    fn create(&mut self, job: &Job<'_>, step: StepRequest<'_>, data: &PetReserved) -> Result<Verdict, Verdict> {
        let refusal = |reason| Body::of(&OrderRefused { order: data.order, order_id: data.order_id, reason });
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => {
                let refused = self.answers.to(step, job.order, refusal(Reason::CANCELLED)?, None);
                return Ok(Verdict::send(vec![refused]));
            }
            OnDo::Perform => {}
        }
        let (state, body, version) = match self.request(job) {
            None => (EffectState::Refused, refusal(Reason::ORDER_UNKNOWN)?, None),
            Some(request) => {
                let created = Body::of(&request.created_event())?;
                match request.create() {
                    Ok(change) => (EffectState::Done, created, version_after(change, request)),
                    Err(reason) => (EffectState::Refused, refusal(reason)?, None),
                }
            }
        };
        Ok(self.effects.settle(step, state, self.answers.to(step, job.order, body, version)))
    }

    fn close(&mut self, job: &Job<'_>, step: StepRequest<'_>, data: &CloseOrder) -> Result<Verdict, Verdict> {
        let closed = closed(data)?;
        let version = match self.effects.on_undo(step) {
            OnUndo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnUndo::Stale => return Ok(Verdict::send(vec![self.answers.to(step, job.order, closed, None)])),
            OnUndo::Revert => match self.request(job) {
                Some(request) => {
                    let change = request.close(data.outcome, &data.reason).map_err(|stuck| no(stuck, step.message))?;
                    version_after(change, request)
                }
                None => None,
            },
            OnUndo::Bury => None,
        };
        Ok(self.effects.settle(step, EffectState::Undone, self.answers.to(step, job.order, closed, version)))
    }

    fn approve(&mut self, job: &Job<'_>, step: StepRequest<'_>, data: &ApproveOrder) -> Result<Verdict, Verdict> {
        match self.effects.on_do(step) {
            OnDo::AnswerAgain(answer) => return Ok(Verdict::answer_again(answer)),
            OnDo::RefuseCancelled => return Err(no(Stuck::Never("order_closed"), step.message)),
            OnDo::Perform => {}
        }
        let request = self.request(job).ok_or_else(|| no(Stuck::Never("order_unknown"), step.message))?;
        let approved = Body::of(&request.approved_event(data.total))?;
        let change = request.approve(data.total).map_err(|stuck| no(stuck, step.message))?;
        let version = version_after(change, request);
        Ok(self.effects.settle(step, EffectState::Done, self.answers.to(step, job.order, approved, version)))
    }

    /// An event of the saga's own: it asks for no answer.
    fn told(
        &mut self,
        job: &Job<'_>,
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
}

/// What is told of an order that its saga closed.
fn closed(data: &CloseOrder) -> Result<Body, PayloadError> {
    let (order, reason) = (data.order, data.reason.clone());
    match data.outcome {
        Outcome::Rejected => Body::of(&OrderRejected { order, reason }),
        Outcome::Cancelled => Body::of(&OrderCancelled { order, reason }),
    }
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
