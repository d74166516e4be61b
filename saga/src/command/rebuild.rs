//! `saga rebuild`: a read model refilled while the old figures are served.

use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use saga_runtime::read_model::ReadModelView;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::parked::{names, path};
use super::screen::{print, print_json};
use super::{Client, Failure};

/// How often a rebuild that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Which read model.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga rebuild inventory --reason counts-were-off")]
pub(super) struct Arguments {
    /// Its name: inventory
    name: String,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// Only start it; do not follow it
    #[arg(long)]
    detach: bool,
}

#[derive(Deserialize)]
struct ReadModels {
    read_models: Vec<ReadModelView>,
}

/// A read model with its process.
#[derive(Serialize)]
struct Told<'a> {
    process: &'a str,
    #[serde(flatten)]
    read_model: &'a ReadModelView,
}

pub(super) async fn run(client: &Client, Arguments { name, reason, detach }: Arguments) -> Result<(), Failure> {
    let process = process_of(client, &name).await?;
    let place = path(&process, &format!("read-models/{name}/rebuild"));
    let mut read_model: ReadModelView = client.post(&place, &json!({ "reason": reason })).await?;
    let generation = read_model.filling.unwrap_or(read_model.serving);
    eprintln!("generation {generation} of {name} is filled; generation {} is served meanwhile", read_model.serving);
    let progress = ProgressBar::new_spinner();
    while !detach && read_model.serving < generation {
        progress.set_message(said(&read_model));
        progress.tick();
        tokio::time::sleep(LOOK_EVERY).await;
        read_model = find(client, &process, &name).await?.ok_or_else(|| Failure::other("it is not there any more"))?;
    }
    progress.finish_and_clear();
    if client.json() {
        return print_json(&Told { process: &process, read_model: &read_model });
    }
    print(&format!("{process}  {name}  generation {}  {}", read_model.serving, said(&read_model)));
    Ok(())
}

/// How far it is, and what holds it up.
fn said(read_model: &ReadModelView) -> String {
    let trouble = read_model.trouble.as_deref().map(|trouble| format!("  held up: {trouble}")).unwrap_or_default();
    let word = if read_model.filling.is_some() { "read so far" } else { "read" };
    format!("{} entries {word}{trouble}", read_model.filled)
}

/// The process that has it.
async fn process_of(client: &Client, name: &str) -> Result<String, Failure> {
    let mut known = Vec::new();
    for process in names(client).await? {
        let ReadModels { read_models } = client.get(&path(&process, "read-models"), &[]).await?;
        if read_models.iter().any(|read_model| read_model.name == name) {
            return Ok(process);
        }
        known.extend(read_models.into_iter().map(|read_model| read_model.name));
    }
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Failure::Other(format!("no process has a read model {name}; there is {known}")))
}

async fn find(client: &Client, process: &str, name: &str) -> Result<Option<ReadModelView>, Failure> {
    let ReadModels { read_models } = client.get(&path(process, "read-models"), &[]).await?;
    Ok(read_models.into_iter().find(|read_model| read_model.name == name))
}
