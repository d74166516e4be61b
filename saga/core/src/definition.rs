//! The table of a saga: its steps, in rows, validated when built.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::facts::{Facts, FactsError};
use crate::instance::{Instance, StepState};
use crate::message::{Body, Message, PayloadError};

/// Computes the data of a command from what the saga knows.
pub type DataFn = fn(&Facts<'_>) -> Result<Body, FactsError>;
/// Decides from the data of the start message whether a step is part of this run.
pub type Condition = fn(&Value) -> bool;
/// Decides whether the pivot is passed without waiting for anybody.
pub type Rule = Arc<dyn Fn(&Facts<'_>) -> Result<bool, FactsError> + Send + Sync>;
/// Computes what the SAGA_* events tell about the outcome.
pub type ResultFn = fn(&Facts<'_>) -> Result<Value, FactsError>;
/// Computes the id of the saga that a start message starts, from the message alone.
pub type IdFn = Arc<dyn Fn(&Message) -> Result<Uuid, PayloadError> + Send + Sync>;

/// A saga as a table. Build it with [`Definition::new`], which checks it.
#[derive(Clone)]
pub struct Definition {
    /// Its name: `order_saga`.
    pub name: &'static str,
    /// Its version. Instances keep the one they were started with.
    pub version: u16,
    /// The type of message that starts it.
    pub starts_on: &'static str,
    /// Its steps, in the order of the table.
    pub steps: &'static [Step],
    /// The id of the saga that a start message starts.
    pub id: IdFn,
    /// Passes the pivot by rule.
    pub rule: Rule,
    /// What the SAGA_* events tell.
    pub result: ResultFn,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Its name: `reserve_pet`.
    pub name: &'static str,
    /// What starts it.
    pub start: Start,
    /// The event that says it is done.
    pub done: &'static str,
    /// The event that says that the participant refused.
    pub refused: Option<&'static str>,
    /// How it is undone; every compensatable step has one, no other does.
    pub undo: Option<Undo>,
    /// Whether it can be undone.
    pub kind: Kind,
    /// Whether it is part of a run; without one it always is.
    pub condition: Option<Condition>,
}

/// What starts a step.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// A command of the orchestrator.
    Command {
        /// Its type.
        kind: &'static str,
        /// The participant's queue: where a resend goes.
        queue: &'static str,
        /// Its data.
        data: DataFn,
    },
    /// The event by which another step says that it is done; the participant subscribes to it.
    Event {
        /// The name of that step.
        of: &'static str,
        /// The participant's queue: where a resend goes.
        queue: &'static str,
    },
    /// Nothing: it waits for somebody's word. Only the pivot may.
    Wait,
}

/// How a step is undone.
#[derive(Debug, Clone, Copy)]
pub struct Undo {
    /// The type of the command.
    pub kind: &'static str,
    /// The participant's queue: where a resend goes.
    pub queue: &'static str,
    /// Its data.
    pub data: DataFn,
    /// The events that say it is undone.
    pub undone: &'static [&'static str],
}

/// Whether a step can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It can.
    Compensatable,
    /// The point of no return.
    Pivot,
    /// It must succeed, and is tried for ever.
    Retriable,
}

/// A table that cannot be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DefinitionError {
    /// There are no steps.
    #[error("saga {0} has no steps")]
    Empty(&'static str),
    /// Two steps of one name.
    #[error("step {0} stands twice in the table")]
    StepTwice(&'static str),
    /// One event would mean two things.
    #[error("event {0} answers twice in the table")]
    AnswerTwice(&'static str),
    /// Exactly one pivot is needed.
    #[error("saga {saga} has {found} pivots, it needs exactly one")]
    Pivots {
        /// The saga.
        saga: &'static str,
        /// How many it has.
        found: usize,
    },
    /// Compensatable steps come before the pivot, retriable ones after it.
    #[error("step {0} stands on the wrong side of the pivot")]
    WrongSide(&'static str),
    /// A compensatable step that cannot be undone, or another that can.
    #[error("step {0}: a compensatable step needs an undo, and no other may have one")]
    UndoMismatch(&'static str),
    /// An undo that no event could ever answer.
    #[error("step {0}: its undo names no event that says it is undone")]
    NeverUndone(&'static str),
    /// A pivot that is not part of every run.
    #[error("step {0}: the pivot is part of every run, it has no condition")]
    ConditionalPivot(&'static str),
    /// Waiting is for the pivot alone, and the pivot only waits.
    #[error("step {0}: the pivot waits, and no other step does")]
    WaitMismatch(&'static str),
    /// A retriable step has nobody who could refuse it.
    #[error("step {0}: a retriable step cannot be refused")]
    RetriableRefused(&'static str),
    /// A step is started by the event of a step that does not stand above it on its side of the
    /// pivot, or that is not part of every run.
    #[error(
        "step {step} starts on the event of {of}, which does not stand above it on the same side of the pivot as a step of every run"
    )]
    NoStarter {
        /// The step.
        step: &'static str,
        /// The step that should start it.
        of: &'static str,
    },
}

impl Step {
    /// Whether the step is part of a run with this start data.
    #[must_use]
    pub fn applies(&self, start: &Value) -> bool {
        self.condition.is_none_or(|condition| condition(start))
    }

    /// The step whose event starts this one.
    #[must_use]
    pub fn starter(&self) -> Option<&'static str> {
        match self.start {
            Start::Event { of, .. } => Some(of),
            Start::Command { .. } | Start::Wait => None,
        }
    }

    /// The participant's queue for requests.
    #[must_use]
    pub fn queue(&self) -> Option<&'static str> {
        match self.start {
            Start::Event { queue, .. } | Start::Command { queue, .. } => Some(queue),
            Start::Wait => None,
        }
    }
}

impl Definition {
    /// Checks a table and makes a definition of it. The pivot is passed by hand, and the outcome
    /// tells nothing, until [`Definition::pass_pivot_when`] and [`Definition::with_result`] say more.
    ///
    /// # Errors
    /// [`DefinitionError`], the first fault found.
    pub fn new(
        name: &'static str,
        version: u16,
        starts_on: &'static str,
        steps: &'static [Step],
        id: impl Fn(&Message) -> Result<Uuid, PayloadError> + Send + Sync + 'static,
    ) -> Result<Self, DefinitionError> {
        let definition = Self {
            name,
            version,
            starts_on,
            steps,
            id: Arc::new(id),
            rule: Arc::new(|_| Ok(false)),
            result: |_| Ok(Value::Null),
        };
        definition.validate()?;
        Ok(definition)
    }

    /// Passes the pivot without waiting whenever `rule` says so.
    #[must_use]
    pub fn pass_pivot_when(
        mut self,
        rule: impl Fn(&Facts<'_>) -> Result<bool, FactsError> + Send + Sync + 'static,
    ) -> Self {
        self.rule = Arc::new(rule);
        self
    }

    /// Lets the SAGA_* events tell a result.
    #[must_use]
    pub fn with_result(mut self, result: ResultFn) -> Self {
        self.result = result;
        self
    }

    /// The row of a step.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&'static Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The row number of a step.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    /// The rows that the event of `step` starts.
    pub fn dependants(&self, step: &'static str) -> impl Iterator<Item = usize> + '_ {
        let rows = self.steps.iter().enumerate();
        rows.filter(move |(_, other)| other.starter() == Some(step)).map(|(row, _)| row)
    }

    /// The answers of which nothing comes until all of them are there, but that note is taken of each.
    #[must_use]
    pub fn awaited(&self, saga: &Instance) -> Vec<&'static str> {
        let Some(side) = saga.phase.side() else { return Vec::new() };
        let rows = self.steps.iter().zip(&saga.steps).filter(|(step, _)| step.kind == side);
        // The next command goes out when all above it are settled.
        let above = rows.take_while(|(step, record)| {
            !(matches!(step.start, Start::Command { .. }) && record.state == StepState::Pending)
        });
        above.filter(|(_, record)| !record.is_settled()).map(|(step, _)| step.done).collect()
    }

    /// The row of the pivot.
    #[must_use]
    pub fn pivot(&self) -> usize {
        // Validated: there is exactly one.
        self.steps.iter().position(|step| step.kind == Kind::Pivot).unwrap_or_default()
    }

    /// Every type of message that this saga takes: its start, and each answer of the table.
    #[must_use]
    pub fn takes(&self) -> BTreeSet<&'static str> {
        let answers = self.steps.iter().flat_map(|step| {
            let undone = step.undo.map_or(&[][..], |undo| undo.undone);
            [Some(step.done), step.refused].into_iter().flatten().chain(undone.iter().copied())
        });
        answers.chain([self.starts_on]).collect()
    }

    fn validate(&self) -> Result<(), DefinitionError> {
        if self.steps.is_empty() {
            return Err(DefinitionError::Empty(self.name));
        }
        let pivots = self.steps.iter().filter(|step| step.kind == Kind::Pivot).count();
        if pivots != 1 {
            return Err(DefinitionError::Pivots { saga: self.name, found: pivots });
        }
        self.no_answer_twice()?;
        (0..self.steps.len()).try_for_each(|row| self.validate_row(row))
    }

    fn no_answer_twice(&self) -> Result<(), DefinitionError> {
        let (mut names, mut answers) = (BTreeSet::new(), BTreeSet::from([self.starts_on]));
        for step in self.steps {
            if !names.insert(step.name) {
                return Err(DefinitionError::StepTwice(step.name));
            }
            let undone = step.undo.map_or(&[][..], |undo| undo.undone);
            for answer in [Some(step.done), step.refused].into_iter().flatten().chain(undone.iter().copied()) {
                if !answers.insert(answer) {
                    return Err(DefinitionError::AnswerTwice(answer));
                }
            }
        }
        Ok(())
    }

    fn validate_row(&self, row: usize) -> Result<(), DefinitionError> {
        let (step, pivot) = (&self.steps[row], self.pivot());
        let right_side = match step.kind {
            Kind::Compensatable => row < pivot,
            Kind::Pivot => true,
            Kind::Retriable => row > pivot,
        };
        if !right_side {
            return Err(DefinitionError::WrongSide(step.name));
        }
        if step.undo.is_some() != (step.kind == Kind::Compensatable) {
            return Err(DefinitionError::UndoMismatch(step.name));
        }
        if step.undo.is_some_and(|undo| undo.undone.is_empty()) {
            return Err(DefinitionError::NeverUndone(step.name));
        }
        if step.kind == Kind::Pivot && step.condition.is_some() {
            return Err(DefinitionError::ConditionalPivot(step.name));
        }
        if matches!(step.start, Start::Wait) != (step.kind == Kind::Pivot) {
            return Err(DefinitionError::WaitMismatch(step.name));
        }
        if step.kind == Kind::Retriable && step.refused.is_some() {
            return Err(DefinitionError::RetriableRefused(step.name));
        }
        self.validate_starter(row)
    }

    fn validate_starter(&self, row: usize) -> Result<(), DefinitionError> {
        let step = &self.steps[row];
        let Some(of) = step.starter() else { return Ok(()) };
        let above = self.index_of(of).is_some_and(|other| {
            other < row && self.steps[other].kind == step.kind && self.steps[other].condition.is_none()
        });
        if above { Ok(()) } else { Err(DefinitionError::NoStarter { step: step.name, of }) }
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}
