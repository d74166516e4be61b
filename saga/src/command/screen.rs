//! What people see: tables, and the timeline of a saga.
#![allow(clippy::print_stdout, reason = "a command's data goes to standard output")]

use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use saga_core::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Prints data for a program.
pub(super) fn print_json(data: &impl Serialize) -> Result<(), super::Failure> {
    println!("{}", serde_json::to_string_pretty(data).map_err(super::Failure::other)?);
    Ok(())
}

/// Prints a line of data.
pub(super) fn print(text: &str) {
    println!("{text}");
}

/// Shows something once, or again and again until it says that there is no more to see.
pub(super) async fn watched(
    every: Option<Duration>,
    mut show: impl AsyncFnMut() -> Result<bool, super::Failure>,
) -> Result<(), super::Failure> {
    let Some(every) = every else { return show().await.map(|_| ()) };
    loop {
        if std::io::stdout().is_terminal() {
            // Clears the screen, and begins at its top.
            print!("\x1b[2J\x1b[H");
        }
        if !show().await? {
            return Ok(());
        }
        tokio::time::sleep(every).await;
    }
}

/// A table with a head and no lines.
pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    table
}

/// A time for a person.
pub(super) fn to_the_second(time: Time) -> Result<String, super::Failure> {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).map_err(super::Failure::other)
}

/// The first digits of an id, enough for a person.
pub(super) fn short(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

/// One line of a timeline, as the operator's API tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When it was sent or handled.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Time,
    /// `sent` or `received`.
    pub seen: String,
    /// The message's id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who made it, where that is known.
    pub source: Option<String>,
    /// What led to it, where that is known.
    pub cause: Option<Uuid>,
    /// The step that it belongs to.
    pub step: Option<String>,
    /// Which run of the step.
    #[serde(default)]
    pub epoch: u32,
    /// Why it changed nothing, where it did not.
    pub note: Option<String>,
}

/// The timeline of one saga: each message once, with when it was sent and when the orchestrator
/// handled it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline(Vec<Line>);

/// One message of a timeline.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    at: Time,
    handled: Option<Time>,
    told: Told,
}

impl Timeline {
    /// The timeline that these entries tell, in order of time.
    #[must_use]
    pub fn of(entries: &[Told]) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        for entry in entries {
            let received = entry.seen == "received";
            match lines.iter_mut().find(|line| line.told.id == entry.id) {
                Some(line) if received => {
                    line.handled = Some(entry.at);
                    line.told.note = line.told.note.take().or_else(|| entry.note.clone());
                }
                Some(line) => {
                    line.at = entry.at;
                    line.told = Told { note: line.told.note.take(), ..entry.clone() };
                }
                None => lines.push(Line { at: entry.at, handled: received.then_some(entry.at), told: entry.clone() }),
            }
        }
        lines.sort_by_key(|line| line.at);
        Self(lines)
    }

    /// As a table for people: milliseconds since the first message.
    #[must_use]
    pub fn table(&self) -> Table {
        let start = self.0.first().map(|line| line.at);
        let since = |at: Time| start.map_or(0.0, |start| (at - start).as_seconds_f64() * 1000.0);
        let mut table = table(&["sent ms", "by", "message", "step", "saga ms", "id", "cause", ""]);
        for line in &self.0 {
            let Told { id, kind, source, cause, step, epoch, note, .. } = &line.told;
            let step = match (step, epoch) {
                (Some(step), 0) => step.clone(),
                (Some(step), epoch) => format!("{step} (epoch {epoch})"),
                (None, _) => String::new(),
            };
            table.add_row([
                format!("+{:.1}", since(line.at)),
                source.clone().unwrap_or_else(|| "?".to_owned()),
                kind.clone(),
                step,
                line.handled.map(|at| format!("+{:.1}", since(at))).unwrap_or_default(),
                short(*id),
                cause.map(short).unwrap_or_default(),
                note.clone().unwrap_or_default(),
            ]);
        }
        table
    }

    /// Short lines, as the demo prints them: when, who, what.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let start = self.0.first().map(|line| line.at);
        self.0.iter().map(move |line| {
            let since = start.map_or(0.0, |start| (line.at - start).as_seconds_f64() * 1000.0);
            let who = line.told.source.as_deref().unwrap_or("?").trim_end_matches("-service");
            format!("{:>8}  {who:<10} {}", format!("+{since:.1}"), line.told.kind)
        })
    }
}

/// A value of a JSON object as text for a table.
pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
