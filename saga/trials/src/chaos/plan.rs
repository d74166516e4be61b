//! What goes wrong, and when: all of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;

/// A server that processes reach through proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
}

/// A trouble. Copies of processes are counted: the four, and once more the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again.
    Kill(usize),
    /// A process is frozen for a while.
    Freeze(usize),
    /// A process is killed, and started again with a clock that is wrong by so many seconds.
    Skew(usize, i32),
    /// A server is killed, and started again.
    KillServer(Server),
    /// A server is stopped in good order, and started again.
    RestartServer(Server),
    /// All connections of one process to a server are cut; `None`: of all processes.
    Cut(Option<usize>, Server),
    /// The same connections let nothing through for a while, nor do new ones.
    Stall(Option<usize>, Server),
    /// The broker is short of memory for a while, and takes no messages.
    MemoryAlarm,
    /// The broker is short of disk for a while, and takes no messages.
    DiskAlarm,
    /// A stranger publishes what nobody can handle.
    Garbage,
    /// A stranger publishes again what was published before.
    Duplicates,
}

/// A trouble with its time, from the beginning of its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// What goes wrong.
    pub fault: Fault,
    /// When it begins.
    pub begins: Duration,
    /// When it ends, if it has an end of its own.
    pub ends: Option<Duration>,
}

/// Troubles that overlap, and how long it is calm after everybody has recovered from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The troubles.
    pub faults: Vec<Planned>,
    /// The calm.
    pub calm: Duration,
}

/// Makes a fault with what is drawn.
type Make = fn(&mut Rng, usize) -> Fault;

/// Every kind, with how many of a hundred faults are of it.
const KINDS: [(u32, Make); 15] = [
    (24, |rng, copies| Fault::Kill(rng.usize(..copies))),
    (10, |rng, copies| Fault::Freeze(rng.usize(..copies))),
    (6, |rng, copies| Fault::Skew(rng.usize(..copies), rng.i32(-SKEW..=SKEW))),
    (5, |_, _| Fault::KillServer(Server::Broker)),
    (3, |_, _| Fault::RestartServer(Server::Broker)),
    (7, |_, _| Fault::KillServer(Server::Database)),
    (3, |_, _| Fault::RestartServer(Server::Database)),
    (12, |rng, copies| Fault::Cut(one_or_all(rng, copies), Server::Broker)),
    (12, |rng, copies| Fault::Cut(one_or_all(rng, copies), Server::Database)),
    (4, |rng, copies| Fault::Stall(one_or_all(rng, copies), Server::Broker)),
    (4, |rng, copies| Fault::Stall(one_or_all(rng, copies), Server::Database)),
    (2, |_, _| Fault::MemoryAlarm),
    (2, |_, _| Fault::DiskAlarm),
    (3, |_, _| Fault::Garbage),
    (3, |_, _| Fault::Duplicates),
];

/// Clocks are wrong by this many seconds at most, ahead or behind: two of them by four minutes.
const SKEW: i32 = 120;

/// The plan of a campaign: one round after another, without end.
#[derive(Debug)]
pub(super) struct Plan {
    rng: Rng,
    copies: usize,
    /// Kinds that have not come yet. Each comes once, alone, before they mix: so it is known what each costs.
    to_come: Vec<Make>,
}

impl Plan {
    /// The plan that follows from a seed, for so many copies of processes.
    #[must_use]
    pub(super) fn of(seed: u64, copies: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut to_come: Vec<Make> = KINDS.into_iter().map(|(_, make)| make).collect();
        rng.shuffle(&mut to_come);
        Self { rng, copies, to_come }
    }

    /// Some faults, seven at most, that do not get into each other's way.
    fn several(&mut self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..self.rng.usize(3..=7) {
            let fault = self.draw();
            if faults.iter().all(|other| !fault.is_in_the_way_of(other)) {
                faults.push(fault);
            }
        }
        faults
    }

    fn draw(&mut self) -> Fault {
        let mut left = self.rng.u32(..KINDS.iter().map(|(share, _)| share).sum::<u32>());
        let kind = KINDS.iter().find(|(share, _)| {
            let is_it = left < *share;
            left = left.saturating_sub(*share);
            is_it
        });
        kind.map_or(Fault::Duplicates, |(_, make)| make(&mut self.rng, self.copies))
    }

    fn timed(&mut self, fault: Fault) -> Planned {
        let begins = self.millis(0, 2_000);
        let lasts = match fault {
            Fault::Kill(_) | Fault::Skew(..) => Some((100, 4_000)),
            Fault::Freeze(_) | Fault::Stall(..) => Some(self.hang()),
            Fault::KillServer(_) | Fault::RestartServer(_) => Some((0, 3_000)),
            Fault::MemoryAlarm | Fault::DiskAlarm => Some((3_000, 8_000)),
            Fault::Cut(..) | Fault::Garbage | Fault::Duplicates => None,
        };
        Planned { fault, begins, ends: lasts.map(|(least, most)| begins + self.millis(least, most)) }
    }

    /// At the least and at most: mostly short enough for nobody to notice, sometimes so long that everybody gives up.
    fn hang(&mut self) -> (u64, u64) {
        if self.rng.u8(..6) == 0 { (20_000, 35_000) } else { (500, 8_000) }
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.rng.u64(least..=most))
    }
}

/// The next round; there is always one.
impl Iterator for Plan {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let faults = match self.to_come.pop() {
            Some(make) => vec![make(&mut self.rng, self.copies)],
            None => self.several(),
        };
        let faults = faults.into_iter().map(|fault| self.timed(fault)).collect();
        Some(Round { faults, calm: self.millis(0, 1_500) })
    }
}

fn one_or_all(rng: &mut Rng, copies: usize) -> Option<usize> {
    (rng.u8(..4) > 0).then(|| rng.usize(..copies))
}

impl Round {
    /// One fault alone, for so long if it has an end of its own.
    #[must_use]
    pub fn of(fault: Fault, lasts: Option<Duration>) -> Self {
        let planned = Planned { fault, begins: Duration::ZERO, ends: lasts };
        Self { faults: vec![planned], calm: Duration::from_secs(1) }
    }
}

impl Fault {
    /// What it is called where faults are counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(_) => "processes killed",
            Self::Freeze(_) => "processes frozen",
            Self::Skew(..) => "processes killed, then with another clock",
            Self::KillServer(Server::Broker) => "RabbitMQ killed",
            Self::RestartServer(Server::Broker) => "RabbitMQ restarted",
            Self::KillServer(Server::Database) => "PostgreSQL killed",
            Self::RestartServer(Server::Database) => "PostgreSQL restarted",
            Self::Cut(_, Server::Broker) => "RabbitMQ connections cut",
            Self::Cut(_, Server::Database) => "PostgreSQL connections cut",
            Self::Stall(_, Server::Broker) => "RabbitMQ connections stalled",
            Self::Stall(_, Server::Database) => "PostgreSQL connections stalled",
            Self::MemoryAlarm => "memory alarms at RabbitMQ",
            Self::DiskAlarm => "disk alarms at RabbitMQ",
            Self::Garbage => "bursts of garbage",
            Self::Duplicates => "bursts of duplicates",
        }
    }

    /// Whether something was killed or cut.
    #[must_use]
    pub fn is_kill_or_cut(&self) -> bool {
        match self {
            Self::Kill(_) | Self::Skew(..) | Self::KillServer(_) | Self::Cut(..) => true,
            Self::Freeze(_)
            | Self::RestartServer(_)
            | Self::Stall(..)
            | Self::MemoryAlarm
            | Self::DiskAlarm
            | Self::Garbage
            | Self::Duplicates => false,
        }
    }

    /// Whether both cannot be at once: the same process, the same server, the same way between them.
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    fn place(&self) -> (Option<usize>, Option<Server>) {
        match self {
            Self::Kill(copy) | Self::Freeze(copy) | Self::Skew(copy, _) => (Some(*copy), None),
            Self::KillServer(server) | Self::RestartServer(server) => (None, Some(*server)),
            Self::MemoryAlarm | Self::DiskAlarm => (None, Some(Server::Broker)),
            Self::Cut(copy, server) | Self::Stall(copy, server) => (*copy, Some(*server)),
            Self::Garbage | Self::Duplicates => (None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rounds(seed: u64, number: usize) -> Vec<Round> {
        Plan::of(seed, 8).take(number).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_gives_another() {
        assert_eq!(rounds(7, 50), rounds(7, 50));
        assert_ne!(rounds(7, 50), rounds(8, 50));
    }

    #[test]
    fn every_kind_comes_once_alone_before_they_mix() {
        let first: Vec<Round> = rounds(1, 15);
        let kinds: BTreeSet<&str> = first.iter().flat_map(|round| &round.faults).map(|p| p.fault.kind()).collect();
        assert_eq!((kinds.len(), first.iter().all(|round| round.faults.len() == 1)), (15, true), "{kinds:?}");
        assert!(rounds(1, 60).iter().any(|round| round.faults.len() >= 3));
    }

    #[test]
    fn no_two_faults_of_a_round_hit_the_same_place() {
        for round in rounds(3, 500) {
            let places: BTreeSet<_> = round.faults.iter().map(|planned| planned.fault.place()).collect();
            assert_eq!(places.len(), round.faults.len(), "{round:?}");
            assert!(round.faults.iter().all(|planned| planned.ends.is_none_or(|ends| ends >= planned.begins)));
        }
    }
}
