//! All that is left to chance: everything follows from the seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use time::Duration;

use super::faults::{Fault, Faults};

/// The dice of one simulation, and what they brought.
pub(super) struct Dice {
    pub(super) faults: Faults,
    /// Faults that happened.
    pub(super) struck: BTreeMap<Fault, usize>,
    rng: Rng,
    calm: bool,
}

impl Dice {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self { faults, struck: BTreeMap::new(), rng: Rng::with_seed(seed), calm: false }
    }

    /// From now on nothing goes wrong.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
    }

    /// Whether a fault that may happen here happens; it is counted.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let rate = if self.calm { 0 } else { self.faults.rate(fault) };
        let strikes = rate > 0 && self.rng.u32(0..10_000) < rate;
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// What befalls the whole system now.
    pub(super) fn misfortune(&mut self) -> Option<Fault> {
        const ALL: [Fault; 4] = [Fault::Jump, Fault::Outage, Fault::BrokerRestart, Fault::DatabaseOutage];
        let shares: u32 = ALL.iter().map(|fault| self.faults.rate(*fault)).sum();
        let mut share = if shares > 0 { self.rng.u32(0..shares) } else { return None };
        let chosen = ALL.into_iter().find(|fault| {
            let rate = self.faults.rate(*fault);
            let found = share < rate;
            share = share.saturating_sub(rate);
            found
        });
        chosen.into_iter().for_each(|fault| self.count(fault));
        chosen
    }

    fn count(&mut self, fault: Fault) {
        *self.struck.entry(fault).or_default() += 1;
    }

    /// A time from 100 microseconds to `most`.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        up_to(&mut self.rng, most)
    }

    /// A time that is mostly short, sometimes long, and hardly ever very long.
    pub(super) fn mostly_short(&mut self, [short, long, very_long]: [Duration; 3]) -> Duration {
        let most = match self.below(20) {
            0 => very_long,
            1..=5 => long,
            _ => short,
        };
        self.up_to(most)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.rng.usize(0..n.max(1))
    }

    /// One of 128 bits.
    pub(super) fn bits(&mut self) -> u128 {
        self.rng.u128(..)
    }

    /// Heads or tails.
    pub(super) fn coin(&mut self) -> bool {
        self.rng.bool()
    }
}

/// A time from 100 microseconds to `most`.
pub(super) fn up_to(rng: &mut Rng, most: Duration) -> Duration {
    let most = i64::try_from(most.whole_microseconds()).unwrap_or(i64::MAX);
    Duration::microseconds(rng.i64(100..=most.max(100)))
}

/// Whether this is one of the `n` in a thousand.
pub(super) fn one_of(rng: &mut Rng, n: u32) -> bool {
    rng.u32(0..1000) < n
}
