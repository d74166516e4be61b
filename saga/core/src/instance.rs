//! One run of a saga: what it knows and where it stands.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Duration;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::definition::{Definition, Kind};
use crate::events::End;
use crate::ids::{Direction, Ids};
use crate::message::{MessageRef, Time};

/// One run of a saga.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id, forged from what started it.
    pub id: Uuid,
    /// The definition's name.
    pub definition: String,
    /// The definition's version that it was started with, and keeps.
    pub definition_version: u16,
    /// The id on every message of this saga.
    pub correlation_id: Uuid,
    /// The business object that it is about; the subject of its SAGA_* events.
    pub subject: String,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The data of the message that started it.
    pub start: Value,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: Time,
    /// Where it stands.
    pub phase: Phase,
    /// How it is being ended, once it will not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Its steps, in the order of the definition's table.
    pub steps: Vec<StepRecord>,
    /// Whether the pivot's word was given, perhaps before its time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub granted: bool,
    /// A person should look; it goes on trying.
    #[serde(default, skip_serializing_if = "is_default")]
    pub needs_intervention: bool,
    /// Counts the inputs applied.
    pub version: u64,
    /// When the shell must wake it, at the latest. Never later than its earliest timer, and often
    /// earlier: moving it with every step would cost a write and buy nothing.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Time>,
}

// The state is written with each step: what most steps and most sagas do not say is left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its compensatable steps are being done.
    Running,
    /// Every compensatable step is done, the pivot is ahead.
    Prepared,
    /// The pivot is behind; what is left is tried until it succeeds.
    Completing,
    /// It will not complete; what was done is being undone.
    Compensating,
    /// All steps are done.
    Completed,
    /// The system said no and all is undone.
    Rejected,
    /// A person or an expiry ended it and all is undone.
    Cancelled,
}

/// How a saga ends that does not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The system said no.
    Rejected,
    /// A person or an expiry ended it.
    Cancelled,
}

/// Where one step stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its state.
    pub state: StepState,
    /// Which run of it this is; raised only by an operator's retry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub epoch: u32,
    /// The request that is waiting for an answer, do or undo: what a resend sends. Kept when an operator counts the step as
    /// done before the pivot, should its answer be needed after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<MessageRef>,
    /// When that request was first sent.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    /// When it is sent again.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub resend_at: Option<Time>,
    /// How often it was sent again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resends: u32,
    /// Whether it was told that this request is not answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overdue: bool,
    /// The data of the event that said it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Its place in the order of completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_as: Option<u32>,
}

/// The states of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not asked for by us; a participant may have been asked by another's event.
    Pending,
    /// The request is out, the outcome unknown.
    Sent,
    /// Done.
    Done,
    /// The participant said no.
    Refused,
    /// Not part of this run, or counted as done by an operator.
    Skipped,
    /// The undo is out.
    Undoing,
    /// Undone, or nothing was there to undo.
    Undone,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between resends.
    pub resend: Backoff,
    /// For an answer, before the pivot until undoing, after it until the mark.
    pub step_timeout: Duration,
    /// For the pivot's word.
    pub pivot_ttl: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            resend: Backoff { first: Duration::seconds(5), cap: Duration::seconds(60) },
            step_timeout: Duration::minutes(10),
            pivot_ttl: Duration::minutes(30),
        }
    }
}

/// Something that will be due unless the saga moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// The row of the step.
    pub row: usize,
    /// What was asked of it.
    pub direction: Direction,
    /// What is due.
    pub kind: TimerKind,
    /// When.
    pub due: Time,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// Send the request again.
    Resend,
    /// Give up waiting for the answer (before the pivot), or ask for a person (elsewhere).
    Deadline,
    /// Give up waiting for the pivot's word.
    Expiry,
}

impl TimerKind {
    /// Its name in the timer's id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Deadline => "deadline",
            Self::Expiry => "expiry",
        }
    }
}

impl Phase {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_end(self) -> bool {
        match self {
            Self::Running | Self::Prepared | Self::Completing | Self::Compensating => false,
            Self::Completed | Self::Rejected | Self::Cancelled => true,
        }
    }

    /// The steps that are being done.
    pub(crate) fn side(self) -> Option<Kind> {
        match self {
            Self::Running => Some(Kind::Compensatable),
            Self::Completing => Some(Kind::Retriable),
            Self::Prepared | Self::Compensating | Self::Completed | Self::Rejected | Self::Cancelled => None,
        }
    }

    /// Its name in the database, in the API and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Prepared => "prepared",
            Self::Completing => "completing",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// Its name in the database, in the API and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

impl StepState {
    /// Its name in the database, in the API and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

impl StepRecord {
    pub(crate) fn new(state: StepState) -> Self {
        Self {
            state,
            epoch: 0,
            request: None,
            asked_at: None,
            resend_at: None,
            resends: 0,
            overdue: false,
            answer: None,
            done_as: None,
        }
    }

    /// What is being waited for, if anything.
    #[must_use]
    pub fn waiting(&self) -> Option<Direction> {
        match self.state {
            StepState::Sent => Some(Direction::Do),
            StepState::Undoing => Some(Direction::Undo),
            StepState::Pending | StepState::Done | StepState::Refused | StepState::Skipped | StepState::Undone => None,
        }
    }

    /// Whether the step needs nothing more on the way forward.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.state, StepState::Done | StepState::Skipped)
    }

    pub(crate) fn settle(&mut self, state: StepState) {
        self.state = state;
        self.request = None;
        self.asked_at = None;
        self.resend_at = None;
        self.resends = 0;
        self.overdue = false;
    }

    pub(crate) fn ask(&mut self, state: StepState, request: Option<MessageRef>, now: Time) {
        self.state = state;
        self.request = request;
        self.asked_at = Some(now);
        self.resends = 0;
        self.resend_at = None;
        self.overdue = false;
    }
}

impl Instance {
    /// Takes the mark away once every request that it was told of is answered, counted as answered or asked anew.
    pub(crate) fn look_at_mark(&mut self) {
        self.needs_intervention = self.steps.iter().any(|record| record.overdue);
    }

    /// Everything that will be due unless the saga moves on.
    #[must_use]
    pub fn timers(&self, definition: &Definition, timings: &Timings) -> Vec<Timer> {
        if self.phase.is_end() {
            return Vec::new();
        }
        let rows = definition.steps.iter().zip(&self.steps).enumerate();
        rows.flat_map(|(row, (step, record))| match step.kind {
            Kind::Pivot => self.expiry(row, record, timings).into_iter().collect(),
            Kind::Compensatable | Kind::Retriable => self.step_timers(row, record, timings),
        })
        .collect()
    }

    /// The id of a timer of this saga.
    #[must_use]
    pub fn timer_id(&self, ids: &Ids, definition: &Definition, timer: &Timer) -> Uuid {
        let record = &self.steps[timer.row];
        let step = definition.steps[timer.row].name;
        ids.timer(self.id, step, timer.direction, timer.kind.as_str(), record.epoch, record.resends)
    }

    fn expiry(&self, row: usize, record: &StepRecord, timings: &Timings) -> Option<Timer> {
        let asked = record.asked_at.filter(|_| self.phase == Phase::Prepared)?;
        let due = asked.saturating_add(timings.pivot_ttl);
        Some(Timer { row, direction: Direction::Do, kind: TimerKind::Expiry, due })
    }

    fn step_timers(&self, row: usize, record: &StepRecord, timings: &Timings) -> Vec<Timer> {
        let (Some(direction), Some(asked)) = (record.waiting(), record.asked_at) else {
            return Vec::new();
        };
        // While undoing, an unanswered `do` is history: its undo is what is waited for.
        if self.phase == Phase::Compensating && direction == Direction::Do {
            return Vec::new();
        }
        let resend = record.resend_at.map(|due| Timer { row, direction, kind: TimerKind::Resend, due });
        let gives_up = matches!(self.phase, Phase::Running | Phase::Prepared);
        let deadline = (gives_up || !record.overdue).then(|| {
            let due = asked.saturating_add(timings.step_timeout);
            Timer { row, direction, kind: TimerKind::Deadline, due }
        });
        resend.into_iter().chain(deadline).collect()
    }
}
