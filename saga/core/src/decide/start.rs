//! How a saga begins.

use super::run::{Cause, Run};
use super::{Decision, Engine, Refusal};
use crate::instance::{Instance, Phase, StepRecord, StepState};
use crate::message::{Message, Time};

/// A start message for a saga that is not known: it begins.
pub(super) fn start(engine: &Engine, message: &Message, now: Time) -> Result<Decision, Refusal> {
    let id = engine.started_by(message, message.saga_id)?;
    let instance = Instance {
        id,
        definition: engine.definition.name.to_owned(),
        definition_version: engine.definition.version,
        correlation_id: engine.ids.correlation(id),
        subject: message.subject.clone(),
        traceparent: message.traceparent.clone(),
        start: message.data.clone(),
        started_at: now,
        phase: Phase::Running,
        end: None,
        steps: records(engine, message),
        granted: false,
        needs_intervention: false,
        version: 0,
        alarm: None,
    };
    let mut run = Run::new(engine, &instance, Cause::Message(message), now).begin();
    run.advance()?;
    super::running::go_on(run)
}

fn records(engine: &Engine, message: &Message) -> Vec<StepRecord> {
    let state = |applies| if applies { StepState::Pending } else { StepState::Skipped };
    engine.definition.steps.iter().map(|step| StepRecord::new(state(step.applies(&message.data)))).collect()
}
