//! From a queue to the acknowledgement: what `saga-runtime`'s consumer and delivery do, but that nothing waits for company
//! here: batches are what happens to be there.

use std::collections::VecDeque;
use std::rc::Rc;

use saga_core::Time;
use time::Duration;

use super::{Event, Job, LOOK_EVERY, World};
use crate::simulate::book::After;
use crate::simulate::broker::{Delivery, Letter};
use crate::simulate::bugs::Bug;
use crate::simulate::copies::{Batch, CopyId, Owner};
use crate::simulate::process::Taken;

/// How many messages are handled together, at most.
const BATCH: usize = 8;
/// How long a batch takes, at most.
const HANDLING: Duration = Duration::milliseconds(2);
/// How long a copy waits before it tries a transaction again: mostly, for long, for very long.
const AGAIN_AFTER: [Duration; 3] = [Duration::milliseconds(50), Duration::SECOND, Duration::seconds(5)];
/// The database ends a transaction that did nothing for so long.
const IDLE_IN_TRANSACTION: Duration = Duration::seconds(30);

impl World {
    /// A message reaches a queue.
    pub(super) fn arrive(&mut self, queue: &'static str, letter: Letter, times: u32) {
        if self.broker.down_until > self.now() {
            return self.enter(self.broker.down_until, Event::Arrive(queue, letter, times));
        }
        self.broker.put(queue, Delivery { letter, times });
        self.offer(queue);
    }

    /// Hands out what lies in a queue to copies that have nothing of it in hand.
    pub(super) fn offer(&mut self, queue: &'static str) {
        let Some(owner) = Owner::of(queue) else { return };
        while self.broker.has(queue) && self.broker.down_until <= self.now() {
            let now = self.now();
            let takes = |id: &CopyId| self.copies.get(*id).is_some_and(|copy| copy.takes(queue, now));
            let takers: Vec<CopyId> = owner.copies().filter(takes).collect();
            let chosen = self.dice.below(takers.len());
            let Some(copy) = takers.get(chosen).copied() else { return };
            self.hand_out(queue, copy);
        }
    }

    pub(super) fn offer_all(&mut self) {
        Owner::ALL.into_iter().flat_map(Owner::queues).for_each(|queue| self.offer(queue));
    }

    fn hand_out(&mut self, queue: &'static str, id: CopyId) {
        let most = 1 + self.dice.below(BATCH);
        let deliveries = self.broker.take(queue, most);
        let taken = deliveries.iter().map(|Delivery { letter, times }| {
            let (letter, times) = (letter.clone(), *times);
            Taken { letter, times, attempts: 0 }
        });
        let todo = VecDeque::from([taken.collect()]);
        let began = (self.now(), self.clock(id));
        let acknowledged = self.bug == Some(Bug::AcksBeforeCommit);
        let Some(copy) = self.copies.get_mut(id) else { return };
        copy.batches.insert(queue, Batch { session: copy.session, deliveries, acknowledged, todo, began });
        let took = self.dice.up_to(HANDLING);
        self.goes_on(id, took, Job::Handle(queue));
    }

    /// One transaction of a batch, and on to the next; then they are acknowledged.
    pub(super) fn handle(&mut self, id: CopyId, queue: &'static str) {
        let Some(batch) = self.copies.get(id).and_then(|copy| copy.batches.get(queue)) else { return };
        let (Some(group), (began, clock)) = (batch.todo.front().cloned(), batch.began) else { return };
        if self.bug == Some(Bug::PublishesBeforeCommit) {
            self.publish_uncommitted(id, queue, &group, clock);
        }
        let was_idle_for_too_long = self.now() - began > IDLE_IN_TRANSACTION;
        let committed = if was_idle_for_too_long {
            None
        } else {
            let work = |world: &mut Self| Ok(world.settle(id.owner, queue, &group, clock, false));
            self.transaction(id, work).unwrap_or_default()
        };
        if self.copies.get(id).is_none_or(|copy| !copy.batches.contains_key(queue)) {
            return;
        }
        match committed {
            Some(after) => {
                self.follow(id, after);
                self.next_group(id, queue);
            }
            None => self.handle_again(id, queue, group),
        }
    }

    /// Settles a batch.
    fn settle(&mut self, owner: Owner, queue: &'static str, group: &[Taken], clock: Time, held: bool) -> After {
        let after = self.service(owner).settle(queue, group, clock, held);
        for (letter, became) in &after.became {
            self.note(|| format!("{} {queue} {} {}: {became:?}", owner.name(), letter.kind, letter.id));
        }
        after
    }

    fn next_group(&mut self, id: CopyId, queue: &'static str) {
        let began = (self.now(), self.clock(id));
        let Some(batch) = self.copies.get_mut(id).and_then(|copy| copy.batches.get_mut(queue)) else { return };
        batch.todo.pop_front();
        batch.began = began;
        let job = if batch.todo.is_empty() { Job::Acknowledge(queue) } else { Job::Handle(queue) };
        let took = self.dice.up_to(HANDLING);
        self.goes_on(id, took, job);
    }

    /// What failed is tried again, the same batch or one by one.
    fn handle_again(&mut self, id: CopyId, queue: &'static str, group: Vec<Taken>) {
        let one_by_one = group.len() > 1 && self.dice.coin();
        let pause = self.dice.mostly_short(AGAIN_AFTER);
        let began = (self.now() + pause, self.clock(id) + pause);
        let Some(batch) = self.copies.get_mut(id).and_then(|copy| copy.batches.get_mut(queue)) else { return };
        batch.began = began;
        if one_by_one {
            batch.todo.pop_front();
            group.into_iter().rev().for_each(|taken| batch.todo.push_front(vec![taken]));
        }
        self.goes_on(id, pause, Job::Handle(queue));
    }

    /// What is done is acknowledged; over a connection that ended that means nothing.
    pub(super) fn acknowledge(&mut self, id: CopyId, queue: &'static str) {
        if let Some(copy) = self.copies.get_mut(id) {
            copy.batches.remove(queue);
        }
        self.offer(queue);
    }

    /// Enters when a process looks for messages of a queue that it put off.
    pub(super) fn look_for_due(&mut self, owner: Owner, queue: &'static str) {
        let Some(due) = self.book(owner).next_due(queue).filter(|_| self.looking.insert(queue)) else { return };
        let fastest = owner.copies().filter_map(|id| self.copies.get(id)).map(|copy| copy.offset).max();
        let at = (due - fastest.unwrap_or_default()).max(self.now()) + self.dice.up_to(LOOK_EVERY);
        self.enter(at, Event::Due(owner, queue));
    }

    /// Handles what was put off and is due.
    pub(super) fn handle_due(&mut self, owner: Owner, queue: &'static str) {
        self.looking.remove(queue);
        if let Some(id) = self.someone(owner) {
            let clock = self.clock(id);
            let due = self.book(owner).due(queue, clock).into_iter();
            let due: Vec<Taken> = due.map(|(letter, attempts)| Taken { letter, times: 0, attempts }).collect();
            let mut groups = if self.dice.coin() { vec![due] } else { due.into_iter().map(|one| vec![one]).collect() };
            groups.retain(|group| !group.is_empty());
            for group in groups {
                let work = |world: &mut Self| Ok(world.settle(owner, queue, &group, clock, true));
                if let Ok(Some(after)) = self.transaction(id, work) {
                    self.follow(id, after);
                }
            }
        }
        self.look_for_due(owner, queue);
    }

    /// A fault that is built in: what a transaction may lead to goes out before its commit.
    fn publish_uncommitted(&mut self, id: CopyId, queue: &'static str, group: &[Taken], clock: Time) {
        for message in self.service(id.owner).would_send(queue, group, clock) {
            let letter = Rc::new(message);
            for queue in self.routes(&letter, None) {
                self.enter(self.now() + HANDLING, Event::Arrive(queue, letter.clone(), 0));
            }
        }
    }
}
