//! `saga verify`: whether what all processes store is what it must be.

use saga_runtime::Disagreement;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::parked::{names, path};
use super::screen::{print, print_json, table};
use super::{Client, Failure};

#[derive(Deserialize)]
struct Part {
    probe: Uuid,
    messages: u64,
    views: u64,
    rows: u64,
    disagree: Vec<Disagreement>,
    next: Option<String>,
}

/// What was found at one process.
#[derive(Serialize)]
struct Found {
    process: String,
    probe: Uuid,
    messages: u64,
    views: u64,
    rows: u64,
    disagree: Vec<Disagreement>,
}

pub(super) async fn run(client: &Client) -> Result<(), Failure> {
    let mut all: Vec<Found> = Vec::new();
    for name in names(client).await? {
        let mut found = of(client, name).await?;
        if let Some(first) = all.first().filter(|first| first.probe != found.probe) {
            let (what, process) = ("UUID_FORGE_SALT or SAGA_DOMAIN".to_owned(), &first.process);
            found.disagree.push(Disagreement { what, why: format!("{process} has another one") });
        }
        all.push(found);
    }
    let disagree: usize = all.iter().map(|found| found.disagree.len()).sum();
    if client.json() {
        print_json(&json!({ "processes": all, "disagree": disagree }))?;
    } else {
        let mut table = table(&["process", "messages", "views", "rows", "disagree", ""]);
        for Found { process, messages, views, rows, disagree, .. } in &all {
            let counts = [messages, views, rows].map(u64::to_string);
            let head = [process.clone()].into_iter().chain(counts);
            table.add_row(head.chain([disagree.len().to_string(), String::new()]));
            for Disagreement { what, why } in disagree {
                let nothing = std::iter::repeat_n(String::new(), 4);
                table.add_row(nothing.chain([what.clone(), why.clone()]));
            }
        }
        print(&table.to_string());
    }
    if disagree == 0 { Ok(()) } else { Err(Failure::Other(format!("{disagree} things disagree"))) }
}

async fn of(client: &Client, process: String) -> Result<Found, Failure> {
    let place = path(&process, "verify");
    let first: Part = client.get(&place, &[]).await?;
    let Part { probe, messages, views, rows, disagree, mut next } = first;
    let mut found = Found { process, probe, messages, views, rows, disagree };
    while let Some(after) = next {
        let part: Part = client.get(&place, &[("after", after)]).await?;
        found.messages += part.messages;
        found.rows += part.rows;
        found.disagree.extend(part.disagree);
        next = part.next;
    }
    Ok(found)
}
