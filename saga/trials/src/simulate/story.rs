//! The story of one saga, as `saga show` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use saga::command::{Timeline, Told};
use saga_contract::queues;
use saga_core::{Instance, Message, Phase, StepState, Time};
use uuid::Uuid;

use super::rules::Broken;
use super::world::World;

/// The story of one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    head: String,
    timeline: Timeline,
    steps: String,
    /// The rules that it breaks.
    broken: Vec<String>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\nsteps: {}\n", self.head, self.timeline.table(), self.steps)?;
        self.broken.iter().try_for_each(|broken| writeln!(f, "BROKEN {broken}"))
    }
}

impl Story {
    /// Short lines: when, who, what.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.timeline.lines()
    }
}

/// A saga that ended so: the first among those in which most was done and undone.
pub(super) fn example(world: &World, phase: Phase) -> Option<Story> {
    let ended = world.sagas.tables.all().filter(|saga| saga.phase == phase);
    let best = ended.min_by_key(|saga| (std::cmp::Reverse(moved(saga)), saga.started_at, saga.id))?;
    Some(story(world, best, &[]))
}

/// The shortest story of a saga that breaks a rule.
pub(super) fn shortest(world: &World, broken: &[Broken]) -> Option<Story> {
    let sagas: BTreeSet<Uuid> = broken.iter().filter_map(|broken| broken.saga).collect();
    let mut sent: BTreeMap<Uuid, usize> = BTreeMap::new();
    for stored in world.books().flat_map(|(_, book)| book.journal.values()) {
        let saga = stored.letter.saga_id.filter(|saga| sagas.contains(saga));
        saga.into_iter().for_each(|saga| *sent.entry(saga).or_default() += 1);
    }
    let known = sent.iter().filter_map(|(saga, sent)| Some((world.sagas.tables.get(*saga)?, sent)));
    known.min_by_key(|(_, sent)| **sent).map(|(saga, _)| story(world, saga, broken))
}

fn moved(saga: &Instance) -> usize {
    saga.steps.iter().filter(|step| matches!(step.state, StepState::Done | StepState::Undone)).count()
}

fn story(world: &World, saga: &Instance, broken: &[Broken]) -> Story {
    let its = broken.iter().filter(|broken| broken.saga == Some(saga.id));
    let why = saga.end.as_ref().map_or(String::new(), |end| format!(" ({})", end.reason));
    let names = world.sagas.tables.engine.definition.steps.iter().map(|step| step.name);
    let steps: Vec<String> =
        names.zip(&saga.steps).map(|(name, step)| format!("{name} {}", word(step.state))).collect();
    Story {
        head: format!("saga {}  {}{why}  about {}", saga.id, saga.phase.as_str(), saga.subject),
        timeline: Timeline::of(&told(world, saga.id)),
        steps: steps.join(", "),
        broken: its.map(|broken| format!("{}: {}", broken.rule, broken.what)).collect(),
    }
}

/// What all processes sent, and what the orchestrator handled of it.
fn told(world: &World, saga: Uuid) -> Vec<Told> {
    let sent = world.books().flat_map(|(_, book)| book.journal.values()).map(|sent| &sent.letter);
    let sent =
        sent.filter(|message| message.saga_id == Some(saga)).map(|message| seen("sent", message.time, message, None));
    let handled = world.sagas.book.inbox.iter().filter(|((queue, _), _)| *queue == queues::SAGA_INBOX);
    let handled = handled.map(|(_, handled)| handled).filter(|handled| handled.letter.saga_id == Some(saga));
    let handled = handled.map(|handled| seen("received", handled.at, &handled.letter, handled.note));
    let mut told: Vec<Told> = sent.chain(handled).collect();
    told.sort_by_key(|told| (told.at, told.seen == "sent"));
    told
}

fn seen(way: &str, at: Time, message: &Message, note: Option<&str>) -> Told {
    Told {
        at,
        seen: way.to_owned(),
        id: message.id,
        kind: message.kind.clone(),
        source: Some(message.source.clone()),
        cause: message.causation_id,
        step: message.step.clone(),
        epoch: message.epoch,
        note: note.map(str::to_owned),
    }
}

fn word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Sent => "sent",
        StepState::Done => "done",
        StepState::Refused => "refused",
        StepState::Skipped => "skipped",
        StepState::Undoing => "undoing",
        StepState::Undone => "undone",
    }
}
