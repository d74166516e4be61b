//! A model of the broker: it brings each message to every queue that its type is bound to, after
//! a while of its own for each copy, so in any order; and sometimes once more.

use std::collections::BTreeMap;
use std::rc::Rc;

use fastrand::Rng;
use saga_contract::TOPOLOGY;
use saga_core::{Message, QueueType};
use time::Duration;

/// A stored message: its content never changes, so all copies share it.
pub(super) type Letter = Rc<Message>;

/// How messages travel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// How long most copies take, at most.
    pub(super) usual: Duration,
    /// Of a thousand copies, how many are late, and by how much at most.
    pub(super) late: (u32, Duration),
    /// Of a thousand copies, how many are very late, and by how much at most.
    pub(super) very_late: (u32, Duration),
    /// Of a thousand copies, how many are delivered once more.
    pub(super) twice: u32,
}

impl Conditions {
    /// No faults, but what every broker does on a good day: it overtakes, and it redelivers.
    pub(super) const GOOD_DAY: Self = Self {
        usual: Duration::milliseconds(4),
        late: (40, Duration::milliseconds(500)),
        very_late: (4, Duration::seconds(30)),
        twice: 50,
    };
}

/// A copy on its way to a consumer.
pub(super) struct Copy {
    pub(super) queue: &'static str,
    pub(super) after: Duration,
}

pub(super) struct Broker {
    conditions: Conditions,
    takers: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Broker {
    pub(super) fn new(conditions: Conditions) -> Self {
        let takers = TOPOLOGY.types.iter().map(|kind| {
            let taken = TOPOLOGY.takers(kind).filter(|queue| queue.kind == QueueType::Quorum);
            (kind.name, taken.map(|queue| queue.name).collect())
        });
        Self { conditions, takers: takers.collect() }
    }

    /// The copies that a message becomes: in one queue, or in all that its type is bound to.
    pub(super) fn publish(&self, letter: &Letter, queue: Option<&str>, dice: &mut Rng) -> Vec<Copy> {
        let queues: Vec<&'static str> = match queue {
            Some(name) => TOPOLOGY.queues.iter().map(|queue| queue.name).filter(|known| *known == name).collect(),
            None => self.takers.get(letter.kind.as_str()).cloned().unwrap_or_default(),
        };
        let mut copies = Vec::new();
        for queue in queues {
            copies.push(Copy { queue, after: self.way(dice) });
            if one_of(dice, self.conditions.twice) {
                copies.push(Copy { queue, after: self.way(dice) });
            }
        }
        copies
    }

    fn way(&self, dice: &mut Rng) -> Duration {
        let Conditions { usual, late, very_late, .. } = self.conditions;
        let most = match dice.u32(0..1000) {
            roll if roll < very_late.0 => very_late.1,
            roll if roll < very_late.0 + late.0 => late.1,
            _ => usual,
        };
        up_to(dice, most)
    }
}

/// A time from 100 microseconds to `most`.
pub(super) fn up_to(dice: &mut Rng, most: Duration) -> Duration {
    let most = i64::try_from(most.whole_microseconds()).unwrap_or(i64::MAX);
    Duration::microseconds(dice.i64(100..=most.max(100)))
}

/// Whether this is one of the `n` in a thousand.
pub(super) fn one_of(dice: &mut Rng, n: u32) -> bool {
    dice.u32(0..1000) < n
}

#[cfg(test)]
mod tests;
