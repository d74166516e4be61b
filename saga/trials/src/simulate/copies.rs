//! The running copies of the processes: what one of them holds in memory, and loses when it dies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use saga_contract::{TOPOLOGY, processes};
use saga_core::Time;
use time::Duration;

use super::broker::Delivery;
use super::process::Taken;

/// How many copies of each process run.
const COPIES: usize = 2;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Pets,
    Orders,
    Inventory,
    Sagas,
}

/// One copy of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CopyId {
    pub(super) owner: Owner,
    pub(super) n: usize,
}

/// A copy of a process.
pub(super) struct Copy {
    /// Whether it runs.
    pub(super) up: bool,
    /// Raised by each death: what belongs to an earlier life never happens.
    pub(super) life: u32,
    /// Raised as its connections to the broker end: what was taken over an earlier one cannot be acknowledged.
    pub(super) session: u32,
    /// Until when it stands still.
    pub(super) frozen_until: Time,
    /// Until when it has no connection to the broker.
    pub(super) away_until: Time,
    /// How far its clock is off.
    pub(super) offset: Duration,
    /// The marks of what it is about to publish.
    pub(super) held: BTreeSet<u64>,
    /// What it took from each queue.
    pub(super) batches: BTreeMap<&'static str, Batch>,
}

/// Messages that a copy took from a queue.
pub(super) struct Batch {
    pub(super) session: u32,
    pub(super) deliveries: Vec<Delivery>,
    /// They were acknowledged already.
    pub(super) acknowledged: bool,
    /// What is still to be handled, a transaction each.
    pub(super) todo: VecDeque<Vec<Taken>>,
    /// When the transaction under way began: truly, and by the copy's clock.
    pub(super) began: (Time, Time),
}

/// All copies of all processes.
pub(super) struct Copies(BTreeMap<CopyId, Copy>);

impl Owner {
    pub(super) const ALL: [Self; 4] = [Self::Pets, Self::Orders, Self::Inventory, Self::Sagas];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pets => processes::PET_SERVICE,
            Self::Orders => processes::ORDER_SERVICE,
            Self::Inventory => processes::INVENTORY_SERVICE,
            Self::Sagas => processes::SAGA,
        }
    }

    /// Who consumes a queue.
    pub(super) fn of(queue: &str) -> Option<Self> {
        let consumer = TOPOLOGY.queues.iter().find(|known| known.name == queue)?.consumer;
        Self::ALL.into_iter().find(|owner| owner.name() == consumer)
    }

    /// The queues that it consumes.
    pub(super) fn queues(self) -> impl Iterator<Item = &'static str> {
        let queues = TOPOLOGY.queues.iter().filter(move |queue| queue.consumer == self.name());
        queues.map(|queue| queue.name)
    }

    /// Its copies.
    pub(super) fn copies(self) -> impl Iterator<Item = CopyId> {
        (0..COPIES).map(move |n| CopyId { owner: self, n })
    }
}

impl std::fmt::Display for CopyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner.name(), self.n + 1)
    }
}

impl Copy {
    fn new(since: Time) -> Self {
        Self {
            up: true,
            life: 0,
            session: 0,
            frozen_until: since,
            away_until: since,
            offset: Duration::ZERO,
            held: BTreeSet::new(),
            batches: BTreeMap::new(),
        }
    }

    /// Whether it does anything now.
    pub(super) fn is_ready(&self, now: Time) -> bool {
        self.up && self.frozen_until <= now
    }

    /// Whether the broker hands messages of a queue to it.
    pub(super) fn takes(&self, queue: &str, now: Time) -> bool {
        self.up && self.away_until <= now && !self.batches.contains_key(queue)
    }

    /// Its connections to the broker end: what goes back to which queue.
    pub(super) fn disconnect(&mut self) -> Vec<(&'static str, Delivery)> {
        self.session += 1;
        let mut back = Vec::new();
        for (queue, batch) in &mut self.batches {
            let is_open = batch.session + 1 == self.session && !batch.acknowledged;
            let returned = batch.deliveries.iter().filter(|_| is_open).cloned();
            back.extend(returned.map(|delivery| (*queue, Delivery { times: delivery.times + 1, ..delivery })));
        }
        back
    }

    /// It dies: what goes back to which queue.
    pub(super) fn die(&mut self) -> Vec<(&'static str, Delivery)> {
        let back = self.disconnect();
        self.up = false;
        self.life += 1;
        self.held.clear();
        self.batches.clear();
        back
    }
}

impl Copies {
    pub(super) fn new(since: Time) -> Self {
        let ids = Owner::ALL.into_iter().flat_map(Owner::copies);
        Self(ids.map(|id| (id, Copy::new(since))).collect())
    }

    /// One of them.
    pub(super) fn get(&self, id: CopyId) -> Option<&Copy> {
        self.0.get(&id)
    }

    /// One of them.
    pub(super) fn get_mut(&mut self, id: CopyId) -> Option<&mut Copy> {
        self.0.get_mut(&id)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (CopyId, &Copy)> {
        self.0.iter().map(|(id, copy)| (*id, copy))
    }
}
