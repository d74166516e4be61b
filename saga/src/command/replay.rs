//! `saga replay`: stored messages again, same ids, same bytes.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use saga_core::Time;
use saga_runtime::orchestrator::replay::{Condition, MaxFailures, Plan, Remark, Replay, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::screen::{print, print_json, table, to_the_second};
use super::{Client, Failure};

/// How often a replay that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many remarks on single messages a person is shown.
const SHOWN: u32 = 50;

/// Deliver stored messages again.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Deliver parked messages again, straight into their queues
    #[command(after_help = "Example: saga replay parked inventory-service/3 --dry-run")]
    Parked {
        /// Process and number, as `parked list` shows them; all that are parked without any
        ids: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// Send a queue's messages back where they were dead-lettered, or elsewhere; what is not sent stays
    #[command(after_help = "Example: saga replay queue billing.dead --where type=INVOICE_DUE --rate 50")]
    Queue {
        /// The queue
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Deliver history again; its end is fixed at its start
    #[command(after_help = "Example: saga replay log --from first --to inventory.pet-events --rate 500")]
    Log {
        /// From when: `first`, or a time (RFC 3339)
        #[arg(long, value_parser = parse_from)]
        from: From,
        /// Until when; until now without it
        #[arg(long, value_parser = parse_time)]
        until: Option<Time>,
        /// From where: `journals` (the truth) or `stream`
        #[arg(long, value_enum, default_value_t = Log::Journals, hide_possible_values = true)]
        source: Log,
        #[command(flatten)]
        how: How,
    },
    /// List replays, youngest first
    #[command(after_help = "Example: saga replay list --state running")]
    List {
        /// Those in this state: running, paused, stopped, finished or cancelled
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one: how far it is, and what became of single messages
    #[command(after_help = "Example: saga replay show 5c1f9a2e-0000-4000-8000-000000000000")]
    Show(Which),
    /// Let one rest
    #[command(after_help = "Example: saga replay pause 5c1f9a2e-0000-4000-8000-000000000000")]
    Pause(Which),
    /// Go on with one that rests or was stopped
    #[command(after_help = "Example: saga replay resume 5c1f9a2e-0000-4000-8000-000000000000")]
    Resume(Which),
    /// End one; what it has delivered stays delivered
    #[command(after_help = "Example: saga replay cancel 5c1f9a2e-0000-4000-8000-000000000000")]
    Cancel(Which),
}

/// How messages are delivered again.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Into which queue, if not where they came from
    #[arg(long)]
    to: Option<String>,
    /// Only those: type=T, saga=ID, subject=S, time>=T, time<T, $.data.petId=7
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<Condition>,
    /// Deliver nothing; say of each message what it would do
    #[arg(long)]
    dry_run: bool,
    /// At most so many messages a second
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// In stages, each a percentage of all: 1,5,20,100
    #[arg(long, value_delimiter = ',', value_name = "PERCENT")]
    ramp: Vec<u8>,
    /// Stop when more failed: 10, or 5% of all
    #[arg(long)]
    max_failures: Option<MaxFailures>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// Only start it; do not follow it
    #[arg(long)]
    detach: bool,
}

/// Which replay.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Its id
    id: Uuid,
}

/// Where history is read.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Log {
    /// The stream of all events
    Stream,
    /// The journals of all processes
    #[value(alias = "journal")]
    Journals,
}

/// Where history begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    First,
    At(Time),
}

fn parse_from(text: &str) -> Result<From, String> {
    if text == "first" { Ok(From::First) } else { parse_time(text).map(From::At) }
}

fn parse_time(text: &str) -> Result<Time, String> {
    Time::parse(text, &Rfc3339).map_err(|error| format!("{error}; write it as 2026-11-20T00:00:00Z"))
}

pub(super) async fn run(client: &Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::Parked { ids, how } => start(client, Source::Parked { messages: ids }, how).await,
        Command::Queue { name, how } => start(client, Source::Queue { queue: name }, how).await,
        Command::Log { from, until, source, how } => {
            let from = match from {
                From::First => None,
                From::At(time) => Some(time),
            };
            let source = match source {
                Log::Stream => Source::Stream { from, until },
                Log::Journals => Source::Journals { from, until },
            };
            start(client, source, how).await
        }
        Command::List { state, limit } => list(client, state, limit).await,
        Command::Show(Which { id }) => show(client, id).await,
        Command::Pause(which) => say(client, which, "pause").await,
        Command::Resume(which) => say(client, which, "resume").await,
        Command::Cancel(which) => say(client, which, "cancel").await,
    }
}

async fn start(client: &Client, source: Source, how: How) -> Result<(), Failure> {
    let How { to, conditions, dry_run, rate, ramp, max_failures, reason, detach } = how;
    let plan = Plan { source, to, conditions, dry_run, rate, ramp, max_failures };
    let mut asked = serde_json::to_value(plan).map_err(Failure::other)?;
    asked["reason"] = json!(reason);
    let replay: Replay = client.post("admin/replays", &asked).await?;
    eprintln!("replay {}: {} messages {}", replay.id, replay.counters.total, reads(&replay)?);
    let replay = if detach { replay } else { follow(client, replay).await? };
    print_replay(client, &replay).await?;
    if detach || replay.state == "finished" && replay.counters.failed == 0 { Ok(()) } else { Err(not_all(&replay)) }
}

/// Which source it reads, and where that begins.
fn reads(replay: &Replay) -> Result<String, Failure> {
    let begins = match replay.begins {
        Some(begins) => format!(", which begin at {}", to_the_second(begins)?),
        None => String::new(),
    };
    Ok(match &replay.plan.source {
        Source::Parked { .. } => "are parked".to_owned(),
        Source::Queue { queue } => format!("wait in {queue}"),
        Source::Stream { .. } => format!("in the stream of all events{begins}"),
        Source::Journals { .. } => format!("in the journals of all processes{begins}"),
    })
}

/// Watches until it runs no more. To leave does not stop it.
async fn follow(client: &Client, mut replay: Replay) -> Result<Replay, Failure> {
    let style = "{bar:30} {pos}/{len}  {per_sec}  {msg}";
    let style = ProgressStyle::with_template(style).map_err(Failure::other)?;
    let progress = ProgressBar::new(0).with_style(style);
    while replay.state == "running" {
        let counters = replay.counters;
        progress.set_length(u64::try_from(counters.total).unwrap_or_default());
        progress.set_position(u64::try_from(counters.total - counters.pending).unwrap_or_default());
        progress.set_message(replay.trouble.clone().unwrap_or_default());
        tokio::time::sleep(LOOK_EVERY).await;
        replay = client.get(&format!("admin/replays/{}", replay.id), &[]).await?;
    }
    progress.finish_and_clear();
    Ok(replay)
}

fn not_all(replay: &Replay) -> Failure {
    let why = replay.trouble.as_deref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
    Failure::Other(format!("replay {} is {}, {} messages failed{why}", replay.id, replay.state, replay.counters.failed))
}

/// The counters as they add up.
fn sum(replay: &Replay) -> String {
    let c = &replay.counters;
    format!("{} = {} pending + {} done + {} failed + {} skipped", c.total, c.pending, c.done, c.failed, c.skipped)
}

async fn print_replay(client: &Client, replay: &Replay) -> Result<(), Failure> {
    let said = remarks(client, replay.id).await?;
    if client.json() {
        return print_json(&json!({ "replay": replay, "messages": said }));
    }
    let dry = if replay.plan.dry_run { "dry run" } else { "replay" };
    print(&format!("{dry} {}  {}  {}", replay.id, replay.state, sum(replay)));
    for (kind, reasons) in &replay.details.0 {
        let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{count} {}", words(why))).collect();
        print(&format!("  {kind:<8} {}", reasons.join(", ")));
    }
    if let Some(trouble) = &replay.trouble {
        print(&format!("  held up  {trouble}"));
    }
    print_remarks(&said);
    if replay.details.0.get("done").is_some_and(|done| done.contains_key("duplicate")) {
        eprintln!(
            "duplicates: their consumer had handled them, and does not do it again. To make something count again: \
             `saga rebuild` for a read model, `saga retry` for a step"
        );
    }
    Ok(())
}

fn words(why: &str) -> String {
    why.replace('_', " ")
}

#[derive(Deserialize, Serialize)]
struct Remarks {
    messages: Vec<Remark>,
}

async fn remarks(client: &Client, id: Uuid) -> Result<Vec<Remark>, Failure> {
    let query = [("limit", SHOWN.to_string())];
    Ok(client.get::<Remarks>(&format!("admin/replays/{id}/messages"), &query).await?.messages)
}

fn print_remarks(remarks: &[Remark]) {
    if remarks.is_empty() {
        return;
    }
    let mut table = table(&["message", "type", "queue", "outcome", "why"]);
    for Remark { message, kind, queue, outcome, why, .. } in remarks {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.add_row([message.clone(), text(kind), text(queue), words(outcome), text(why)]);
    }
    print(&table.to_string());
}

#[derive(Deserialize, Serialize)]
struct Replays {
    replays: Vec<Replay>,
}

async fn list(client: &Client, state: Option<String>, limit: u32) -> Result<(), Failure> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(state.map(|state| ("state", state)));
    let found: Replays = client.get("admin/replays", &query).await?;
    if client.json() {
        return print_json(&found);
    }
    let mut table = table(&["replay", "source", "state", "messages", "by", "at", ""]);
    for replay in &found.replays {
        let source = serde_json::to_value(&replay.plan).map_err(Failure::other)?;
        table.add_row([
            replay.id.to_string(),
            source.get("source").and_then(Value::as_str).unwrap_or_default().to_owned(),
            replay.state.clone(),
            sum(replay),
            replay.who.clone(),
            to_the_second(replay.created_at)?,
            if replay.plan.dry_run { "dry run" } else { "" }.to_owned(),
        ]);
    }
    print(&table.to_string());
    eprintln!("{} replays", found.replays.len());
    Ok(())
}

async fn show(client: &Client, id: Uuid) -> Result<(), Failure> {
    let replay: Replay = client.get(&format!("admin/replays/{id}"), &[]).await?;
    print_replay(client, &replay).await
}

async fn say(client: &Client, Which { id }: Which, word: &str) -> Result<(), Failure> {
    let replay: Replay = client.post(&format!("admin/replays/{id}/{word}"), &json!({})).await?;
    if client.json() {
        return print_json(&replay);
    }
    print(&format!("replay {id}  {}  {}", replay.state, sum(&replay)));
    Ok(())
}
