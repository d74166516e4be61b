//! What a saga knows: its start and the answers so far.

use serde_json::Value;

use crate::definition::Definition;
use crate::events::End;
use crate::instance::Instance;
use crate::message::{Payload, PayloadError, read};

/// What a saga knows when it computes a command: the start and the answers so far.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    instance: &'a Instance,
    definition: &'a Definition,
}

/// A fact that a command needs and that is not there, or not as it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FactsError {
    /// The step has not answered.
    #[error("the answer of step {0} is not there")]
    NoAnswer(&'static str),
    /// The data is there and does not fit.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It does not add up (an overflow, two currencies).
    #[error("{0}")]
    Invalid(String),
}

impl<'a> Facts<'a> {
    pub(crate) fn new(definition: &'a Definition, instance: &'a Instance) -> Self {
        Self { instance, definition }
    }

    /// The data of the message that started the saga, as it came.
    #[must_use]
    pub fn start_data(&self) -> &'a Value {
        &self.instance.start
    }

    /// The data of the message that started the saga.
    ///
    /// # Errors
    /// [`FactsError::Payload`] when it is not a `P`.
    pub fn start<P: Payload>(&self) -> Result<P, FactsError> {
        Ok(read(&self.instance.start)?)
    }

    /// The data of the answer by which a step said that it is done.
    ///
    /// # Errors
    /// [`FactsError`] when there is none, or when it is not a `P`.
    pub fn answer<P: Payload>(&self, step: &'static str) -> Result<P, FactsError> {
        let row = self.definition.index_of(step).ok_or(FactsError::NoAnswer(step))?;
        let answer = self.instance.steps[row].answer.as_ref().ok_or(FactsError::NoAnswer(step))?;
        Ok(read(answer)?)
    }

    /// How the saga is being ended, while it is.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.instance.end.as_ref()
    }
}
