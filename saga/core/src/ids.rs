//! Every id of the engine, computed and never drawn.

use idforge::{Forge, Namespace, Salt, UuidText, id};
use uuid::Uuid;

/// Do or undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The step itself.
    Do,
    /// Its inverse.
    Undo,
}

impl Direction {
    /// Its name in ids, events and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Undo => "undo",
        }
    }
}

/// The forges of the engine's ids, bound to one salt and one domain.
#[derive(Debug, Clone)]
pub struct Ids {
    sagas: Forge,
    events: Forge,
    messages: Forge,
}

impl Ids {
    /// The forges for a system with this salt and domain (`petstore.example`).
    #[must_use]
    pub fn new(salt: &Salt, domain: &str) -> Self {
        let forge = |of: &str| Forge::new(Namespace::from_domain(&format!("{of}.{domain}")), salt);
        Self { sagas: forge("sagas"), events: forge("events"), messages: forge("messages") }
    }

    /// The forge of sagas' ids, `sagas.<domain>`; each definition has a formula of its own.
    #[must_use]
    pub fn sagas(&self) -> &Forge {
        &self.sagas
    }

    /// The id that all messages of a saga share.
    #[must_use]
    pub fn correlation(&self, saga: Uuid) -> Uuid {
        id!(self.events, "correlation", saga_id = UuidText(saga))
    }

    /// The id of a command, or of an operator's copy of the event that starts a step.
    #[must_use]
    pub fn command(&self, saga: Uuid, step: &str, direction: Direction, epoch: u32) -> Uuid {
        let direction = direction.as_str();
        id!(self.messages, "command", saga_id = UuidText(saga), step = step, direction = direction, epoch = epoch)
    }

    /// The id of an event that a message caused: at most one of a type per cause and process.
    #[must_use]
    pub fn event_caused(&self, cause: Uuid, kind: &str) -> Uuid {
        id!(self.messages, "event", cause_id = UuidText(cause), type = kind)
    }

    /// The id of an event that a request over HTTP or a timer caused: one per version of the aggregate.
    #[must_use]
    pub fn event_at(&self, aggregate: &str, version: u64, kind: &str) -> Uuid {
        id!(self.messages, "event", aggregate_id = aggregate, version = version, type = kind)
    }

    /// The id of the `n`-th edited copy of a parked message.
    #[must_use]
    pub fn edit(&self, message: Uuid, n: u32) -> Uuid {
        id!(self.messages, "edit", message_id = UuidText(message), n = n)
    }

    /// The id of a timer.
    #[must_use]
    pub fn timer(&self, saga: Uuid, step: &str, direction: Direction, kind: &str, epoch: u32, attempt: u32) -> Uuid {
        let direction = direction.as_str();
        id!(
            self.messages,
            "timer",
            saga_id = UuidText(saga),
            step = step,
            direction = direction,
            kind = kind,
            epoch = epoch,
            attempt = attempt
        )
    }
}
