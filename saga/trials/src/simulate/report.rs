//! What a person is told of a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use saga_core::{Instance, Phase};

use super::Simulation;
use super::process::Became;

/// How much of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages published, those that went out again included.
    pub published: usize,
    /// Of these, how many had been sent before.
    pub again: usize,
    /// Copies that reached a consumer.
    pub delivered: usize,
    /// Of these, how many had been handled before.
    pub repeated: usize,
    /// Of these, how many changed nothing, rightly.
    pub ignored: usize,
    /// Of these, how many came too early and were put off.
    pub put_off: usize,
    /// Alarms of sagas that went off.
    pub alarms: usize,
}

impl Counts {
    pub(super) fn delivered(&mut self, became: &Became) {
        self.delivered += 1;
        match became {
            Became::Repeated => self.repeated += 1,
            Became::Ignored(_) => self.ignored += 1,
            Became::PutOff => self.put_off += 1,
            Became::Handled | Became::Parked(_) => {}
        }
    }
}

impl Simulation {
    /// How many sagas came to what, and why; what travelled; the rules that do not hold.
    #[must_use]
    pub fn summary(&self) -> String {
        let Counts { published, again, delivered, repeated, ignored, put_off, alarms } = &self.world.counts;
        let mut text = format!("seed {}, {} sagas\n", self.settings.seed, self.settings.sagas);
        text += &self.outcomes();
        let virtual_time = self.world.virtual_time().whole_seconds();
        let _ = writeln!(
            text,
            "messages     {published} published ({again} of them again), {delivered} deliveries: {repeated} repeated, {ignored} without effect, {put_off} put off\n\
             time         {} min {} s on the virtual clock, {alarms} alarms",
            virtual_time / 60,
            virtual_time % 60,
        );
        if self.broken.is_empty() {
            text += "rules        every one holds\n";
        }
        for broken in self.broken.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "BROKEN       {}: {}", broken.rule, broken.what);
        }
        if let Some(more @ 1..) = self.broken.len().checked_sub(MOST_SHOWN) {
            let _ = writeln!(text, "             and {more} more");
        }
        text
    }

    fn outcomes(&self) -> String {
        let line = |phase: &Phase| {
            let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
            for saga in self.world.sagas.tables.all().filter(|saga| saga.phase == *phase) {
                *reasons.entry(why(saga)).or_default() += 1;
            }
            let all: usize = reasons.values().sum();
            let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            (all > 0).then(|| format!("{:<12} {all:>6}  {}\n", phase.as_str(), reasons.join(", ")))
        };
        ORDER.iter().filter_map(line).collect()
    }
}

/// Ends first.
const ORDER: [Phase; 7] = [
    Phase::Completed,
    Phase::Rejected,
    Phase::Cancelled,
    Phase::Running,
    Phase::Prepared,
    Phase::Completing,
    Phase::Compensating,
];

/// So many broken rules are shown one by one.
const MOST_SHOWN: usize = 10;

fn why(saga: &Instance) -> &str {
    match (&saga.end, saga.phase, saga.granted) {
        (Some(end), _, _) => &end.reason,
        (None, Phase::Completed, true) => "approved by the owner",
        (None, Phase::Completed, false) => "approved by rule",
        (None, _, _) => "on its way",
    }
}
