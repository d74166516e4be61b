//! `saga parked`.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::publish::{parse, read};
use super::screen::{print, print_json, table, text};
use super::{Client, Failure};

/// The orchestrator's own name among the processes.
const OWN: &str = "saga";

/// As many messages as a process tells of at once.
const MOST_AT_ONCE: u32 = 1_000;

/// Messages that were set aside.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List messages that were set aside, of all processes, grouped by cause
    #[command(after_help = "Example: saga parked list")]
    List,
    /// Show one, with its bytes
    #[command(after_help = "Example: saga parked show inventory-service/3")]
    Show {
        /// Process and number, as `parked list` shows them: inventory-service/3
        id: String,
    },
    /// Replace one by an edited copy: an id derived from the original's, the difference on record, the original closed
    #[command(after_help = "Example: saga parked edit pet-service/3 --set $.data.petId=7 --reason typo")]
    Edit(Edit),
    /// Close one for good; it keeps its row and is never handled
    #[command(after_help = "Example: saga parked discard inventory-service/3 --reason sent-by-a-test")]
    Discard {
        /// Process and number, as `parked list` shows them
        id: String,
        /// Why, for the audit
        #[arg(long)]
        reason: String,
    },
}

/// What to correct.
#[derive(Debug, Args)]
pub(super) struct Edit {
    /// Process and number, as `parked list` shows them
    id: String,
    /// Put this JSON value (or text) in this place: $.data.status=available; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE", required_unless_present = "message")]
    changes: Vec<String>,
    /// The whole corrected message: JSON, @FILE, or - for standard input
    #[arg(long, conflicts_with = "changes")]
    message: Option<String>,
    /// Why, for the audit
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(client: &Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => list(client).await,
        Command::Show { id } => show(client, &id).await,
        Command::Edit(edit) => edited(client, edit).await,
        Command::Discard { id, reason } => discard(client, &id, &reason).await,
    }
}

async fn list(client: &Client) -> Result<(), Failure> {
    let names = names(client).await?;
    let (mut parked, mut unseen) = (Vec::new(), Vec::new());
    for name in names {
        match of_process(client, &name).await {
            Ok(messages) => parked.extend(messages),
            Err(failure @ Failure::Unreachable { .. }) => return Err(failure),
            Err(failure) => unseen.push(json!({ "process": name, "why": failure.to_string() })),
        }
    }
    if client.json() {
        return print_json(&json!({ "parked": parked, "unseen": unseen }));
    }
    parked.sort_by_key(|message| (text(message, "fingerprint"), text(message, "process")));
    let mut table = table(&["cause", "parked", "queue", "message id", "times", "why"]);
    for message in &parked {
        table.add_row([
            text(message, "fingerprint"),
            format!("{}/{}", text(message, "process"), text(message, "id")),
            text(message, "queue"),
            text(message, "message_id"),
            text(message, "times"),
            text(message, "detail"),
        ]);
    }
    print(&table.to_string());
    eprintln!("{} messages parked", parked.len());
    for process in &unseen {
        eprintln!("not seen: {}; {}", text(process, "process"), text(process, "why"));
    }
    Ok(())
}

/// The names of all processes, the orchestrator's first.
pub(super) async fn names(client: &Client) -> Result<Vec<String>, Failure> {
    let processes: Vec<Value> = client.get("admin/processes", &[]).await?;
    Ok([OWN.to_owned()].into_iter().chain(processes.iter().map(|process| text(process, "name"))).collect())
}

/// Some of what a process set aside.
#[derive(Deserialize)]
struct Page {
    parked: Vec<Value>,
    next: Option<i64>,
}

/// All that a process set aside, page by page.
async fn of_process(client: &Client, name: &str) -> Result<Vec<Value>, Failure> {
    let with_process = |mut message: Value| {
        message["process"] = name.into();
        message
    };
    let (path, mut parked, mut after) = (path(name, "parked"), Vec::new(), Some(0));
    while let Some(id) = after {
        let query = [("limit", MOST_AT_ONCE.to_string()), ("after", id.to_string())];
        let page: Page = client.get(&path, &query).await?;
        parked.extend(page.parked.into_iter().map(with_process));
        after = page.next;
    }
    Ok(parked)
}

async fn show(client: &Client, id: &str) -> Result<(), Failure> {
    let (process, number) = address(id)?;
    let message: Value = client.get(&path(process, &format!("parked/{number}")), &[]).await?;
    if client.json() {
        return print_json(&message);
    }
    for name in ["queue", "type", "message_id", "saga_id", "reason", "detail", "state", "times", "first_at", "last_at"]
    {
        print(&format!("{name:<12} {}", text(&message, name)));
    }
    print(&format!("{:<12} {}", "came", text(&message, "incoming")));
    let body = message.get("body").cloned().unwrap_or_default();
    match body.get("text").and_then(Value::as_str) {
        Some(text) => print(&format!("{:<12} {text}", "bytes")),
        None => print(&format!("{:<12} {}", "base64", text(&body, "base64"))),
    }
    Ok(())
}

async fn edited(client: &Client, Edit { id, changes, message, reason }: Edit) -> Result<(), Failure> {
    let (process, number) = address(&id)?;
    let message = match message {
        Some(text) => parse(&read(&text)?)?,
        None => changed(client, process, number, &changes).await?,
    };
    let body = json!({ "message": message, "reason": reason });
    let edited: Value = client.post(&path(process, &format!("parked/{number}/edit")), &body).await?;
    if client.json() {
        return print_json(&edited);
    }
    print(&format!("{id}  edited: its copy {} is in {}", text(&edited, "message_id"), text(&edited, "queue")));
    for change in edited.get("difference").and_then(Value::as_array).into_iter().flatten() {
        print(&format!("  {}  {} -> {}", text(change, "path"), text(change, "before"), text(change, "after")));
    }
    Ok(())
}

/// The original with other values in some places.
async fn changed(client: &Client, process: &str, number: i64, changes: &[String]) -> Result<Value, Failure> {
    let parked: Value = client.get(&path(process, &format!("parked/{number}")), &[]).await?;
    let original = parked.pointer("/body/text").and_then(Value::as_str).unwrap_or_default();
    let mut message = parse(original)?;
    for change in changes {
        let wrong = || Failure::Usage(format!("{change} is not PATH=VALUE, as in $.data.status=available"));
        let (place, value) = change.split_once('=').ok_or_else(wrong)?;
        let mut names = place.strip_prefix("$.").ok_or_else(wrong)?.split('.');
        let place = names.try_fold(&mut message, |place, name| {
            Some(place.as_object_mut()?.entry(name).or_insert_with(|| json!({})))
        });
        *place.ok_or_else(|| Failure::Usage(format!("{change}: there is no such place in the message")))? =
            serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    }
    Ok(message)
}

async fn discard(client: &Client, id: &str, reason: &str) -> Result<(), Failure> {
    let (process, number) = address(id)?;
    let body = json!({ "reason": reason });
    let message: Value = client.post(&path(process, &format!("parked/{number}/discard")), &body).await?;
    if client.json() {
        return print_json(&message);
    }
    print(&format!("{id}  {}", text(&message, "state")));
    Ok(())
}

/// Process and number of a parked message.
fn address(id: &str) -> Result<(&str, i64), Failure> {
    let wrong = || Failure::Usage(format!("{id} is not PROCESS/NUMBER; `saga parked list` shows what there is"));
    let (process, number) = id.rsplit_once('/').ok_or_else(wrong)?;
    Ok((process, number.parse().map_err(|_| wrong())?))
}

/// Where a process's own operator's API is reached through the orchestrator.
pub(super) fn path(process: &str, below: &str) -> String {
    if process == OWN { format!("admin/{below}") } else { format!("admin/processes/{process}/{below}") }
}
