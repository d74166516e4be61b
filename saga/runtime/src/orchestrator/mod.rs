//! The orchestrator: the engine of saga-core, run on messages, alarms and operators' words.

pub mod api;
mod dead_letters;
mod handler;
mod peers;
mod processes;
mod query;
pub mod replay;
mod store;
mod wake;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use refinery::Runner;
use saga_core::{Decision, Definition, Direction, Engine, Ids, Input, Instance, Note, Refusal, Time, Timings};

use crate::error::StoreError;
use crate::handler::{Again, Outgoing, Output, Verdict};
use crate::metrics::Metrics;
use crate::store::Transaction;
use store::Sagas;

pub use dead_letters::DeadLetters;
pub use peers::{Peer, Peers, Silent};
pub use processes::Processes;
pub use query::{Entry, Filter, SagaSummary, Seen, find, list, timeline};
pub use replay::{Replays, replay_always};
pub use wake::{wake_always, wake_due};
pub use words::{WordError, say};

mod embedded {
    refinery::embed_migrations!("src/orchestrator/migrations");
}

/// The orchestrator's own migrations.
#[must_use]
pub fn migrations() -> Runner {
    embedded::migrations::runner()
}

/// Runs sagas of any number of definitions, and of any version that still has sagas under way.
pub struct Orchestrator {
    engines: BTreeMap<(&'static str, u16), Engine>,
    metrics: Arc<Metrics>,
}

/// The source of what the orchestrator sends.
pub const SOURCE: &str = "saga";

impl Orchestrator {
    /// An orchestrator of these definitions.
    #[must_use]
    pub fn new(definitions: Vec<Definition>, ids: &Ids, timings: Timings, metrics: Arc<Metrics>) -> Self {
        let engine = |definition: Definition| {
            let key = (definition.name, definition.version);
            (key, Engine { definition, ids: ids.clone(), timings, source: SOURCE })
        };
        Self { engines: definitions.into_iter().map(engine).collect(), metrics }
    }

    /// The newest definition of this name.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<&Definition> {
        let newest = self.engines.iter().rev().find(|((known, _), _)| *known == name);
        newest.map(|(_, engine)| &engine.definition)
    }

    /// All definitions, each in every version that is known.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.engines.values().map(|engine| &engine.definition)
    }

    /// The engine that a saga was started with.
    pub(crate) fn engine_of(&self, saga: &Instance) -> Option<&Engine> {
        let mut engines = self.engines.iter();
        let same = |name: &str, version: u16| name == saga.definition && version == saga.definition_version;
        engines.find(|((name, version), _)| same(name, *version)).map(|(_, engine)| engine)
    }

    /// The newest engine whose sagas start on messages of this type.
    fn engine_for_start(&self, kind: &str) -> Option<&Engine> {
        self.engines.values().rev().find(|engine| engine.definition.starts_on == kind)
    }

    /// Writes what changed, counts it, and says what a person should know.
    async fn save(&self, sagas: Sagas, transaction: &Transaction<'_>, now: Time) -> Result<(), StoreError> {
        sagas.changed().for_each(|(before, next)| self.observe(before, next, now));
        sagas.save(transaction, now).await
    }

    fn observe(&self, before: Option<&Instance>, next: &Instance, now: Time) {
        match before {
            None => self.metrics.saga_started(&next.definition),
            Some(before) => self.observe_steps(before, next, now),
        }
        let moved_on = before.is_none_or(|saga| saga.phase != next.phase);
        if moved_on && next.phase.is_end() {
            self.metrics.saga_finished(&next.definition, next.phase.as_str());
        }
        if next.needs_intervention && before.is_some_and(|saga| !saga.needs_intervention) {
            self.metrics.needs_intervention(&next.definition);
            tracing::error!(saga_id = %next.id, phase = next.phase.as_str(), "a saga needs intervention; it goes on trying");
        }
    }
}

/// What is stored and sent because of a decision.
#[must_use]
pub fn output(decision: Decision) -> (Instance, Output) {
    let send = decision.send.into_iter();
    let send = send.map(|s| Outgoing { message: s.message, queue: s.queue.map(str::to_owned) }).collect();
    let resend = decision.resend.into_iter();
    let resend = resend.map(|r| Again { message: r.message, queue: Some(r.queue.to_owned()) }).collect();
    let note = match decision.note {
        Note::Applied => None,
        Note::Ignored(why) => Some(why),
    };
    (decision.next, Output { send, resend, keep: decision.keep_input, note })
}

impl Orchestrator {
    /// Measures the steps that were waiting and are no longer.
    fn observe_steps(&self, before: &Instance, next: &Instance, now: Time) {
        let Some(engine) = self.engine_of(next) else { return };
        let rows = engine.definition.steps.iter().zip(before.steps.iter().zip(&next.steps));
        for (step, (was, is)) in rows {
            let (Some(direction), None, Some(asked)) = (was.waiting(), is.waiting(), was.asked_at) else { continue };
            if direction == Direction::Undo {
                self.metrics.compensation_attempts.inc_by(u64::from(was.resends) + 1);
            }
            let took = std::time::Duration::try_from(now - asked).unwrap_or_default();
            self.metrics.step_answered(step.name, is.state.as_str(), took);
        }
    }
}

/// What becomes of a message that the engine refuses.
#[must_use]
pub fn refused(refusal: &Refusal) -> Verdict {
    let reason = match refusal {
        Refusal::UnknownSaga(_) => return Verdict::PutOff { reason: refusal.to_string() },
        Refusal::NoSagaId(_) => "no_saga",
        Refusal::NotInDefinition { .. } => "not_in_definition",
        Refusal::NeverAsked { .. } => "never_asked",
        Refusal::OtherSagaId { .. } => "other_saga_id",
        Refusal::Payload(_) | Refusal::Facts(_) => "malformed_data",
        Refusal::Word(_) => "not_applicable",
    };
    Verdict::Park { reason, detail: refusal.to_string() }
}

/// One decision of an engine, for a saga that it knows.
fn decide(engine: &Engine, saga: &Instance, input: Input<'_>, now: Time) -> Result<Decision, Refusal> {
    engine.decide(Some(saga), input, now)
}
