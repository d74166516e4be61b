//! The whole system without servers: the real, pure code of the orchestrator and of the three
//! participants in one thread, on models of what holds them.
//!
//! Read in this order: `faults` is what can go wrong, `dice` whether it does; `broker` carries
//! messages, in any order and sometimes twice; `process` and `book` are the database of one process,
//! whose transactions happen whole or not at all; `pets`, `orders`, `inventory` and `sagas` put the
//! services' own code on such tables; `copies` are the running copies of the processes; `crowd` is who
//! orders what; `world` runs it all on a virtual clock; `rules` says what must hold once all is quiet;
//! `story` and `report` tell it; `shrink` looks for the shortest failing run; `campaign` runs many
//! seeds; `bugs` are faults of our own that the rules must find.
//!
//! Everything follows from the seed. There is no clock, no thread and no hash map here: the same
//! seed gives the same trace, byte for byte.

mod agenda;
mod book;
mod broker;
mod bugs;
mod campaign;
mod copies;
mod crowd;
mod dice;
mod effects;
mod faults;
mod inventory;
mod orders;
mod pets;
mod process;
mod report;
mod rules;
mod sagas;
mod shrink;
mod skips;
mod story;
mod world;

use std::fmt::Display;

use saga_core::{Phase, Time};
use time::macros::datetime;

pub use bugs::Bug;
pub use campaign::Campaign;
pub use faults::{Fault, Faults, Level};
pub use report::{Counts, Step};
pub use rules::Broken;
pub use story::Story;
use world::World;

/// When every simulation begins: midnight is near, as tables have partitions by the day.
const START: Time = datetime!(2026-11-20 23:55 UTC);
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
    /// What goes wrong.
    pub faults: Faults,
    /// Whether to write down everything that happens.
    pub trace: bool,
    /// A fault built in on purpose, by tests alone: it must be found.
    pub bug: Option<Bug>,
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

    /// What was simulated.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
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
}
