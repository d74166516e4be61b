//! Where the messages of a replay come from: what there is at its start, and chunk after chunk of it.

mod history;
mod parked;
mod queue;

use saga_core::{Message, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Duration;

use super::store::Owned;
use super::{Became, Plan, Replays, Source, Trouble};
use crate::broker::Tag;
use crate::clock;

pub(super) use history::{Journals, Stream};
pub(super) use parked::{Address, Parked};
pub(super) use queue::Queue;

/// What there is at the start of a replay; it is looked at no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Extent {
    /// These parked messages, each as process and number.
    Parked(Vec<String>),
    /// So many messages at the front of the queue.
    Queue(i64),
    /// These places of the stream.
    Stream {
        /// The first of them.
        first: u64,
        /// The one after the last of them.
        end: u64,
    },
    /// These spans of journals, one after the other.
    Journals(Vec<Span>),
}

/// A part of one process's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// Whose.
    pub(crate) process: String,
    /// The greatest place in it.
    pub(crate) last_seq: i64,
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Position {
    /// Before this one of the list.
    Parked(usize),
    /// At the front of the queue. Messages with these keys were counted, and may not have left the queue yet.
    Queue(Vec<String>),
    /// Before this place of the stream.
    Stream(u64),
    /// After this place of the journal of this span.
    Journals {
        /// Which span.
        span: usize,
        /// The place.
        after: i64,
    },
}

/// What is found when a replay is asked for.
pub(crate) struct Survey {
    pub(crate) extent: Extent,
    pub(crate) position: Position,
    pub(crate) total: i64,
    pub(crate) begins: Option<Time>,
}

/// One message of a source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) body: Vec<u8>,
    pub(super) properties: Value,
    pub(super) message: Option<Message>,
    pub(super) origin: Origin,
}

/// Where a message was.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    /// In history, where it stays: in the journal of this process, or in the stream of all events.
    History { sender: Option<String> },
    /// In a queue, under this tag, and before it was dead-lettered in that one.
    Queue { tag: Tag, back_to: Option<String> },
    /// Parked under this address, from this queue.
    Parked { address: Address, queue: String },
    /// It is not there to be delivered, and this became of it.
    Settled { name: String, became: Became },
}

/// Messages that are delivered together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) items: Vec<Item>,
    /// Where the source stands after them.
    position: Position,
}

/// Reads the source of one replay.
pub(super) enum Reader<'a> {
    Parked(Parked<'a>),
    Queue(Queue),
    Stream(Stream),
    Journals(Journals<'a>),
}

impl Item {
    pub(super) fn new(body: Vec<u8>, properties: Value, origin: Origin) -> Self {
        let message = Message::parse(&body).ok();
        Self { body, properties, message, origin }
    }

    /// What a person knows it by.
    pub(super) fn name(&self) -> String {
        let property = || self.properties.get("message_id").and_then(Value::as_str).map(str::to_owned);
        let id = || self.message.as_ref().map(|m| m.id.to_string()).or_else(property);
        match &self.origin {
            Origin::Parked { address, .. } => address.to_string(),
            Origin::Settled { name, .. } => name.clone(),
            Origin::History { .. } | Origin::Queue { .. } => {
                id().unwrap_or_else(|| crate::delivery::key_of_bytes(&self.body))
            }
        }
    }
}

impl Replays {
    /// Looks at what there is, and fixes the ends of the plan where they are open.
    pub(super) async fn survey(&self, plan: &mut Plan) -> Result<Survey, Trouble> {
        match &mut plan.source {
            Source::Parked { messages } => parked::survey(&self.processes, messages).await,
            Source::Queue { queue } => queue::survey(&self.broker, self.topology, queue).await,
            Source::Stream { from, until } => {
                let until = *until.get_or_insert_with(clock::now);
                history::survey_stream(&self.broker, self.topology, *from, until).await
            }
            Source::Journals { from, until } => {
                let now = clock::now();
                let from = *from.insert(begins_at(*from, now, self.retention));
                history::survey_journals(&self.processes, from, *until.get_or_insert(now)).await
            }
        }
    }

    /// Opens the source of a replay where it stands.
    pub(super) async fn open(&self, owned: &Owned) -> Result<Reader<'_>, Trouble> {
        let contradiction = || Trouble::Wrong("what is stored of this replay contradicts itself".to_owned());
        Ok(match (&owned.plan.source, &owned.extent, &owned.position) {
            (Source::Parked { .. }, Extent::Parked(messages), Position::Parked(_)) => {
                Reader::Parked(Parked::new(&self.processes, messages.clone()))
            }
            (Source::Queue { queue }, Extent::Queue(_), Position::Queue(unsettled)) => {
                Reader::Queue(Queue::open(&self.broker, queue, unsettled, owned.counters.pending).await?)
            }
            (Source::Stream { .. }, Extent::Stream { end, .. }, Position::Stream(next)) => {
                Reader::Stream(Stream::open(&self.broker, self.topology, *next, *end).await?)
            }
            (Source::Journals { from, until }, Extent::Journals(spans), Position::Journals { .. }) => {
                Reader::Journals(Journals::new(&self.processes, spans.clone(), *from, *until))
            }
            (Source::Parked { .. } | Source::Queue { .. } | Source::Stream { .. } | Source::Journals { .. }, ..) => {
                return Err(contradiction());
            }
        })
    }
}

/// Where a replay of journals begins. They are dropped a day at a time, some days late, and no consumer would take what is
/// older than retention.
fn begins_at(from: Option<Time>, now: Time, retention: Duration) -> Time {
    let oldest = now - retention;
    from.map_or(oldest, |from| from.max(oldest))
}

impl Reader<'_> {
    /// The next messages, at most so many; `None` at the end.
    pub(super) async fn next(&mut self, position: &Position, most: usize) -> Result<Option<Chunk>, Trouble> {
        match self {
            Self::Parked(reader) => reader.next(position, most).await,
            Self::Queue(reader) => reader.next(most).await,
            Self::Stream(reader) => reader.next(most).await,
            Self::Journals(reader) => reader.next(position, most).await,
        }
    }

    /// What comes after a chunk that is not delivered yet, where it can be read without changing the source.
    pub(super) async fn ahead(&self, chunk: &Chunk, most: usize) -> Option<Result<Option<Chunk>, Trouble>> {
        match self {
            Self::Journals(reader) => Some(reader.next(&chunk.position, most).await),
            // A stream is on its way already, as far as the prefetch goes.
            Self::Parked(_) | Self::Queue(_) | Self::Stream(_) => None,
        }
    }

    /// Where the replay stands after a chunk of which this became.
    pub(super) fn position_after(&self, chunk: &Chunk, became: &[Became]) -> Position {
        match self {
            Self::Queue(_) => Queue::position_after(chunk, became),
            Self::Parked(_) | Self::Stream(_) | Self::Journals(_) => chunk.position.clone(),
        }
    }

    /// Takes out of the source what was delivered and counted.
    pub(super) async fn settle(&mut self, chunk: &Chunk, became: &[Became]) -> Result<(), Trouble> {
        match self {
            Self::Queue(reader) => reader.settle(chunk, became).await,
            Self::Parked(_) | Self::Stream(_) | Self::Journals(_) => Ok(()),
        }
    }

    /// Takes leave of the broker.
    pub(super) async fn leave(self) {
        match self {
            Self::Queue(reader) => reader.leave().await,
            Self::Stream(reader) => reader.leave().await,
            Self::Parked(_) | Self::Journals(_) => {}
        }
    }
}
