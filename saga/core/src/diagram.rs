//! The picture of a saga, drawn from its table, so that it cannot lie.

use std::fmt::Write;

use crate::definition::{Definition, Kind, Start, Step};
use crate::events::{SAGA_CANCELLED, SAGA_COMPLETED, SAGA_PREPARED, SAGA_REJECTED};

/// A Mermaid flowchart of a definition: forward in whole lines, undoing in dotted ones. A node is
/// named by its row, `s1`, whatever the step is called.
///
/// <https://mermaid.js.org/syntax/flowchart.html>
#[must_use]
pub fn mermaid(definition: &Definition) -> String {
    let mut out = String::from("flowchart TD\n");
    line(&mut out, &format!("start([\"{}\"])", definition.starts_on));
    for (row, step) in definition.steps.iter().enumerate() {
        node(&mut out, row, step);
    }
    line(&mut out, &format!("completed([\"{SAGA_COMPLETED}\"])"));
    for row in 0..definition.steps.len() {
        forward(&mut out, definition, row);
    }
    let last = definition.steps.len();
    for before in awaited(definition, last) {
        line(&mut out, &format!("{} -->|{}| completed", id(before), definition.steps[before].done));
    }
    backward(&mut out, definition);
    out
}

fn node(out: &mut String, row: usize, step: &Step) {
    let (id, number, name) = (id(row), row + 1, step.name);
    let when = if step.condition.is_some() { "<br/>if it applies" } else { "" };
    match step.kind {
        Kind::Compensatable => line(out, &format!("{id}[\"{number} {name}{when}\"]")),
        Kind::Pivot => {
            let word = format!("{SAGA_PREPARED}<br/>{number} {name}: by rule, or {}", step.done);
            line(out, &format!("{id}{{{{\"{word}\"}}}}"));
        }
        Kind::Retriable => line(out, &format!("{id}[[\"{number} {name}{when}\"]]")),
    }
}

fn forward(out: &mut String, definition: &Definition, row: usize) {
    let step = &definition.steps[row];
    if let Some(starter) = step.starter().and_then(|of| definition.index_of(of)) {
        line(out, &format!("{} -->|{}| {}", id(starter), definition.steps[starter].done, id(row)));
        return;
    }
    let above = awaited(definition, row);
    if above.is_empty() {
        line(out, &format!("start -->|{}| {}", request(step).unwrap_or("at once"), id(row)));
    }
    for before in above {
        let label = request(step).unwrap_or(definition.steps[before].done);
        line(out, &format!("{} -->|{label}| {}", id(before), id(row)));
    }
}

/// The command that starts a step.
fn request(step: &Step) -> Option<&'static str> {
    match step.start {
        Start::Command { kind, .. } => Some(kind),
        Start::Event { .. } | Start::Wait => None,
    }
}

/// The rows whose answers are the last that the start of a row, or the end, waits for: all above
/// it, back to the last one that waited itself, without those that others start on.
fn awaited(definition: &Definition, row: usize) -> Vec<usize> {
    let waited = definition.steps[..row].iter().rposition(|step| step.starter().is_none());
    let starts_others =
        |other: &usize| definition.dependants(definition.steps[*other].name).any(|dependant| dependant < row);
    (waited.unwrap_or(row)..row).filter(|other| !starts_others(other)).collect()
}

fn backward(out: &mut String, definition: &Definition) {
    line(out, "subgraph undoing[\"undone one at a time, the last first\"]");
    let undos = definition.steps.iter().enumerate().rev().filter_map(|(row, step)| Some((row, step.undo?)));
    for (row, undo) in undos.clone() {
        line(out, &format!("    u{}(\"{}<br/>until {}\")", row + 1, undo.kind, undo.undone.join(" or ")));
    }
    let rows: Vec<_> = undos.map(|(row, _)| format!("u{}", row + 1)).collect();
    if rows.len() > 1 {
        line(out, &format!("    {}", rows.join(" -.-> ")));
    }
    line(out, "end");
    for (row, step) in definition.steps.iter().enumerate() {
        if let Some(why) = turns_around(step) {
            line(out, &format!("{} -.->|{why}| undoing", id(row)));
        }
    }
    line(out, &format!("undoing -.->|refused, or no answer| rejected([\"{SAGA_REJECTED}\"])"));
    line(out, &format!("undoing -.->|cancelled, or expired| cancelled([\"{SAGA_CANCELLED}\"])"));
}

fn turns_around(step: &Step) -> Option<String> {
    let or =
        |otherwise: &str| step.refused.map_or_else(|| otherwise.to_owned(), |no| format!("{no}<br/>or {otherwise}"));
    match step.kind {
        Kind::Compensatable => Some(or("no answer")),
        Kind::Pivot => Some(or("it expires")),
        Kind::Retriable => None,
    }
}

fn id(row: usize) -> String {
    format!("s{}", row + 1)
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "    {text}");
}
