//! The orchestrator: the engine of saga-core, run on messages, alarms and operators' words.

pub mod api;
mod dead_letters;
mod handler;
mod peers;
mod processes;
mod query;
pub mod replay;
mod store;
#[cfg(test)]
mod tests;
mod wake;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use refinery::Runner;
use saga_core::{Decision, Definition, Direction, Engine, Ids, Input, Instance, Note, Phase, Refusal, Time, Timings};
use uuid::Uuid;

use crate::awaited::Awaited;
use crate::handler::{Again, Outgoing, Output, Verdict};
use crate::metrics::Metrics;
use crate::store::Writes;
use store::Sagas;

pub use dead_letters::DeadLetters;
pub use peers::{Peer, Peers, Silent};
pub use processes::Processes;
pub use query::{Entry, Filter, SagaSummary, Seen, find, list};
pub(crate) use query::{received, sent};
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
    awaited: Arc<Awaited>,
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
        Self { awaited: Arc::default(), engines: definitions.into_iter().map(engine).collect(), metrics }
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

    /// How long participants have for an answer before they are asked again.
    fn resend_after(&self) -> Duration {
        let first = self.engines.values().map(|engine| engine.timings.resend.first).max();
        first.and_then(|first| Duration::try_from(first).ok()).unwrap_or_default()
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

    /// Keeps what a saga has become at this time, and the steps that are answered by it: one decision after the other, since
    /// a batch may hold both what asks for a step and what answers it.
    fn keep(&self, sagas: &mut Sagas, next: Instance, at: Time) {
        let answered = sagas.get(next.id).map(|before| self.answered(before, &next, at));
        sagas.answered.extend(answered.into_iter().flatten());
        sagas.set(next);
    }

    /// The steps that were waiting and are no longer.
    fn answered(&self, before: &Instance, next: &Instance, at: Time) -> Vec<Answered> {
        let steps = self.engine_of(next).map_or(&[][..], |engine| engine.definition.steps);
        let rows = steps.iter().zip(before.steps.iter().zip(&next.steps));
        let answered = rows.filter_map(|(step, (was, is))| {
            let (Some(direction), None) = (was.waiting(), is.waiting()) else { return None };
            let asked = was.request.map(|request| request.time).or(was.asked_at)?;
            let undos = if direction == Direction::Undo { u64::from(was.resends) + 1 } else { 0 };
            let took = Duration::try_from(at - asked).unwrap_or_default();
            Some(Answered { step: step.name, outcome: is.state.as_str(), took, undos })
        });
        answered.collect()
    }

    /// What changed, and what is to be told of it once it is committed.
    fn writes(&self, mut sagas: Sagas, now: Time) -> (Writes, News) {
        let answered = std::mem::take(&mut sagas.answered);
        let changes = sagas.changed().filter_map(|(before, next)| self.change(before, next)).collect();
        let (metrics, awaited) = (Arc::clone(&self.metrics), Arc::clone(&self.awaited));
        (sagas.writes(now), News { metrics, awaited, answered, changes })
    }

    fn change(&self, before: Option<&Instance>, next: &Instance) -> Option<Change> {
        let definition = &self.engine_of(next)?.definition;
        let moved_on = before.is_none_or(|saga| saga.phase != next.phase);
        Some(Change {
            saga: next.id,
            definition: definition.name,
            phase: next.phase,
            started: before.is_none(),
            ended: moved_on && next.phase.is_end(),
            marked: next.needs_intervention && before.is_some_and(|saga| !saga.needs_intervention),
            awaits: definition.awaited(next),
        })
    }
}

/// What is told of a transaction once it is committed: to metrics, to the log, and to the memory of what sagas await.
struct News {
    metrics: Arc<Metrics>,
    awaited: Arc<Awaited>,
    answered: Vec<Answered>,
    changes: Vec<Change>,
}

/// What changed of a saga.
struct Change {
    saga: Uuid,
    definition: &'static str,
    phase: Phase,
    started: bool,
    ended: bool,
    marked: bool,
    awaits: Vec<&'static str>,
}

impl News {
    fn tell(self) {
        let Self { metrics, awaited, answered, changes } = self;
        for Answered { step, outcome, took, undos } in answered {
            metrics.step_answered(step, outcome, took);
            metrics.compensation_attempts.inc_by(undos);
        }
        for Change { saga, definition, phase, started, ended, marked, awaits } in changes {
            awaited.remember(saga, awaits);
            if started {
                metrics.saga_started(definition);
            }
            if ended {
                metrics.saga_finished(definition, phase.as_str());
            }
            if marked {
                metrics.needs_intervention(definition);
                let phase = phase.as_str();
                tracing::error!(saga_id = %saga, phase, "a saga needs intervention; it goes on trying");
            }
        }
    }
}

/// A step that was asked to be done or undone, and was answered or counted as answered.
#[derive(Debug)]
struct Answered {
    step: &'static str,
    outcome: &'static str,
    /// From its first request to its answer, by their own times: as long as clocks agree.
    took: Duration,
    /// How often it was asked to be undone.
    undos: u64,
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
