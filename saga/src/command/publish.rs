//! `saga publish`.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
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
    /// Each line of the data is a message of its own; at most so many a second
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "id")]
    rate: Option<u32>,
    /// Publish nothing; say where it would go, and what it would do there
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    if !arguments.raw && arguments.kind.is_none() {
        return Err(Failure::Usage("--type is missing; --raw publishes the data without an envelope".to_owned()));
    }
    let text = read(&arguments.data)?;
    let Some(rate) = arguments.rate else {
        let published = one(client, &arguments, &text).await?;
        return show(client, &arguments, &published);
    };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let progress = ProgressBar::new(lines.len() as u64);
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(rate)));
    for line in &lines {
        pace.tick().await;
        let published = one(client, &arguments, line).await?;
        progress.suspend(|| show(client, &arguments, &published))?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    eprintln!("{} messages", lines.len());
    Ok(())
}

async fn one(client: &Client, arguments: &Arguments, text: &str) -> Result<Value, Failure> {
    let data = if arguments.raw { Value::String(text.to_owned()) } else { parse(text)? };
    let body = json!({
        "exchange": arguments.exchange, "key": arguments.key, "type": arguments.kind, "data": data,
        "subject": arguments.subject, "id": arguments.id, "raw": arguments.raw, "dry_run": arguments.dry_run,
    });
    client.post("admin/publish", &body).await
}

fn show(client: &Client, arguments: &Arguments, published: &Value) -> Result<(), Failure> {
    if client.json() {
        return print_json(published);
    }
    print(&text(published, "id"));
    let Some(would) = published.get("would").and_then(Value::as_array) else {
        eprintln!("published to {} with key {}: confirmed and routed", arguments.exchange, arguments.key);
        return Ok(());
    };
    for queue in would {
        let outcome = queue.get("outcome").cloned().unwrap_or_default();
        let (would, why) = (text(&outcome, "would"), text(&outcome, "why"));
        let would =
            if would.is_empty() { "nobody who can be asked consumes it".to_owned() } else { would.replace('_', " ") };
        print(&format!("  {}  {would}  {why}", text(queue, "queue")));
    }
    eprintln!("a dry run: nothing was published");
    Ok(())
}

/// Data that is given as it is, in a file, or on standard input.
pub(super) fn read(data: &str) -> Result<String, Failure> {
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

/// Data as JSON.
pub(super) fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Usage(format!("the data is no JSON: {error}")))
}
