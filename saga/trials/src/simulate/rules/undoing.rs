//! What must hold of the way back.

use std::collections::BTreeMap;

use saga_contract::queues;
use saga_core::{Instance, Outcome};
use uuid::Uuid;

use super::{Broken, broken};
use crate::simulate::world::World;

/// An undo: the row of its step, when it was sent, and when its answer was handled.
struct Undo {
    row: usize,
    sent: u64,
    answered: Option<u64>,
}

/// Undos come one at a time, the starter of others after these, and what is done in reverse order.
pub(super) fn in_order(world: &World) -> Vec<Broken> {
    const RULE: &str = "what was done last is undone first, one step at a time";
    let steps = world.sagas.tables.engine.definition.steps;
    let judge = |saga: &Instance, first: &Undo, second: &Undo| {
        let (one, other) = (steps[first.row], steps[second.row]);
        let starts_it = other.starter() == Some(one.name);
        let is_started = one.starter() == Some(other.name);
        let places = (saga.steps[first.row].done_as, saga.steps[second.row].done_as);
        let done_before = matches!(places, (Some(one), Some(other)) if one < other);
        let at_once = first.answered.is_none_or(|answered| answered > second.sent);
        (starts_it || (done_before && !is_started) || at_once).then(|| format!("{} before {}", one.name, other.name))
    };
    let mut wrong = Vec::new();
    for (saga, undos) in undos(world) {
        let Some(saga) = world.sagas.tables.get(saga).filter(|saga| !world.skips.touched(saga.id)) else { continue };
        let what = undos.windows(2).filter_map(|pair| judge(saga, &pair[0], &pair[1]));
        wrong.extend(what.map(|what| broken(RULE, Some(saga.id), what)));
    }
    wrong
}

/// The end is told once the last undo was answered.
pub(super) fn before_the_end(world: &World) -> Vec<Broken> {
    const RULE: &str = "the end is told after the last undo was answered";
    let mut ends: BTreeMap<Uuid, u64> = BTreeMap::new();
    for sent in world.sagas.book.journal.values() {
        let is_end = [Outcome::Rejected, Outcome::Cancelled].map(end).contains(&sent.letter.kind.as_str());
        let saga = sent.letter.saga_id.filter(|saga| is_end && !world.skips.touched(*saga));
        ends.extend(saga.map(|saga| (saga, sent.row)));
    }
    let undos = undos(world);
    let early = |(saga, end): (&Uuid, &u64)| {
        let undos = undos.get(saga)?;
        let open = undos.iter().find(|undo| undo.answered.is_none_or(|answered| answered > *end))?;
        let step = world.sagas.tables.engine.definition.steps[open.row].name;
        Some(broken(RULE, Some(*saga), format!("it was told while the undo of {step} was on its way")))
    };
    ends.iter().filter_map(early).collect()
}

fn end(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Rejected => saga_core::SAGA_REJECTED,
        Outcome::Cancelled => saga_core::SAGA_CANCELLED,
    }
}

/// The undos of each saga, in the order in which they were first sent.
fn undos(world: &World) -> BTreeMap<Uuid, Vec<Undo>> {
    let steps = world.sagas.tables.engine.definition.steps;
    let sent_by = |kind: &str| steps.iter().position(|step| step.undo.is_some_and(|undo| undo.kind == kind));
    let answered_by = |kind: &str| steps.iter().position(|step| step.undo.is_some_and(|u| u.undone.contains(&kind)));
    let mut found: BTreeMap<(Uuid, usize), Undo> = BTreeMap::new();
    for message in world.sagas.book.journal.values() {
        let (Some(saga), Some(row)) = (message.letter.saga_id, sent_by(&message.letter.kind)) else { continue };
        let undo = found.entry((saga, row)).or_insert(Undo { row, sent: message.row, answered: None });
        undo.sent = undo.sent.min(message.row);
    }
    for ((queue, _), handled) in &world.sagas.book.inbox {
        let (Some(saga), Some(row)) = (handled.letter.saga_id, answered_by(&handled.letter.kind)) else { continue };
        let applied = *queue == queues::SAGA_INBOX && handled.note.is_none();
        if let Some(undo) = found.get_mut(&(saga, row)).filter(|_| applied) {
            undo.answered = Some(handled.row);
        }
    }
    let mut undos: BTreeMap<Uuid, Vec<Undo>> = BTreeMap::new();
    found.into_iter().for_each(|((saga, _), undo)| undos.entry(saga).or_default().push(undo));
    undos.values_mut().for_each(|undos| undos.sort_by_key(|undo| undo.sent));
    undos
}
