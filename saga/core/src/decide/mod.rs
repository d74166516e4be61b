//! Instance + input + now -> decision. Nothing here acts: the shell performs what a decision says.

mod compensating;
mod completing;
mod operator;
mod run;
mod running;
mod start;
mod wake;

use uuid::Uuid;

use crate::definition::{Definition, Step};
use crate::facts::FactsError;
use crate::ids::Ids;
use crate::instance::{Instance, Phase, Timings};
use crate::message::{Message, MessageRef, PayloadError, Time};
use run::Run;

/// Decides for the sagas of one definition.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The table.
    pub definition: Definition,
    /// The forges.
    pub ids: Ids,
    /// How long to wait for what.
    pub timings: Timings,
    /// The process that decides; the `source` of what it sends.
    pub source: &'static str,
}

/// What may happen to a saga.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// A message arrived.
    Message(&'a Message),
    /// Its alarm went off.
    Wake,
    /// An operator spoke.
    Operator(&'a OperatorWord),
}

/// What an operator may say.
#[derive(Debug, Clone, PartialEq)]
pub enum OperatorWord {
    /// Stop and undo.
    Cancel {
        /// Why, a word on the wire.
        reason: String,
    },
    /// Run a step again, as a new epoch.
    Retry {
        /// The step.
        step: String,
        /// The event that started it, where it was started by one: the shell keeps those.
        starter: Option<Box<Message>>,
    },
    /// Count a step as done, or its undo as done.
    Skip {
        /// The step.
        step: String,
        /// It is being undone and counts as undone; otherwise it counts as done.
        undone: bool,
    },
}

/// What happens next. The shell stores and sends all of it in one transaction, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The saga afterwards.
    pub next: Instance,
    /// New messages, in order.
    pub send: Vec<Send>,
    /// Stored messages to be sent once more, the same bytes.
    pub resend: Vec<Resend>,
    /// Whether the bytes of the input must be kept: they are the request of other steps.
    pub keep_input: bool,
    /// What became of the input.
    pub note: Note,
}

/// A new message.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    /// The message.
    pub message: Message,
    /// Straight into this queue; by the topology's route otherwise.
    pub queue: Option<&'static str>,
}

/// A stored message that goes out again, straight into the participant's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// Which.
    pub message: MessageRef,
    /// The participant's queue.
    pub queue: &'static str,
}

/// Why an input changed nothing of a saga that has ended.
pub const SAGA_HAS_ENDED: &str = "the saga has ended";

/// What became of an input that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It changed the saga.
    Applied,
    /// It changed nothing, rightly.
    Ignored(&'static str),
}

/// An input that cannot be applied, now or ever.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The saga is not known (yet): put the message off.
    #[error("no saga {0} is known here yet")]
    UnknownSaga(Uuid),
    /// A message of a saga without the saga's id.
    #[error("{0} belongs to a saga and carries no sagaid")]
    NoSagaId(String),
    /// Not in the table.
    #[error("{kind} is no message of {definition}")]
    NotInDefinition {
        /// The type.
        kind: String,
        /// The saga's definition.
        definition: &'static str,
    },
    /// An answer to a request that was never sent.
    #[error("{kind} answers epoch {epoch} of step {step}, which was never asked for")]
    NeverAsked {
        /// The type.
        kind: String,
        /// The step.
        step: &'static str,
        /// The epoch.
        epoch: u32,
    },
    /// The saga's id on the message is not the one that we forge.
    #[error(
        "the message names saga {found}, its content gives {computed}: do all processes have the same salt and domain?"
    )]
    OtherSagaId {
        /// On the message.
        found: Uuid,
        /// Forged from its content.
        computed: Uuid,
    },
    /// Its data cannot be used.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A command cannot be computed.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// An operator's word that does not fit the saga's state.
    #[error("{0}")]
    Word(String),
}

/// What a message of the table says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done,
    Refused,
    Undone,
}

impl Engine {
    /// What happens to a saga (`None`: not known) by an input at a time.
    ///
    /// # Errors
    /// [`Refusal`]: the input cannot be applied; nothing changes.
    pub fn decide(&self, state: Option<&Instance>, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
        match (state, input) {
            (None, Input::Message(message)) if message.kind == self.definition.starts_on => {
                start::start(self, message, now)
            }
            (None, Input::Message(message)) => Err(unknown(message)),
            (None, Input::Wake | Input::Operator(_)) => Err(Refusal::UnknownSaga(Uuid::nil())),
            (Some(instance), Input::Message(message)) => self.on_message(instance, message, now),
            (Some(instance), Input::Wake) => wake::wake(Run::new(self, instance, run::Cause::Timer, now)),
            (Some(instance), Input::Operator(word)) => {
                operator::operator(Run::new(self, instance, run::Cause::Operator, now), word)
            }
        }
    }

    fn on_message(&self, instance: &Instance, message: &Message, now: Time) -> Result<Decision, Refusal> {
        let run = Run::new(self, instance, run::Cause::Message(message), now);
        if message.kind == self.definition.starts_on {
            self.started_by(message, Some(instance.id))?;
            return Ok(run.ignored("the saga was started already"));
        }
        let (row, answer) = self.meaning(message)?;
        let asked = instance.steps[row].epoch;
        if message.epoch > asked {
            return Err(run.never_asked(row, message));
        }
        if answer != Answer::Done && message.epoch < asked {
            return Ok(run.ignored("it answers an earlier epoch of the step"));
        }
        match instance.phase {
            Phase::Running | Phase::Prepared => running::answer(run, row, answer, message),
            Phase::Completing => completing::answer(run, row, answer, message),
            Phase::Compensating => compensating::answer(run, row, answer, message),
            Phase::Completed | Phase::Rejected | Phase::Cancelled => Ok(run.ignored(SAGA_HAS_ENDED)),
        }
    }

    /// The id of the saga that a message starts, forged from its content; the message may name no other.
    fn started_by(&self, message: &Message, named: Option<Uuid>) -> Result<Uuid, Refusal> {
        let computed = (self.definition.id)(message)?;
        match named.filter(|named| *named != computed) {
            Some(found) => Err(Refusal::OtherSagaId { found, computed }),
            None => Ok(computed),
        }
    }

    /// The row that a message speaks of, and what it says; validated to be unambiguous.
    fn meaning(&self, message: &Message) -> Result<(usize, Answer), Refusal> {
        let kind = message.kind.as_str();
        let of = |step: &Step| {
            if step.done == kind {
                Some(Answer::Done)
            } else if step.refused == Some(kind) {
                Some(Answer::Refused)
            } else {
                step.undo.filter(|undo| undo.undone.contains(&kind)).map(|_| Answer::Undone)
            }
        };
        let mut rows = self.definition.steps.iter().enumerate();
        rows.find_map(|(row, step)| of(step).map(|answer| (row, answer)))
            .ok_or_else(|| Refusal::NotInDefinition { kind: kind.to_owned(), definition: self.definition.name })
    }
}

fn unknown(message: &Message) -> Refusal {
    message.saga_id.map_or_else(|| Refusal::NoSagaId(message.kind.clone()), Refusal::UnknownSaga)
}
