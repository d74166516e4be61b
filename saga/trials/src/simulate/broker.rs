//! A model of the broker: it brings each message to every queue that its type is bound to, after
//! a while of its own for each copy, so in any order; sometimes once more; and it refuses, returns
//! and loses.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use saga_contract::TOPOLOGY;
use saga_core::{Message, QueueType, Time};
use time::Duration;

use super::dice::Dice;
use super::faults::Fault;

/// A stored message: its content never changes, so all copies share it.
pub(super) type Letter = Rc<Message>;

/// How long most copies take, at most.
const USUAL: Duration = Duration::milliseconds(4);

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) letter: Letter,
    /// How often it was handed out before.
    pub(super) times: u32,
}

/// A copy on its way into a queue.
pub(super) struct Copy {
    pub(super) queue: &'static str,
    pub(super) after: Duration,
}

/// What a publisher is told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublishOutcome {
    /// It is confirmed, and in its queues.
    Confirmed,
    /// It is confirmed, and no queue took it.
    Returned,
    /// It is refused.
    Nacked,
    /// Nothing: the connection ended.
    Unanswered,
}

pub(super) struct Broker {
    takers: BTreeMap<&'static str, Vec<&'static str>>,
    queues: BTreeMap<&'static str, VecDeque<Delivery>>,
    /// Until when it is gone.
    pub(super) down_until: Time,
}

impl Broker {
    pub(super) fn new(since: Time) -> Self {
        let takers = TOPOLOGY.types.iter().map(|kind| {
            let taken = TOPOLOGY.takers(kind).filter(|queue| queue.kind == QueueType::Quorum);
            (kind.name, taken.map(|queue| queue.name).collect())
        });
        let queues = TOPOLOGY.queues.iter().map(|queue| (queue.name, VecDeque::new()));
        Self { takers: takers.collect(), queues: queues.collect(), down_until: since }
    }

    /// Where a message belongs: into one queue, or into all that its type is bound to.
    pub(super) fn routes(&self, letter: &Letter, queue: Option<&str>) -> Vec<&'static str> {
        match queue {
            Some(name) => self.queues.keys().copied().filter(|known| *known == name).collect(),
            None => self.takers.get(letter.kind.as_str()).cloned().unwrap_or_default(),
        }
    }

    /// The copies that a message becomes, and what its publisher is told.
    pub(super) fn publish(&self, letter: &Letter, queue: Option<&str>, dice: &mut Dice) -> (Vec<Copy>, PublishOutcome) {
        if dice.strikes(Fault::Nack) {
            return (Vec::new(), PublishOutcome::Nacked);
        }
        if dice.strikes(Fault::Return) {
            return (Vec::new(), PublishOutcome::Returned);
        }
        let lost = dice.strikes(Fault::Loss);
        if lost && dice.coin() {
            return (Vec::new(), PublishOutcome::Unanswered);
        }
        let mut copies = Vec::new();
        for queue in self.routes(letter, queue) {
            copies.push(Copy { queue, after: way(dice) });
            if dice.strikes(Fault::Duplicate) {
                copies.push(Copy { queue, after: way(dice) });
            }
        }
        (copies, if lost { PublishOutcome::Unanswered } else { PublishOutcome::Confirmed })
    }

    /// Puts a message into a queue.
    pub(super) fn put(&mut self, queue: &'static str, delivery: Delivery) {
        self.queues.entry(queue).or_default().push_back(delivery);
    }

    /// Whether a queue holds something to hand out.
    pub(super) fn has(&self, queue: &str) -> bool {
        self.queues.get(queue).is_some_and(|queue| !queue.is_empty())
    }

    /// Hands out at most `most` messages of a queue; one that was handed out often goes alone.
    pub(super) fn take(&mut self, queue: &str, most: usize) -> Vec<Delivery> {
        const ALONE: u32 = 2;
        let Some(queue) = self.queues.get_mut(queue) else { return Vec::new() };
        let together = queue.iter().take_while(|delivery| delivery.times < ALONE).take(most).count();
        queue.drain(..together.max(1).min(queue.len())).collect()
    }
}

fn way(dice: &mut Dice) -> Duration {
    let [late, very_late] = dice.faults.lateness();
    let most = match (dice.strikes(Fault::Delay), dice.below(10)) {
        (true, 0) => very_late,
        (true, _) => late,
        (false, _) => USUAL,
    };
    dice.up_to(most)
}

#[cfg(test)]
mod tests;
