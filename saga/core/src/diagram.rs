//! The picture of a saga, drawn from its table, so that it cannot lie.

use std::fmt::Write;

use crate::definition::{Definition, Kind, Start, Step};
use crate::events::{SAGA_CANCELLED, SAGA_COMPLETED, SAGA_PREPARED, SAGA_REJECTED};

/// A Mermaid flowchart of a definition: forward in whole lines, undoing in dotted ones.
#[must_use]
pub fn mermaid(definition: &Definition) -> String {
    let mut out = String::from("flowchart TD\n");
    line(&mut out, &format!("start([\"{}\"])", definition.starts_on));
    for step in definition.steps {
        node(&mut out, step);
    }
    for (row, step) in definition.steps.iter().enumerate() {
        forward(&mut out, definition, row, step);
        backward(&mut out, step);
    }
    ends(&mut out, definition);
    out
}

fn node(out: &mut String, step: &Step) {
    let (name, when) = (step.name, if step.condition.is_some() { "<br/>if it applies" } else { "" });
    match step.kind {
        Kind::Compensatable => line(out, &format!("{name}[\"{name}{when}\"]")),
        Kind::Pivot => line(out, &format!("{name}{{{{\"{name}<br/>pivot\"}}}}")),
        Kind::Retriable => line(out, &format!("{name}[[\"{name}{when}\"]]")),
    }
}

fn forward(out: &mut String, definition: &Definition, row: usize, step: &Step) {
    let name = step.name;
    match step.start {
        Start::Event { of, .. } => {
            let event = definition.step(of).map_or("", |starter| starter.done);
            line(out, &format!("{of} -->|{event}| {name}"));
        }
        Start::Command { kind, .. } => line(out, &format!("{} -->|{kind}| {name}", before(definition, row))),
        Start::Wait => {
            let above = definition.steps[..row].iter().map(|s| (s.name, s.done));
            above.for_each(|(other, done)| line(out, &format!("{other} -->|{done}| {name}")));
            line(out, &format!("{name} -.-|says| prepared>\"{SAGA_PREPARED}\"]"));
        }
    }
}

fn before(definition: &Definition, row: usize) -> &'static str {
    let same_side = definition.steps[..row].iter().rev();
    same_side.take(1).map(|step| step.name).next().unwrap_or("start")
}

fn backward(out: &mut String, step: &Step) {
    let name = step.name;
    if let Some(refused) = step.refused {
        let target = if step.kind == Kind::Pivot { "cancelled" } else { "rejected" };
        line(out, &format!("{name} -.->|{refused}| {target}"));
    }
    if let Some(undo) = step.undo {
        let undone = undo.undone.join(" or ");
        line(out, &format!("{name} -.->|undo: {}| undo_{name}(\"{undone}\")", undo.kind));
    }
}

fn ends(out: &mut String, definition: &Definition) {
    let pivot = definition.pivot();
    for step in &definition.steps[pivot..] {
        let starts_others = definition.dependants(step.name).next().is_some();
        if step.kind == Kind::Retriable && !starts_others {
            line(out, &format!("{} -->|{}| completed", step.name, step.done));
        }
    }
    line(out, &format!("completed([\"{SAGA_COMPLETED}\"])"));
    line(out, &format!("rejected([\"{SAGA_REJECTED}<br/>once all is undone\"])"));
    line(out, &format!("cancelled([\"{SAGA_CANCELLED}<br/>once all is undone\"])"));
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "    {text}");
}
