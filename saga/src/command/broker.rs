//! `saga queues` and `saga tap`: what the broker holds, and what passes there.

use clap::Args;
use futures_util::StreamExt;
use serde_json::Value;

use super::screen::{print, print_json, table, text};
use super::{Client, Failure};

/// Which messages to watch.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga tap pet.events pet.reserved --count 10")]
pub(super) struct Tap {
    /// The exchange
    exchange: String,
    /// The key or pattern: `pet.*`, `#`
    #[arg(default_value = "#")]
    key: String,
    /// Leave after so many
    #[arg(long)]
    count: Option<u64>,
}

pub(super) async fn queues(client: &Client) -> Result<(), Failure> {
    let found: Value = client.get("admin/queues", &[]).await?;
    let as_declared = found.get("as_declared").and_then(Value::as_bool) == Some(true);
    if client.json() {
        print_json(&found)?;
    } else {
        let mut table = table(&["queue", "consumer", "messages", "consumers", ""]);
        for queue in found.get("queues").and_then(Value::as_array).into_iter().flatten() {
            table.add_row(["name", "consumer", "messages", "consumers", "difference"].map(|name| text(queue, name)));
        }
        print(&table.to_string());
        if let Some(why) = found.get("bindings_not_seen").and_then(Value::as_str) {
            eprintln!("bindings were not looked at: {why}");
        }
    }
    let different = || Failure::Other("the queues are not as the topology says: the last column tells why".to_owned());
    if as_declared { Ok(()) } else { Err(different()) }
}

pub(super) async fn tap(client: &Client, Tap { exchange, key, count }: Tap) -> Result<(), Failure> {
    let mut chunks = client.stream("admin/tap", &[("exchange", exchange), ("key", key)]).await?;
    let (mut buffer, mut seen) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        buffer.extend_from_slice(&chunk?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            show(client, &String::from_utf8_lossy(&line))?;
            seen += 1;
            if count.is_some_and(|count| seen >= count) {
                return Ok(());
            }
        }
    }
    Err(Failure::Other("the orchestrator ended the connection".to_owned()))
}

fn show(client: &Client, line: &str) -> Result<(), Failure> {
    if client.json() {
        print(line.trim_end());
        return Ok(());
    }
    let message: Value = serde_json::from_str(line).map_err(Failure::other)?;
    let body = message.get("body").cloned().unwrap_or_default();
    let words = [text(&body, "time"), text(&message, "routing_key"), text(&body, "type"), text(&body, "id")];
    print(&format!("{}  {}", words.join("  "), text(&body, "data")));
    Ok(())
}
