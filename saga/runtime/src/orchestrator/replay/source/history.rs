//! History: the journals of all processes, which are the truth, or the stream, which is at hand.

use std::time::Duration;

use saga_core::{Message, QueueType, Time, Topology};

use super::{Chunk, Extent, Item, Origin, Position, Span, Survey, Trouble};
use crate::broker::{Broker, Offset, Properties, StreamReader};
use crate::http::admin::{MOST, WINDOW, WhichSent};
use crate::orchestrator::processes::Processes;

/// How long to wait for a message of a stream that must be there.
const MUST_COME: Duration = Duration::from_secs(5);
/// How long to wait for one that may be there.
const MAY_COME: Duration = Duration::from_millis(500);

/// Asks every process how far its journal reaches.
pub(super) async fn survey_journals(processes: &Processes, from: Time, until: Time) -> Result<Survey, Trouble> {
    let (mut spans, mut total, mut begins) = (Vec::new(), 0, None);
    for (name, process) in processes.all() {
        let extent = process.extent(Some(from), Some(until)).await?;
        total += extent.messages;
        begins = [begins, extent.begins].into_iter().flatten().min();
        spans.push(Span { process: name.to_owned(), last_seq: extent.last_seq });
    }
    let position = Position::Journals { span: 0, after: 0 };
    Ok(Survey { extent: Extent::Journals(spans), position, total, begins })
}

/// Reads them, one process after the other.
pub(in crate::orchestrator::replay) struct Journals<'a> {
    processes: &'a Processes,
    spans: Vec<Span>,
    from: Option<Time>,
    until: Option<Time>,
}

impl<'a> Journals<'a> {
    pub(super) fn new(processes: &'a Processes, spans: Vec<Span>, from: Option<Time>, until: Option<Time>) -> Self {
        Self { processes, spans, from, until }
    }

    pub(super) async fn next(&self, position: &Position, most: usize) -> Result<Option<Chunk>, Trouble> {
        let Position::Journals { mut span, mut after } = *position else { return Ok(None) };
        while let Some(here) = self.spans.get(span) {
            let (items, reached) = self.window(here, after, most).await?;
            (span, after) = if reached >= here.last_seq { (span + 1, 0) } else { (span, reached) };
            if !items.is_empty() {
                return Ok(Some(Chunk { items, position: Position::Journals { span, after } }));
            }
        }
        Ok(None)
    }

    /// Some messages, and the place up to which there are no others.
    async fn window(&self, span: &Span, after: i64, most: usize) -> Result<(Vec<Item>, i64), Trouble> {
        let limit = u32::try_from(most).unwrap_or(MOST).min(MOST);
        let end = span.last_seq.min(after.saturating_add(WINDOW));
        let which = WhichSent {
            from: self.from,
            until: self.until,
            after_seq: Some(after),
            until_seq: Some(end),
            limit: Some(limit),
            saga: None,
        };
        let page = self.processes.get(&span.process)?.sent(which).await?;
        let reached = page.next.unwrap_or(end);
        let items = page.messages.into_iter().filter_map(|sent| item(sent.body.into_bytes(), Some(&span.process)));
        Ok((items.collect(), reached))
    }
}

/// Finds the first and the last place of the stream that belong to a span of time.
pub(super) async fn survey_stream(
    broker: &Broker,
    topology: &Topology,
    from: Option<Time>,
    until: Time,
) -> Result<Survey, Trouble> {
    let stream = stream_of(topology)?;
    let mut reader = StreamReader::open(broker, stream, from.map_or(Offset::First, Offset::Since)).await?;
    let mut first = None;
    while let Some((offset, incoming)) = reader.next(MAY_COME).await? {
        let time = Message::parse(&incoming.body).ok().map(|message| message.time);
        if from.is_none() || time.is_some_and(|time| from.is_some_and(|from| time >= from)) {
            first = Some((offset, time));
            break;
        }
    }
    reader.leave().await;
    let (first, begins, end) = match first {
        Some((first, begins)) => (first, begins, end_of(broker, stream, until).await?.max(first)),
        // It is empty, or all of it is older.
        None => (0, None, 0),
    };
    let total = i64::try_from(end - first).unwrap_or(i64::MAX);
    Ok(Survey { extent: Extent::Stream { first, end }, position: Position::Stream(first), total, begins })
}

/// The place after the last message that was made before a time, as far as messages are there now.
async fn end_of(broker: &Broker, stream: &str, until: Time) -> Result<u64, Trouble> {
    let mut reader = StreamReader::open(broker, stream, Offset::Last).await?;
    let mut end = 0;
    while let Some((offset, incoming)) = reader.next(MAY_COME).await? {
        if Message::parse(&incoming.body).is_ok_and(|message| message.time >= until) {
            // What is younger than the replay itself is there only because others go on.
            end = end.max(offset);
            break;
        }
        end = offset + 1;
    }
    reader.leave().await;
    Ok(end)
}

/// Reads the stream of all events.
pub(in crate::orchestrator::replay) struct Stream {
    reader: StreamReader,
    next: u64,
    end: u64,
}

impl Stream {
    pub(super) async fn open(broker: &Broker, topology: &Topology, next: u64, end: u64) -> Result<Self, Trouble> {
        let reader = StreamReader::open(broker, stream_of(topology)?, Offset::At(next)).await?;
        Ok(Self { reader, next, end })
    }

    pub(super) async fn next(&mut self, most: usize) -> Result<Option<Chunk>, Trouble> {
        let mut items = Vec::new();
        while self.next < self.end && items.len() < most {
            let patience = if items.is_empty() { MUST_COME } else { MAY_COME };
            let Some((offset, incoming)) = self.reader.next(patience).await? else { break };
            // A stream begins with the chunk that holds the place asked for.
            if offset < self.next {
                continue;
            }
            self.next = offset + 1;
            if offset < self.end {
                items.extend(item(incoming.body.into(), None));
            }
        }
        if items.is_empty() && self.next < self.end {
            return Err(Trouble::Wrong(format!("the stream gives nothing from place {} on", self.next)));
        }
        Ok((!items.is_empty()).then_some(Chunk { items, position: Position::Stream(self.next) }))
    }

    pub(super) async fn leave(self) {
        self.reader.leave().await;
    }
}

fn stream_of(topology: &Topology) -> Result<&'static str, Trouble> {
    let found = topology.queues.iter().find(|queue| queue.kind == QueueType::Stream);
    found.map(|queue| queue.name).ok_or_else(|| Trouble::Wrong("there is no stream of all events here".to_owned()))
}

/// A message of history, with the properties that mirror its envelope.
fn item(body: Vec<u8>, sender: Option<&str>) -> Option<Item> {
    let message = Message::parse(&body).ok()?;
    let properties = Properties::from(&message).to_json().ok()?;
    let origin = Origin::History { sender: sender.map(str::to_owned) };
    Some(Item { body, properties, message: Some(message), origin })
}
