//! What is printed: a table in Markdown, or JSON.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value, json};

use super::durability::Durability;
use super::figures::{Figure, Figures};
use super::{Goal, Load, Plan};

/// What was measured, and under what conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was to be measured.
    pub plan: Plan,
    /// What the servers promise.
    pub durability: Durability,
    /// What was measured, load by load.
    pub measured: Vec<Measured>,
}

/// What was measured under one load.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The load.
    pub load: Load,
    /// The figures.
    pub figures: Figures,
}

impl Measured {
    /// Nothing as yet.
    #[must_use]
    pub fn of(load: Load) -> Self {
        Self { load, figures: Figures::default() }
    }
}

impl Report {
    /// For people: a table with a column for each load, median and range in each cell.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n{}\n\n", self.plan.line(), self.durability.line());
        let loads: Vec<String> = self.measured.iter().map(|of_load| of_load.load.to_string()).collect();
        let names = self.measured.first().map(|of_load| of_load.figures.all()).into_iter().flatten();
        let rows = names.map(|(name, _)| (name, self.cells(name)));
        let all = [("", loads), ("---", vec!["---:".to_owned(); self.measured.len()])].into_iter().chain(rows);
        for (name, cells) in all {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>26} |")).collect();
            let _memory = writeln!(text, "| {name:<30} |{cells}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures = |figures: &Figures| {
            figures.all().map(|(name, figure)| (name.to_owned(), json!(figure))).collect::<Map<_, _>>()
        };
        let measured: Vec<Value> = self
            .measured
            .iter()
            .map(|of_load| json!({ "load": of_load.load, "figures": figures(&of_load.figures) }))
            .collect();
        json!({ "plan": self.plan, "durability": self.durability, "measured": measured })
    }

    /// A picture: latency against load.
    #[must_use]
    pub fn svg(&self) -> String {
        super::plot::svg(&self.measured)
    }

    fn cells(&self, name: &str) -> Vec<String> {
        self.measured.iter().map(|of_load| of_load.figures.get(name).map_or_else(String::new, |it| cell(&it))).collect()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight(clients) => write!(f, "{clients} in flight"),
            Self::Rate(rate) => write!(f, "{rate} a second"),
        }
    }
}

impl Plan {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let to = match self.to {
            Goal::Placed => "placed",
            Goal::Approved => "approved",
        };
        let stream = if self.stream { "on" } else { "off" };
        let reserve = if self.reserve { ", clients at the first" } else { "" };
        format!(
            "{} runs of {} sagas for each load, {} % out of stock, to {to}; copies of each process: {}{reserve}; event stream {stream}; batches: {}",
            self.runs, self.sagas, self.fail, self.copies, self.batches
        )
    }
}

fn cell(figure: &Figure) -> String {
    let [median, min, max] = [figure.median, figure.min, figure.max].map(rounded);
    if min == max { median } else { format!("{median} ({min}-{max})") }
}

/// Three digits that matter.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Run;
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_load_and_the_range_of_its_runs() {
        let mut measured = [1, 64].map(|clients| Measured::of(Load::InFlight(clients)));
        for (clients, value) in [(0, 100.4), (1, 1500.0), (1, 1400.0), (1, 1601.0)] {
            let mut run = Run::default();
            run.set("sagas_per_second", value);
            measured[clients].figures.add(run);
        }
        let plan = Plan {
            sagas: 10,
            loads: measured.iter().map(|of_load| of_load.load).collect(),
            fail: 10,
            to: Goal::Placed,
            copies: 2,
            reserve: true,
            runs: 3,
            stream: true,
            batches: "commands".to_owned(),
            shared_buffers: 512,
        };
        let durability = Durability {
            servers: "PostgreSQL 15".into(),
            postgres: [].into(),
            transport: "tcp".into(),
            queues: [("quorum".into(), 10)].into(),
        };
        let report = Report { plan, durability, measured: measured.to_vec() };
        let text = report.markdown();
        assert!(text.contains("copies of each process: 2, clients at the first;"), "{text}");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows[4], ["", "", "1 in flight", "64 in flight", ""]);
        assert_eq!(rows[6], ["", "sagas_per_second", "100", "1500 (1400-1601)", ""]);
        let json = report.json();
        assert_eq!(json["measured"][1]["load"], json!({ "in_flight": 64 }));
        assert_eq!(json["measured"][1]["figures"]["sagas_per_second"]["max"], 1601.0);
        assert_eq!(json["durability"]["queues"]["quorum"], 10);
    }
}
