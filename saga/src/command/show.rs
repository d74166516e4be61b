//! `saga show` and `saga diagram`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use saga_contract::TOPOLOGY;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::screen::{print, print_json, text, watched};
use super::stats::Stats;
use super::{Client, Failure, Timeline, To, Told};
use crate::order_saga::order_saga;

/// How often a saga that is watched is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which saga.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga show 5c1f9a2e-0000-5000-8000-000000000000")]
pub(super) struct Arguments {
    /// The saga's id, the order's id, or the order's public number
    id: String,
    /// Look again every second, until it ends or you interrupt it
    #[arg(long, conflicts_with = "mermaid")]
    watch: bool,
    /// As a Mermaid sequence diagram
    #[arg(long)]
    mermaid: bool,
}

/// Which definition.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga diagram > order-saga.mmd")]
pub(super) struct DiagramArguments {
    /// The definition
    #[arg(default_value = "order_saga")]
    name: String,
    /// With the number of sagas in each state now
    #[arg(long)]
    live: bool,
}

#[derive(Debug, Deserialize)]
struct Story {
    timeline: Vec<Told>,
    unseen: Vec<Value>,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let id = saga_id(client, &arguments.id).await?;
    watched(arguments.watch.then_some(LOOK_EVERY), async || {
        let story: Value = client.get(&format!("admin/sagas/{id}"), &[]).await?;
        if arguments.mermaid {
            print(&sequence(&story)?);
        } else if client.json() {
            print_json(&story)?;
        } else {
            print_story(&story)?;
        }
        Ok(!["completed", "rejected", "cancelled"].contains(&text(&story, "state").as_str()))
    })
    .await
}

/// The story as a Mermaid sequence diagram: each message from its maker to those whose queues take it.
fn sequence(story: &Value) -> Result<String, Failure> {
    let Story { timeline, .. } = Story::deserialize(story).map_err(Failure::other)?;
    let mut lines = vec!["sequenceDiagram".to_owned()];
    let mut seen: Vec<Uuid> = Vec::new();
    for Told { id, kind, source, .. } in &timeline {
        let Some(known) = TOPOLOGY.message_type(kind).filter(|_| !seen.contains(id)) else { continue };
        seen.push(*id);
        let from = source.as_deref().unwrap_or(known.source);
        let takers: BTreeSet<&str> =
            TOPOLOGY.takers(known).map(|queue| queue.consumer).filter(|c| !c.is_empty()).collect();
        if takers.is_empty() {
            lines.push(format!("    Note over {from}: {kind}"));
        }
        lines.extend(takers.into_iter().map(|to| format!("    {from}->>{to}: {kind}")));
    }
    Ok(lines.join("\n"))
}

/// Prints the story of a saga for a person.
pub(super) fn print_story(story: &Value) -> Result<(), Failure> {
    let Story { timeline, unseen } = Story::deserialize(story).map_err(Failure::other)?;
    let reason = text(story, "reason");
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    print(&format!("saga {}  {}{why}  about {}", text(story, "id"), text(story, "state"), text(story, "subject")));
    print(&Timeline::of(&timeline).table().to_string());
    let steps = story.get("steps").and_then(Value::as_array).cloned().unwrap_or_default();
    let steps: Vec<String> =
        steps.iter().map(|step| format!("{} {}", text(step, "name"), text(step, "state"))).collect();
    print(&format!("steps: {}", steps.join(", ")));
    if story.get("needs_intervention").and_then(Value::as_bool) == Some(true) {
        eprintln!("it needs intervention: a participant does not answer; it goes on trying");
    }
    for process in &unseen {
        eprintln!("not seen: what {} sent ({})", text(process, "process"), text(process, "why"));
    }
    eprintln!(
        "times are each process's own clock; \"saga ms\" is when the orchestrator handled a message. Not shown: what other participants did with a message that the orchestrator does not take."
    );
    Ok(())
}

/// The id of a saga or its subject: a UUID is one of both, a number is an order's.
pub(super) async fn saga_id(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if text.parse::<u64>().is_err() {
        return Err(Failure::Usage(format!("{text} is neither an id nor an order's number")));
    }
    let (status, order) = client.orders(reqwest::Method::GET, &format!("api/v3/store/order/{text}"), &[], None).await?;
    let id = order.get("sagaId").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::Refused { status, detail: format!("there is no order {text}") })
}

pub(super) async fn diagram(to: &To, arguments: DiagramArguments) -> Result<(), Failure> {
    // The drawing needs no salt: it shows the table alone.
    let salt = idforge::Salt::new("the diagram shows no id").map_err(Failure::other)?;
    let definition = order_saga(&saga_core::Ids::new(&salt, "diagram"), 0).map_err(Failure::other)?;
    if arguments.name != definition.name {
        return Err(Failure::Usage(format!("there is no definition {}; there is {}", arguments.name, definition.name)));
    }
    let mut drawing = saga_core::mermaid(&definition);
    if arguments.live {
        let stats: Stats = Client::new(to.clone())?.get("admin/stats", &[]).await?;
        drawing.push_str(&live(&stats, definition.name));
    }
    if to.json {
        return print_json(
            &serde_json::json!({ "name": definition.name, "version": definition.version, "mermaid": drawing }),
        );
    }
    print(drawing.trim_end());
    Ok(())
}

/// How many sagas are in each state, as a part of the drawing.
fn live(stats: &Stats, definition: &str) -> String {
    let mut drawn = String::from("    subgraph now[\"sagas now\"]\n");
    for state in stats.states.iter().filter(|state| state.definition == definition) {
        drawn.push_str(&format!("        now_{0}[\"{0}: {1}\"]\n", state.state, state.count));
    }
    drawn + "    end\n"
}
