//! `saga replay`: stored messages again, same ids, same bytes.

use std::time::Duration;

use clap::Subcommand;
use indicatif::ProgressBar;
use saga_core::Time;
use saga_runtime::clock;
use serde::Deserialize;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::parked::{address, path};
use super::screen::{print, print_json, text};
use super::{Client, Failure};

/// How many messages go out in one request.
const AT_ONCE: usize = 250;

/// Deliver stored messages again.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Deliver parked messages again, straight into their queues
    #[command(after_help = "Example: saga replay parked inventory-service/3")]
    Parked {
        /// Process and number, as `parked list` shows them
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Deliver history again, from the journals of all processes; its end is fixed at its start
    #[command(after_help = "Example: saga replay log --from first --to inventory.pet-events --rate 500")]
    Log {
        /// From when: `first`, or a time (RFC 3339)
        #[arg(long)]
        from: String,
        /// Into which queue; messages of types that it is not bound to are left out
        #[arg(long)]
        to: String,
        /// At most so many messages a second
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
    },
}

pub(super) async fn run(client: &Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::Parked { ids } => parked(client, &ids).await,
        Command::Log { from, to, rate } => log(client, &from, &to, rate).await,
    }
}

async fn parked(client: &Client, ids: &[String]) -> Result<(), Failure> {
    let mut replayed = Vec::new();
    for id in ids {
        let (process, number) = address(id)?;
        let message: Value = client.post(&path(process, &format!("parked/{number}/replay")), &json!({})).await?;
        if !client.json() {
            print(&format!("{id}  {}  -> {}", text(&message, "message_id"), text(&message, "queue")));
        }
        replayed.push(message);
    }
    if client.json() { print_json(&replayed) } else { Ok(()) }
}

/// One page of a journal.
#[derive(Deserialize)]
struct Page {
    messages: Vec<Stored>,
    next: Option<i64>,
}

#[derive(Deserialize)]
struct Stored {
    body: String,
}

#[derive(Default, Deserialize)]
struct Delivered {
    delivered: u64,
    left_out: u64,
}

async fn log(client: &Client, from: &str, to: &str, rate: u32) -> Result<(), Failure> {
    let from = match from {
        "first" => None,
        time => Some(Time::parse(time, &Rfc3339).map_err(|error| Failure::Usage(format!("--from {time}: {error}")))?),
    };
    // What is made from now on is not history: a replay must not follow its own tail.
    let until = clock::now();
    let processes: Vec<Value> = client.get("admin/processes", &[]).await?;
    let names = ["saga".to_owned()].into_iter().chain(processes.iter().map(|process| text(process, "name")));
    let progress = ProgressBar::new_spinner().with_message(format!("replaying into {to}"));
    let mut total = Delivered::default();
    for name in names {
        let span = Span { process: name, from, until };
        let one = span.replay(client, to, rate, &progress).await?;
        total.delivered += one.delivered;
        total.left_out += one.left_out;
    }
    progress.finish_and_clear();
    if client.json() {
        return print_json(&json!({ "to": to, "delivered": total.delivered, "left_out": total.left_out }));
    }
    print(&format!("{} messages delivered to {to} again, {} of other types left out", total.delivered, total.left_out));
    eprintln!("what its consumer had done, it does not do again: duplicates are counted and dropped");
    Ok(())
}

/// A part of one process's history.
struct Span {
    process: String,
    from: Option<Time>,
    until: Time,
}

impl Span {
    async fn replay(&self, client: &Client, to: &str, rate: u32, progress: &ProgressBar) -> Result<Delivered, Failure> {
        let (mut after, mut total) = (0, Delivered::default());
        let mut pace = tokio::time::interval(Duration::from_secs_f64(AT_ONCE as f64 / f64::from(rate)));
        loop {
            let page = self.page(client, after).await?;
            for chunk in page.messages.chunks(AT_ONCE) {
                pace.tick().await;
                let messages: Vec<&str> = chunk.iter().map(|stored| stored.body.as_str()).collect();
                let body = json!({ "to": to, "messages": messages });
                let delivered: Delivered = client.post("admin/replay/log", &body).await?;
                total.delivered += delivered.delivered;
                total.left_out += delivered.left_out;
                progress.inc(messages.len() as u64);
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(total),
            }
        }
    }

    async fn page(&self, client: &Client, after: i64) -> Result<Page, Failure> {
        let rfc3339 = |time: Time| time.format(&Rfc3339).map_err(Failure::other);
        let mut query =
            vec![("after_seq", after.to_string()), ("limit", "1000".to_owned()), ("until", rfc3339(self.until)?)];
        if let Some(from) = self.from {
            query.push(("from", rfc3339(from)?));
        }
        client.get(&path(&self.process, "journal"), &query).await
    }
}
