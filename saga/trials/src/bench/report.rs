//! What is printed.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::durability::Durability;
use super::figures::Figures;
use super::{Goal, Load, Plan};

/// What was measured, and under what conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was to be measured.
    pub plan: Plan,
    /// What the servers promise.
    pub durability: Durability,
    /// The figures.
    pub figures: Figures,
}

impl Report {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n\n{:<30}{:>12}{:>12}{:>12}\n",
            self.plan.line(),
            self.durability.line(),
            "",
            "median",
            "min",
            "max"
        );
        for (name, figure) in self.figures.all() {
            let [median, min, max] = [figure.median, figure.min, figure.max].map(rounded);
            let _memory = writeln!(text, "{name:<30}{median:>12}{min:>12}{max:>12}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.figures.all().map(|(name, figure)| (name.to_owned(), json!(figure))).collect();
        json!({ "plan": self.plan, "durability": self.durability, "figures": figures })
    }
}

impl Plan {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let load = match self.load {
            Load::InFlight(clients) => format!("{clients} in flight"),
            Load::Rate(rate) => format!("{rate} a second"),
        };
        let to = match self.to {
            Goal::Placed => "placed",
            Goal::Approved => "approved",
        };
        let stream = if self.stream { "on" } else { "off" };
        format!(
            "{load}, {} % out of stock, to {to}; {} runs of {} sagas; {} of each process; event stream {stream}",
            self.fail, self.runs, self.sagas, self.copies
        )
    }
}

/// Three digits that matter, for people.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
