//! `saga cancel`, `saga retry`, `saga skip`: an operator's words to one saga.

use clap::Args;
use serde_json::{Value, json};

use super::screen::{print, print_json, text};
use super::show::saga_id;
use super::{Client, Failure};

/// Which saga to cancel, and why.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga cancel 1001 --reason asked-by-phone")]
pub(super) struct Cancel {
    /// The saga's id, the order's id, or the order's public number
    id: String,
    /// Why: for the audit, and the reason that the order ends with
    #[arg(long)]
    reason: String,
}

/// Which step to run again.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga retry 1001 sell_pet --reason lost")]
pub(super) struct Retry {
    /// The saga's id, the order's id, or the order's public number
    id: String,
    /// The step, as `saga show` names it
    step: String,
    /// Why, for the audit
    #[arg(long, default_value = "retried by hand")]
    reason: String,
}

/// Which step to count as done.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga skip 1001 sell_pet --reason sold-by-hand")]
pub(super) struct Skip {
    /// The saga's id, the order's id, or the order's public number
    id: String,
    /// The step, as `saga show` names it
    step: String,
    /// Why, for the audit
    #[arg(long)]
    reason: String,
    /// It is being undone, and counts as undone
    #[arg(long)]
    undone: bool,
}

pub(super) async fn cancel(client: &Client, Cancel { id, reason }: Cancel) -> Result<(), Failure> {
    say(client, &id, "cancel", &json!({ "reason": reason })).await
}

pub(super) async fn retry(client: &Client, Retry { id, step, reason }: Retry) -> Result<(), Failure> {
    say(client, &id, "retry", &json!({ "step": step, "reason": reason })).await
}

pub(super) async fn skip(client: &Client, Skip { id, step, reason, undone }: Skip) -> Result<(), Failure> {
    say(client, &id, "skip", &json!({ "step": step, "reason": reason, "undone": undone })).await
}

async fn say(client: &Client, id: &str, word: &str, body: &Value) -> Result<(), Failure> {
    let id = saga_id(client, id).await?;
    let said: Value = client.post(&format!("admin/sagas/{id}/{word}"), body).await?;
    if client.json() {
        return print_json(&said);
    }
    print(&format!("saga {id}  {}", text(&said, "state")));
    Ok(())
}
