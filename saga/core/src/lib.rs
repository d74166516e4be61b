//! The saga engine, pure: no IO, no clock, no random, no async.
//!
//! Read in this order: a [`Message`] is what travels; a [`Definition`] is the table of a saga; an
//! [`Instance`] is one run of it; [`Engine::decide`] takes an instance, an [`Input`] and the time and says
//! what happens next. [`effect`] is the participants' half: what a request may still do.
//! [`Topology`] says where each type of message goes. [`Ids`] forges every id of the engine.

mod attributes;
mod backoff;
mod decide;
mod definition;
mod diagram;
pub mod effect;
mod events;
mod facts;
mod ids;
mod instance;
mod message;
mod topology;

pub use backoff::Backoff;
pub use decide::{Decision, Engine, Input, Note, OperatorWord, Refusal, Resend, SAGA_HAS_ENDED, Send};
pub use definition::{Condition, DataFn, Definition, DefinitionError, IdFn, Kind, ResultFn, Rule, Start, Step, Undo};
pub use diagram::mermaid;
pub use events::{
    End, NeedsIntervention, SAGA_CANCELLED, SAGA_COMPLETED, SAGA_NEEDS_INTERVENTION, SAGA_PREPARED, SAGA_REJECTED,
    SagaCancelled, SagaCompleted, SagaPrepared, SagaRejected,
};
pub use facts::{Facts, FactsError};
pub use ids::{Direction, Ids};
pub use instance::{Instance, Outcome, Phase, StepRecord, StepState, Timer, TimerKind, Timings};
pub use message::{Body, EnvelopeError, Message, MessageRef, Payload, PayloadError, Time, storable};
pub use topology::{Binding, Exchange, ExchangeType, MessageType, Queue, QueueType, Route, Topology, TopologyError};
