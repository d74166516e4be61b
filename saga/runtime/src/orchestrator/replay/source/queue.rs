//! Any queue, also one that is not ours: a message leaves it once it was delivered and counted.

use std::collections::BTreeMap;

use saga_core::{QueueType, Topology};
use serde_json::Value;

use super::{Became, Chunk, Extent, Item, Origin, Position, Survey, Trouble};
use crate::broker::{Broker, QueueReader, Tag, Taken};
use crate::delivery::key_of_bytes;

/// Counts what waits in the queue.
pub(super) async fn survey(broker: &Broker, topology: &Topology, queue: &str) -> Result<Survey, Trouble> {
    let known = topology.queues.iter().find(|known| known.name == queue);
    match known.map(|known| known.kind) {
        Some(QueueType::Stream) => {
            return Err(Trouble::Wrong(format!("{queue} is a stream: replay it as history, from the source stream")));
        }
        Some(QueueType::DeadLetters) => {
            return Err(Trouble::Wrong(format!(
                "what comes to {queue} is parked within seconds: replay what is parked"
            )));
        }
        Some(QueueType::Quorum) | None => {}
    }
    let reader = QueueReader::open(broker, queue).await?;
    let total = i64::from(reader.waiting().await?);
    reader.leave().await;
    Ok(Survey { extent: Extent::Queue(total), position: Position::Queue(Vec::new()), total, begins: None })
}

/// Takes its messages, from the front.
pub(in crate::orchestrator::replay) struct Queue {
    reader: QueueReader,
    /// How many more to take: what was there at the start.
    left: i64,
    /// Counted by an owner that did not get to settling them, by key.
    counted: BTreeMap<String, usize>,
}

impl Queue {
    pub(super) async fn open(broker: &Broker, queue: &str, unsettled: &[String], left: i64) -> Result<Self, Trouble> {
        let mut counted = BTreeMap::new();
        for key in unsettled {
            *counted.entry(key.clone()).or_default() += 1;
        }
        Ok(Self { reader: QueueReader::open(broker, queue).await?, left, counted })
    }

    pub(super) async fn next(&mut self, most: usize) -> Result<Option<Chunk>, Trouble> {
        let mut items = Vec::new();
        while self.left > 0 && items.len() < most {
            let Some(taken) = self.reader.take().await? else { break };
            if taken.redelivered && self.was_counted(&taken.incoming.body) {
                self.reader.settle(&[taken.tag]).await?;
                continue;
            }
            self.left -= 1;
            items.push(item(taken));
        }
        Ok((!items.is_empty()).then_some(Chunk { items, position: Position::Queue(Vec::new()) }))
    }

    fn was_counted(&mut self, body: &[u8]) -> bool {
        let Some(count) = self.counted.get_mut(&key_of_bytes(body)) else { return false };
        let some = *count > 0;
        *count -= usize::from(some);
        some
    }

    pub(super) fn position_after(chunk: &Chunk, became: &[Became]) -> Position {
        let delivered = chunk.items.iter().zip(became).filter(|(_, became)| matches!(became, Became::Done(_)));
        Position::Queue(delivered.map(|(item, _)| key_of_bytes(&item.body)).collect())
    }

    pub(super) async fn settle(&mut self, chunk: &Chunk, became: &[Became]) -> Result<(), Trouble> {
        let delivered = chunk.items.iter().zip(became).filter(|(_, became)| matches!(became, Became::Done(_)));
        let tags: Vec<Tag> = delivered.filter_map(|(item, _)| tag_of(item)).collect();
        Ok(self.reader.settle(&tags).await?)
    }

    pub(super) async fn leave(self) {
        self.reader.leave().await;
    }
}

fn tag_of(item: &Item) -> Option<Tag> {
    match &item.origin {
        Origin::Queue { tag, .. } => Some(*tag),
        Origin::History { .. } | Origin::Parked { .. } | Origin::Settled { .. } => None,
    }
}

fn item(taken: Taken) -> Item {
    let Taken { incoming, tag, .. } = taken;
    let properties = incoming.properties();
    let header = |name: &str| properties.get("headers")?.get(name)?.as_str().map(str::to_owned);
    let back_to = header("x-first-death-queue");
    Item::new(incoming.body.into(), or_empty(properties), Origin::Queue { tag, back_to })
}

/// Properties are an object, if there are none an empty one.
fn or_empty(properties: Value) -> Value {
    if properties.is_object() { properties } else { Value::Object(serde_json::Map::new()) }
}
