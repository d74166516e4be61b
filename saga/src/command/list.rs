//! `saga list`.

use std::time::Duration;

use clap::Args;
use saga_core::Time;
use saga_runtime::clock;
use saga_runtime::config::parse_duration;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::ids::Salted;
use super::screen::{print, print_json, table, to_the_second};
use super::{Client, Failure};

/// Which sagas to list.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga list --state rejected --reason out_of_stock")]
pub(super) struct Arguments {
    /// Those in this state: running, prepared, completing, compensating, completed, rejected or cancelled
    #[arg(long)]
    state: Option<String>,
    /// Those that end or ended for this reason
    #[arg(long)]
    reason: Option<String>,
    /// Those started longer ago than this: 10min
    #[arg(long, value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Those that a person should look at
    #[arg(long)]
    needs_intervention: bool,
    /// Those of this customer's orders; needs the system's salt
    #[arg(long)]
    customer: Option<String>,
    #[command(flatten)]
    salted: Salted,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sagas {
    sagas: Vec<Saga>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saga {
    id: Uuid,
    definition: String,
    subject: String,
    state: String,
    reason: Option<String>,
    needs_intervention: bool,
    #[serde(with = "time::serde::rfc3339")]
    started_at: Time,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: Time,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.state.map(|state| ("state", state)));
    query.extend(arguments.reason.map(|reason| ("reason", reason)));
    if let Some(email) = &arguments.customer {
        query.push(("start", format!("userId={}", arguments.salted.user(email)?)));
    }
    if arguments.needs_intervention {
        query.push(("needs_intervention", "true".to_owned()));
    }
    if let Some(age) = arguments.older_than {
        let before = time::Duration::try_from(age).ok().and_then(|age| clock::now().checked_sub(age));
        let before = before.ok_or_else(|| Failure::Usage("--older-than: no saga is that old".to_owned()))?;
        let before = before.format(&Rfc3339).map_err(Failure::other)?;
        query.push(("started_before", before));
    }
    let found: Sagas = client.get("admin/sagas", &query).await?;
    if client.json() {
        return print_json(&found);
    }
    let mut table = table(&["saga", "about", "state", "reason", "started", "took", ""]);
    for saga in &found.sagas {
        let took = (saga.updated_at - saga.started_at).as_seconds_f64() * 1000.0;
        let mark = if saga.needs_intervention { "needs intervention" } else { "" };
        table.add_row([
            saga.id.to_string(),
            saga.subject.clone(),
            saga.state.clone(),
            saga.reason.clone().unwrap_or_default(),
            to_the_second(saga.started_at)?,
            format!("{took:.1} ms"),
            mark.to_owned(),
        ]);
    }
    print(&table.to_string());
    eprintln!("{} sagas", found.sagas.len());
    Ok(())
}
