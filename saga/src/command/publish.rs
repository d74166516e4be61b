//! `saga publish`.

use std::io::Read;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::screen::{print, print_json, text};
use super::{Client, Failure};

/// What to publish, and where.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga publish inventory.events stock.set --type STOCK_SET --data @stock.json")]
pub(super) struct Arguments {
    /// The exchange; "" is the default one, whose keys are queues' names
    exchange: String,
    /// The routing key
    key: String,
    /// The type: makes an envelope around the data
    #[arg(long = "type")]
    kind: Option<String>,
    /// The data: JSON, @FILE, or - for standard input
    #[arg(long, default_value = "null")]
    data: String,
    /// What the message is about
    #[arg(long)]
    subject: Option<String>,
    /// The message's id; drawn and printed when absent
    #[arg(long)]
    id: Option<Uuid>,
    /// Publish the data as it is, without an envelope
    #[arg(long)]
    raw: bool,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    if !arguments.raw && arguments.kind.is_none() {
        return Err(Failure::Usage("--type is missing; --raw publishes the data without an envelope".to_owned()));
    }
    let bytes = read(&arguments.data)?;
    let data = if arguments.raw { Value::String(bytes) } else { parse(&bytes)? };
    let body = json!({
        "exchange": arguments.exchange, "key": arguments.key, "type": arguments.kind, "data": data,
        "subject": arguments.subject, "id": arguments.id, "raw": arguments.raw,
    });
    let published: Value = client.post("admin/publish", &body).await?;
    if client.json() {
        return print_json(&published);
    }
    print(&text(&published, "id"));
    eprintln!("published to {} with key {}: confirmed and routed", arguments.exchange, arguments.key);
    Ok(())
}

fn read(data: &str) -> Result<String, Failure> {
    if data == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
        return Ok(text);
    }
    match data.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{file}: {error}"))),
        None => Ok(data.to_owned()),
    }
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Usage(format!("the data is no JSON: {error}")))
}
