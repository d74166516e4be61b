//! What is parked, at any process.

use std::fmt;
use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{Became, Chunk, Extent, Item, Origin, Position, Survey, Trouble};
use crate::http::admin::{MOST, Which};
use crate::orchestrator::processes::Processes;
use crate::store::admin::{Content, ParkedMessage};

/// How many messages are asked for at a time.
const AT_ONCE: usize = 8;

/// A parked message: `inventory-service/3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::orchestrator::replay) struct Address {
    pub(in crate::orchestrator::replay) process: String,
    pub(in crate::orchestrator::replay) id: i64,
}

/// Finds the messages that are asked for, or all that are parked.
pub(super) async fn survey(processes: &Processes, messages: &[String]) -> Result<Survey, Trouble> {
    let messages = if messages.is_empty() { all(processes).await? } else { named(processes, messages).await? };
    let total = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    Ok(Survey { extent: Extent::Parked(messages), position: Position::Parked(0), total, begins: None })
}

/// Those of these names, each of which must be there: a replay would wait for one that is not for ever.
async fn named(processes: &Processes, names: &[String]) -> Result<Vec<String>, Trouble> {
    let looks = stream::iter(names.to_vec()).map(|name| look(processes, name));
    looks.buffered(AT_ONCE).try_collect().await
}

async fn look(processes: &Processes, name: String) -> Result<String, Trouble> {
    let address: Address = name.parse()?;
    processes.get(&address.process)?.parked_message(address.id).await?;
    Ok(name)
}

async fn all(processes: &Processes) -> Result<Vec<String>, Trouble> {
    let mut messages = Vec::new();
    for (name, process) in processes.all() {
        let mut after = Some(0);
        while after.is_some() {
            let page = process.parked(Which { after, limit: Some(MOST), ..Which::default() }).await?;
            messages.extend(page.parked.iter().map(|parked| format!("{name}/{}", parked.id)));
            after = page.next;
        }
    }
    Ok(messages)
}

/// Reads them.
pub(in crate::orchestrator::replay) struct Parked<'a> {
    processes: &'a Processes,
    messages: Vec<String>,
}

impl<'a> Parked<'a> {
    pub(super) fn new(processes: &'a Processes, messages: Vec<String>) -> Self {
        Self { processes, messages }
    }

    pub(super) async fn next(&self, position: &Position, most: usize) -> Result<Option<Chunk>, Trouble> {
        let Position::Parked(at) = *position else { return Ok(None) };
        let end = self.messages.len().min(at + most);
        let Some(names) = self.messages.get(at..end).filter(|names| !names.is_empty()) else { return Ok(None) };
        let items = stream::iter(names.to_vec()).map(|name| self.item(name)).buffered(AT_ONCE);
        Ok(Some(Chunk { items: items.try_collect().await?, position: Position::Parked(end) }))
    }

    async fn item(&self, name: String) -> Result<Item, Trouble> {
        let address: Address = name.parse()?;
        let message = self.processes.get(&address.process)?.parked_message(address.id).await?;
        let ParkedMessage { parked, incoming, body, .. } = message;
        // By this replay, just before it was interrupted; or by somebody else.
        let became = match parked.state.as_str() {
            "parked" => None,
            "replayed" => Some(Became::Done("replayed_before")),
            "edited" => Some(Became::Skipped("edited")),
            _ => Some(Became::Skipped("discarded")),
        };
        let properties = incoming.get("properties").cloned().unwrap_or(Value::Null);
        let body = match body {
            Content::Text(text) => text.into_bytes(),
            // Its process has the bytes; nothing here needs them but a look into an envelope, which it is not.
            Content::Base64(_) => Vec::new(),
        };
        let origin = match became {
            Some(became) => Origin::Settled { name, became },
            None => Origin::Parked { address, queue: parked.queue },
        };
        Ok(Item::new(body, properties, origin))
    }
}

impl FromStr for Address {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let wrong =
            || Trouble::Wrong(format!("{text} is no parked message: write its process and number, pet-service/3"));
        let (process, id) = text.rsplit_once('/').ok_or_else(wrong)?;
        Ok(Self { process: process.to_owned(), id: id.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.process, self.id)
    }
}
