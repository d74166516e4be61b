//! What a person is told of a run.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use saga_core::{Instance, Phase};
use serde_json::{Value, json};

use super::Simulation;
use super::book::{After, Became};
use super::faults::Fault;
use super::world::Job;

/// How much of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages published, those that went out again included.
    pub published: usize,
    /// Of these, how many had been sent before.
    pub again: usize,
    /// Of these, how many somebody else had left behind.
    pub swept: usize,
    /// Copies that a consumer dealt with.
    pub delivered: usize,
    /// Of these, how many had been handled before.
    pub repeated: usize,
    /// Of these, how many changed nothing, rightly.
    pub ignored: usize,
    /// Of these, how many came too early and were put off.
    pub put_off: usize,
    /// Alarms of sagas that went off.
    pub alarms: usize,
    /// Words of operators that were carried out.
    pub words: usize,
    /// Deaths, by the step before which they came.
    pub crashes: BTreeMap<Step, usize>,
}

/// Where in its work a copy may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It took messages, and has not begun.
    BeforeTransaction,
    /// A transaction is made and not committed.
    BeforeCommit,
    /// It is committed, and nothing of it is published.
    AfterCommit,
    /// Some of it is published.
    BeforePublish,
    /// A message is published, and its mark still there.
    BeforeUnmark,
    /// All is done, and not acknowledged.
    BeforeAcknowledge,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BeforeTransaction,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforePublish,
        Self::BeforeUnmark,
        Self::BeforeAcknowledge,
    ];

    /// The step before a piece of work.
    pub(super) fn before(job: &Job) -> Self {
        match job {
            Job::Handle(_) => Self::BeforeTransaction,
            Job::Publish(_) => Self::BeforePublish,
            Job::Hear(..) => Self::BeforeUnmark,
            Job::Acknowledge(_) => Self::BeforeAcknowledge,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeTransaction => "before it begins",
            Self::BeforeCommit => "before its commit",
            Self::AfterCommit => "after its commit",
            Self::BeforePublish => "before it publishes",
            Self::BeforeUnmark => "before a mark goes",
            Self::BeforeAcknowledge => "before it acknowledges",
        })
    }
}

impl Counts {
    pub(super) fn committed(&mut self, after: &After) {
        self.again += after.again;
        self.delivered += after.became.len();
        for (_, became) in &after.became {
            match became {
                Became::Repeated => self.repeated += 1,
                Became::Ignored(_) => self.ignored += 1,
                Became::PutOff => self.put_off += 1,
                Became::Handled | Became::Parked(_) => {}
            }
        }
    }

    pub(super) fn crashed(&mut self, step: Step) {
        *self.crashes.entry(step).or_default() += 1;
    }
}

impl Simulation {
    /// How many sagas came to what, and why; what travelled; what went wrong; the rules that do not hold.
    #[must_use]
    pub fn summary(&self) -> String {
        let Counts { published, again, swept, delivered, repeated, ignored, put_off, alarms, words, .. } =
            self.counts();
        let mut text =
            format!("seed {}, {} sagas, {}\n", self.settings.seed, self.settings.sagas, self.settings.faults);
        text += &self.outcomes_in_words();
        let virtual_time = self.world.virtual_time().whole_seconds();
        let _ = writeln!(
            text,
            "messages     {published} published ({again} of them again, {swept} left by others), {delivered} deliveries: {repeated} repeated, {ignored} without effect, {put_off} put off\n\
             faults       {}\n\
             time         {} min {} s on the virtual clock, {alarms} alarms, {words} words of operators obeyed",
            in_words(self.faults()),
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

    /// The same for programs.
    #[must_use]
    pub fn report(&self) -> Value {
        let Counts { published, again, swept, delivered, repeated, ignored, put_off, alarms, words, .. } =
            self.counts();
        let broken: Vec<Value> =
            self.broken.iter().map(|b| json!({ "rule": b.rule, "what": b.what, "saga": b.saga })).collect();
        json!({
            "seed": self.settings.seed,
            "sagas": self.settings.sagas,
            "faults": named(self.faults()),
            "crashes": named(self.counts().crashes.iter()),
            "outcomes": self.outcomes().map(|(phase, reasons)| (phase.as_str().to_owned(), named(reasons.iter()))).collect::<serde_json::Map<_, _>>(),
            "messages": { "published": published, "again": again, "left_by_others": swept, "delivered": delivered,
                          "repeated": repeated, "ignored": ignored, "put_off": put_off },
            "alarms": alarms,
            "words_obeyed": words,
            "virtual_seconds": self.world.virtual_time().whole_seconds(),
            "broken": broken,
        })
    }

    /// What went wrong, how often.
    pub fn faults(&self) -> impl Iterator<Item = (&Fault, &usize)> {
        self.world.dice.struck.iter()
    }

    /// How sagas ended and why, how many each.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Phase, BTreeMap<String, usize>)> {
        let of = |phase: Phase| {
            let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
            for saga in self.world.sagas.tables.all().filter(|saga| saga.phase == phase) {
                *reasons.entry(why(saga).to_owned()).or_default() += 1;
            }
            (phase, reasons)
        };
        ORDER.into_iter().map(of).filter(|(_, reasons)| !reasons.is_empty())
    }

    fn outcomes_in_words(&self) -> String {
        let line = |(phase, reasons): (Phase, BTreeMap<String, usize>)| {
            let all: usize = reasons.values().sum();
            format!("{:<12} {all:>6}  {}\n", phase.as_str(), in_words(reasons.iter()))
        };
        self.outcomes().map(line).collect()
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

pub(super) fn in_words<'a, N: fmt::Display + 'a>(counts: impl Iterator<Item = (N, &'a usize)>) -> String {
    let words: Vec<String> = counts.map(|(name, n)| format!("{name} {n}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

pub(super) fn named<'a, N: fmt::Display + 'a>(counts: impl Iterator<Item = (N, &'a usize)>) -> Value {
    counts.map(|(name, n)| (name.to_string(), Value::from(*n))).collect::<serde_json::Map<_, _>>().into()
}

fn why(saga: &Instance) -> &str {
    match (&saga.end, saga.phase, saga.granted) {
        (Some(end), _, _) => &end.reason,
        (None, Phase::Completed, true) => "approved by the owner",
        (None, Phase::Completed, false) => "approved by rule",
        (None, _, _) => "on its way",
    }
}
