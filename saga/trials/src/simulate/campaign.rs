//! Many seeds, one after the other, added up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::report::{in_words, named};
use super::{Fault, Settings, Simulation, Step, Stopped};

/// Runs added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campaign {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many sagas in all.
    pub sagas: u64,
    /// How many messages were delivered.
    pub delivered: usize,
    /// What went wrong.
    pub faults: BTreeMap<Fault, usize>,
    /// Where copies died.
    pub crashes: BTreeMap<Step, usize>,
    /// How sagas ended.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// The seeds that break a rule.
    pub broken: Vec<u64>,
}

impl Campaign {
    /// Runs one more seed, and adds it up.
    ///
    /// # Errors
    /// [`Stopped`]: as [`Simulation::run`].
    pub fn run(&mut self, settings: Settings) -> Result<Simulation, Stopped> {
        let run = Simulation::run(settings)?;
        self.seeds += 1;
        self.sagas += u64::from(settings.sagas);
        self.delivered += run.counts().delivered;
        add(&mut self.faults, run.faults());
        add(&mut self.crashes, run.counts().crashes.iter());
        for (phase, reasons) in run.outcomes() {
            *self.outcomes.entry(phase.as_str()).or_default() += reasons.values().sum::<usize>();
        }
        self.broken.extend((!run.broken().is_empty()).then_some(settings.seed));
        Ok(run)
    }

    /// What a person is told.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { seeds, sagas, delivered, .. } = self;
        let rules = match self.broken.as_slice() {
            [] => "every one holds, for each seed".to_owned(),
            broken => format!("BROKEN by {} seeds: {broken:?}", broken.len()),
        };
        format!(
            "seeds        {seeds}, {sagas} sagas, {delivered} deliveries\n\
             outcomes     {}\n\
             faults       {}\n\
             crashes      {}\n\
             rules        {rules}\n",
            in_words(self.outcomes.iter()),
            in_words(self.faults.iter()),
            in_words(self.crashes.iter()),
        )
    }

    /// The same for programs.
    #[must_use]
    pub fn report(&self) -> Value {
        json!({
            "seeds": self.seeds,
            "sagas": self.sagas,
            "delivered": self.delivered,
            "outcomes": named(self.outcomes.iter()),
            "faults": named(self.faults.iter()),
            "crashes": named(self.crashes.iter()),
            "broken_seeds": self.broken,
        })
    }
}

fn add<'a, K: Copy + Ord + 'a>(sum: &mut BTreeMap<K, usize>, more: impl Iterator<Item = (&'a K, &'a usize)>) {
    more.for_each(|(kind, n)| *sum.entry(*kind).or_default() += n);
}
