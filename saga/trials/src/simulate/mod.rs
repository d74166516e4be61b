//! The whole system without servers: the real, pure code of the orchestrator and of the three
//! participants in one thread, on models of what holds them.
//!
//! Read in this order: `broker` carries messages, in any order and sometimes twice; `process` is
//! one process with its tables, whose transactions happen whole or not at all; `pets`, `orders`,
//! `inventory` and `sagas` put the services' own code on such tables; `crowd` is who orders what;
//! `world` runs it all on a virtual clock; `rules` says what must hold once all is quiet;
//! `story` and `report` tell it.
//!
//! Everything follows from the seed. There is no clock, no thread and no hash map here: the same
//! seed gives the same trace, byte for byte.

mod agenda;
mod broker;
mod crowd;
mod effects;
mod inventory;
mod orders;
mod pets;
mod process;
mod report;
mod rules;
mod sagas;
mod story;
mod world;

use std::fmt::Display;

use saga_core::{Phase, Time};
use time::macros::datetime;

pub use report::Counts;
pub use rules::Broken;
pub use story::Story;
use world::World;

/// When every simulation begins.
const START: Time = datetime!(2026-11-20 08:00 UTC);
/// The salt and the domain of the simulated store.
const SALT: &str = "the salt of every simulated store";
const DOMAIN: &str = saga_contract::DEFAULT_DOMAIN;
/// Orders of this many minor units and above wait for the store's owner.
const APPROVAL_LIMIT: i64 = 50_000;

/// What to simulate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Everything follows from it.
    pub seed: u64,
    /// How many orders are placed.
    pub sagas: u32,
    /// Whether to write down everything that happens.
    pub trace: bool,
    /// A fault built in on purpose, by tests alone: it must be found.
    pub bug: Option<Bug>,
}

/// A fault of the participants, which tests build in to see that the rules can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// They forget what they handled: a message that comes again is handled again.
    NoDedupe,
    /// They forget an undo that came before what it undoes: the late request is carried out.
    NoTombstones,
}

/// A run that could not go on: the code under it refused what no order of messages should lead to.
#[derive(Debug, thiserror::Error)]
#[error("the simulation stopped: {0}")]
pub struct Stopped(String);

fn lawful<T, E: Display>(made: Result<T, E>) -> Result<T, Stopped> {
    made.map_err(|error| Stopped(error.to_string()))
}

/// A run that came to rest, or to the end of its patience.
pub struct Simulation {
    settings: Settings,
    world: World,
    broken: Vec<Broken>,
}

impl Simulation {
    /// Runs until nothing moves any more, and checks every rule.
    ///
    /// # Errors
    /// [`Stopped`]: it could not go on.
    pub fn run(settings: Settings) -> Result<Self, Stopped> {
        let mut world = World::new(settings)?;
        world.run()?;
        let broken = rules::check(&world);
        Ok(Self { settings, world, broken })
    }

    /// The rules that do not hold; none, if all is well.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Everything that happened, line by line, if it was asked for.
    #[must_use]
    pub fn trace(&self) -> &[String] {
        self.world.trace()
    }

    /// How much of what happened.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.world.counts
    }

    /// How many sagas ended so.
    #[must_use]
    pub fn ended_as(&self, phase: Phase) -> usize {
        self.world.sagas.tables.all().filter(|saga| saga.phase == phase).count()
    }

    /// A saga that ended so: the first among those in which most was done and undone.
    #[must_use]
    pub fn example(&self, phase: Phase) -> Option<Story> {
        story::example(&self.world, phase)
    }

    /// The shortest story of a saga that breaks a rule.
    #[must_use]
    pub fn shortest_broken(&self) -> Option<Story> {
        story::shortest(&self.world, &self.broken)
    }

    /// The same with fewer sagas, if that breaks a rule as well: the fewer, the easier to understand.
    ///
    /// # Errors
    /// [`Stopped`]: as [`Simulation::run`].
    pub fn smaller(&self) -> Result<Option<Self>, Stopped> {
        let fewer = std::iter::successors(Some(1_u32), |n| n.checked_mul(2));
        for sagas in fewer.take_while(|n| *n < self.settings.sagas) {
            let smaller = Self::run(Settings { sagas, ..self.settings })?;
            if !smaller.broken.is_empty() {
                return Ok(Some(smaller));
            }
        }
        Ok(None)
    }
}
