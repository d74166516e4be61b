//! What must hold of messages.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::{Kind, Start};
use uuid::Uuid;

use super::{Broken, broken};
use crate::simulate::book::{Key, Sent};
use crate::simulate::broker::Letter;
use crate::simulate::copies::Owner;
use crate::simulate::world::World;

/// Nothing is on its way any more, and nothing was set aside.
pub(super) fn quiet(world: &World) -> Vec<Broken> {
    const RULE: &str = "nothing is left to publish, put off or set aside";
    let mut wrong = Vec::new();
    for (process, book) in world.books() {
        if !book.outbox.is_empty() || !book.deferred.is_empty() {
            let (marks, put_off) = (book.outbox.len(), book.deferred.len());
            wrong.push(broken(RULE, None, format!("{}: {marks} to publish, {put_off} put off", process.name())));
        }
        for ((queue, _), parked) in &book.parked {
            let (saga, what) = (parked.letter.saga_id, format!("{} in {queue} is parked", parked.letter.kind));
            if !saga.is_some_and(|saga| world.skips.touched(saga)) {
                wrong.push(broken(RULE, saga, format!("{what}: {}", parked.reason)));
            }
        }
    }
    wrong
}

/// Each consumer of a message has dealt with it.
pub(super) fn nothing_lost(world: &World) -> Vec<Broken> {
    const RULE: &str = "what was sent is handled by each of its consumers";
    let mut wrong = Vec::new();
    for (key, Sent { letter, queue, .. }) in world.books().flat_map(|(_, book)| &book.journal) {
        for queue in world.routes(letter, queue.as_deref()) {
            let Some(book) = Owner::of(queue).map(|owner| world.book(owner)) else { continue };
            if !book.inbox.contains_key(&(queue, *key)) && !book.parked.contains_key(&(queue, letter.id)) {
                let what = format!("{} {} never came through {queue}", letter.kind, letter.id);
                wrong.push(broken(RULE, letter.saga_id, what));
            }
        }
    }
    wrong
}

/// Whatever was handled was sent, with that content.
pub(super) fn nothing_made_up(world: &World) -> Vec<Broken> {
    const RULE: &str = "what was handled was sent";
    let mut sent: BTreeMap<Key, &Letter> = BTreeMap::new();
    sent.extend(world.books().flat_map(|(_, book)| &book.journal).map(|(key, sent)| (*key, &sent.letter)));
    let handled = world.books().flat_map(|(_, book)| &book.inbox);
    let wrong = handled.filter(|((_, key), handled)| sent.get(key).is_none_or(|sent| **sent != handled.letter));
    let what = |letter: &Letter| format!("{} {} is in nobody's journal", letter.kind, letter.id);
    wrong.map(|(_, handled)| broken(RULE, handled.letter.saga_id, what(&handled.letter))).collect()
}

/// A message is sent once: who would send it again finds it done, whatever the time is by then.
pub(super) fn once(world: &World) -> Vec<Broken> {
    const RULE: &str = "a message is sent once";
    let twice = world.books().flat_map(|(process, book)| book.sent_twice.iter().map(move |letter| (process, letter)));
    let what = |process: Owner, letter: &Letter| {
        format!("{} sent {} {} at {}, and before", process.name(), letter.kind, letter.id, letter.time)
    };
    twice.map(|(process, letter)| broken(RULE, letter.saga_id, what(process, letter))).collect()
}

/// A message leads to one message of a type at most, in each process. Not so a timer, whose mark may fall
/// and rise again; and a copy of an event, made by an operator's retry, names the event as its cause.
pub(super) fn once_per_cause(world: &World) -> Vec<Broken> {
    const RULE: &str = "a message leads to one message of a type at most";
    let mut wrong = Vec::new();
    let sent: BTreeSet<Uuid> = world.books().flat_map(|(_, book)| book.journal.keys()).map(|(_, id)| *id).collect();
    for (process, book) in world.books() {
        let mut effects: BTreeMap<(Uuid, &str), usize> = BTreeMap::new();
        for Sent { letter, .. } in book.journal.values().filter(|sent| sent.queue.is_none()) {
            let Some(cause) = letter.causation_id.filter(|cause| sent.contains(cause)) else { continue };
            let times = effects.entry((cause, &letter.kind)).or_default();
            *times += 1;
            if *times > 1 {
                let what = format!("{} sent {} {times} times because of {cause}", process.name(), letter.kind);
                wrong.push(broken(RULE, letter.saga_id, what));
            }
        }
    }
    wrong
}

/// For each step, direction and epoch there is one request: it may go out again, as it is.
pub(super) fn one_request_per_epoch(world: &World) -> Vec<Broken> {
    const RULE: &str = "a step is asked for once an epoch";
    let (mut wrong, mut asked) = (Vec::new(), BTreeMap::<_, usize>::new());
    for Sent { letter, queue, .. } in world.sagas.book.journal.values() {
        if queue.is_none() && !is_command(world, &letter.kind) {
            continue;
        }
        let times = asked.entry((letter.saga_id, &letter.kind, &letter.step, letter.epoch)).or_default();
        *times += 1;
        if *times > 1 {
            let what = format!("{} of epoch {} was made {times} times", letter.kind, letter.epoch);
            wrong.push(broken(RULE, letter.saga_id, what));
        }
    }
    wrong
}

fn is_command(world: &World, kind: &str) -> bool {
    world.sagas.tables.engine.definition.steps.iter().filter(|step| step.kind != Kind::Pivot).any(|step| {
        let does = matches!(step.start, Start::Command { kind: command, .. } if command == kind);
        does || step.undo.is_some_and(|undo| undo.kind == kind)
    })
}
