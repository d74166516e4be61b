//! What a campaign has to say at its end: one table.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::counts::{COUNTED, Counts};
use super::plan::Fault;
use super::told::Told;
use super::wish::Word;
use crate::invariants::Findings;

/// Everything that is told of a campaign.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How long faults went on.
    pub lasted: Duration,
    /// The servers' versions.
    pub servers: String,
    /// How many faults there were, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// How many of them were kills or cuts.
    pub kills_and_cuts: u64,
    /// Why kinds of faults were left out.
    pub left_out: Vec<String>,
    /// The longest time from the end of faults until an order went through, by what had been wrong.
    pub recoveries: BTreeMap<&'static str, Duration>,
    /// The longest time until all processes were ready again with both servers.
    pub whole: Duration,
    /// From the end of all faults until nothing was on its way any more.
    pub rest: Duration,
    /// Orders that were wanted.
    pub wishes: u64,
    /// What clients were told: how often, by request and status.
    pub(super) answers: BTreeMap<(Word, u16), u64>,
    /// Customers who gave up before they were answered.
    pub unanswered: u64,
    /// Messages that strangers published again.
    pub duplicates: usize,
    /// Bad messages that strangers published.
    pub garbage: usize,
    /// What the processes counted.
    pub(super) counts: Counts,
    /// What the databases said at the end.
    pub findings: Findings,
    /// Rules that were broken.
    pub broken: Vec<String>,
}

impl Report {
    /// One of a campaign that begins.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault.kind()).or_default() += 1;
        self.kills_and_cuts += u64::from(fault.is_kill_or_cut());
    }

    /// Notes how long orders needed to flow again after these faults.
    pub(super) fn recovered(&mut self, faults: &[Fault], took: Duration) {
        let after = match faults {
            [only] => only.kind(),
            _ => "several at once",
        };
        let longest = self.recoveries.entry(after).or_default();
        *longest = (*longest).max(took);
    }

    /// Notes what clients were told.
    pub(super) fn told(&mut self, told: &[Told]) {
        for reply in told.iter().flat_map(|told| &told.answers) {
            *self.answers.entry((reply.to, reply.status)).or_default() += 1;
        }
        self.unanswered = told.iter().filter(|told| told.outcome().is_none()).map(|_| 1).sum();
    }

    /// The longest time until orders flowed again.
    #[must_use]
    pub fn longest_recovery(&self) -> Duration {
        self.recoveries.values().max().copied().unwrap_or_default()
    }

    /// The table, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("Campaign   seed {}, {}, {}\n", self.seed, minutes(self.lasted), self.servers);
        let mut row = |name: &str, value: String| text.push_str(&format!("   {name:<48} {value:>10}\n"));
        let total: u64 = self.faults.values().sum();
        row("faults", total.to_string());
        self.faults.iter().for_each(|(kind, count)| row(&format!("  {kind}"), count.to_string()));
        row("  kills and cuts among them", self.kills_and_cuts.to_string());
        self.left_out.iter().for_each(|what| row(&format!("  left out: {what}"), "-".to_owned()));
        row("orders wanted", self.wishes.to_string());
        for ((word, status), count) in &self.answers {
            row(&format!("  {} answered {status}", name_of(*word)), count.to_string());
        }
        row("  gave up before they were answered", self.unanswered.to_string());
        row("sagas", self.findings.sagas.values().sum::<i64>().to_string());
        self.findings.sagas.iter().for_each(|(phase, count)| row(&format!("  {phase}"), count.to_string()));
        row("messages published again by strangers", self.duplicates.to_string());
        row("garbage published by strangers, and parked", self.garbage.to_string());
        COUNTED.iter().for_each(|(name, means)| row(means, self.counts.total(name).to_string()));
        row("longest recovery: until orders flow again", seconds(self.longest_recovery()));
        self.recoveries.iter().for_each(|(kind, took)| row(&format!("  after {kind}"), seconds(*took)));
        row("longest until every process has both servers", seconds(self.whole));
        row("from the last fault until all is at rest", seconds(self.rest));
        row("rules broken", self.broken.len().to_string());
        text
    }

    /// The same, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let named = |map: &BTreeMap<&str, Duration>| -> BTreeMap<String, f64> {
            map.iter().map(|(kind, took)| ((*kind).to_owned(), took.as_secs_f64())).collect()
        };
        let answers = self.answers.iter().map(|((word, status), n)| (format!("{} {status}", name_of(*word)), *n));
        let counts = COUNTED.iter().map(|(name, _)| (*name, self.counts.total(name)));
        json!({
            "seed": self.seed, "seconds": self.lasted.as_secs(), "servers": self.servers, "faults": self.faults,
            "kills_and_cuts": self.kills_and_cuts, "left_out": self.left_out, "orders": self.wishes,
            "answers": answers.collect::<BTreeMap<_, _>>(), "unanswered": self.unanswered, "sagas": self.findings.sagas,
            "published_again": self.duplicates, "garbage": self.garbage, "counts": counts.collect::<BTreeMap<_, _>>(),
            "recoveries_s": named(&self.recoveries), "longest_recovery_s": self.longest_recovery().as_secs_f64(),
            "whole_s": self.whole.as_secs_f64(), "rest_s": self.rest.as_secs_f64(), "broken": self.broken,
        })
    }
}

fn name_of(word: Word) -> &'static str {
    match word {
        Word::Place => "orders",
        Word::Cancel => "cancellations",
        Word::Approve => "approvals",
        Word::Deliver => "deliveries",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn minutes(took: Duration) -> String {
    format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
}
