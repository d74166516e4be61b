//! Pipelined publishing on one channel: what is on its way, and what became of it.
//!
//! `published(m)` holds when the broker's confirm for m is an ack and m was not returned. A return
//! comes before the confirm of its own message, but carries no number, and lapin hangs it on
//! whichever confirm completes next; so one confirm by itself proves nothing. Each confirm takes
//! one return off the pile and returns pile up in the order of publishing, so once everything that
//! had been sent when m was confirmed is confirmed as well, m's return has been seen if there was
//! one. That is when m is settled. Returns are told apart by message id, exchange and key.
//!
//! Only one task may use a channel: lapin draws the number of a message before it queues its frames.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionStatus};
use saga_core::Route;
use tokio::time::Instant;

use super::amqp::{PERSISTENT, Unwritable, short};
use super::batch;
use super::connection::{ANSWER, open_channel};
use super::error::{BrokerError, within};

/// How many messages are on their way at most. lapin searches all of them for each confirm that
/// covers several.
pub const WINDOW: usize = 500;

/// A channel that confirms what it takes. Held by one task at a time.
#[derive(Debug)]
pub struct ConfirmChannel {
    channel: Channel,
    connection: ConnectionStatus,
}

impl ConfirmChannel {
    /// Opens one.
    ///
    /// # Errors
    /// [`BrokerError`]: drop the connection.
    pub async fn open(connection: &Connection) -> Result<Self, BrokerError> {
        let channel = open_channel(connection).await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        within(ANSWER, "asking for confirms", confirming).await?;
        Ok(Self { channel, connection: connection.status().clone() })
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publication {
    exchange: ShortString,
    key: ShortString,
    mandatory: bool,
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Publication {
    /// A message as AMQP carries it.
    ///
    /// # Errors
    /// [`Unwritable`]: the exchange or the key is longer than 255 bytes.
    pub(crate) fn new(route: &Route, properties: BasicProperties, body: Vec<u8>) -> Result<Self, Unwritable> {
        let (exchange, key) = (short("the exchange", &route.exchange)?, short("the routing key", &route.key)?);
        Ok(Self { exchange, key, mandatory: route.mandatory, properties, body })
    }

    /// Several messages that go the same way, as one.
    pub(crate) fn together<'a>(publications: impl Iterator<Item = &'a Publication> + Clone) -> Option<Self> {
        let first = publications.clone().next()?;
        // The id tells returns apart; of the rest, what is true of all of them.
        let mut properties =
            BasicProperties::default().with_content_type(batch::CONTENT_TYPE.into()).with_delivery_mode(PERSISTENT);
        if let Some(id) = first.properties.message_id() {
            properties = properties.with_message_id(id.clone());
        }
        if let Some(kind) = first.properties.kind()
            && publications.clone().all(|publication| publication.properties.kind().as_ref() == Some(kind))
        {
            properties = properties.with_type(kind.clone());
        }
        if let Some(app_id) = first.properties.app_id() {
            properties = properties.with_app_id(app_id.clone());
        }
        let body = batch::join(publications.map(|publication| publication.body.as_slice()));
        Some(Self { properties, body, ..first.clone() })
    }

    /// Whether both take the same way.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        (&self.exchange, &self.key, self.mandatory) == (&other.exchange, &other.key, other.mandatory)
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn exchange(&self) -> &str {
        self.exchange.as_str()
    }

    pub(crate) fn key(&self) -> &str {
        self.key.as_str()
    }

    /// Its type, where it says one.
    pub(crate) fn kind(&self) -> &str {
        self.properties.kind().as_ref().map_or("", ShortString::as_str)
    }

    fn tag(&self) -> Tag {
        (self.properties.message_id().clone(), self.exchange.clone(), self.key.clone())
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishOutcome {
    /// Confirmed and, where that is asked for, routed.
    Published,
    /// Confirmed and returned: no queue took it.
    Unroutable,
    /// Refused.
    Nacked,
}

/// A message with what its owner keeps about it.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    pub(crate) publication: Arc<Publication>,
    pub(crate) owner: T,
}

/// Messages on their way on one channel.
pub(crate) struct Window<'a, T> {
    channel: &'a ConfirmChannel,
    on_their_way: VecDeque<(Sent<T>, Confirm, Instant)>,
    // Confirmed, in this order: those that wait for the horizon, and those that came later.
    waiting: Vec<(Sent<T>, Confirmed)>,
    later: Vec<(Sent<T>, Confirmed)>,
    started: u64,
    confirmed: u64,
    horizon: u64,
    returned: HashMap<Tag, usize>,
}

type Confirm = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>;
/// What tells returns apart: message id, exchange, routing key.
type Tag = (Option<ShortString>, ShortString, ShortString);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    Ack,
    Nack,
}

impl<'a, T> Window<'a, T> {
    pub(crate) fn new(channel: &'a ConfirmChannel) -> Self {
        Self {
            channel,
            on_their_way: VecDeque::new(),
            waiting: Vec::new(),
            later: Vec::new(),
            started: 0,
            confirmed: 0,
            horizon: 0,
            returned: HashMap::new(),
        }
    }

    /// How many more messages may be sent.
    pub(crate) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.on_their_way.len())
    }

    /// Whether everything sent is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.on_their_way.is_empty() && self.waiting.is_empty() && self.later.is_empty()
    }

    /// Sends a message. Its frames are queued in the order of the calls; nothing is waited for.
    pub(crate) fn send(&mut self, publication: Arc<Publication>, owner: T) {
        let mut confirm = publish(self.channel.channel.clone(), Arc::clone(&publication));
        // The first poll queues the frames. Should it end at once, it did so with an error.
        if let Some(ended) = confirm.as_mut().now_or_never() {
            confirm = Box::pin(std::future::ready(ended));
        }
        self.started += 1;
        self.on_their_way.push_back((Sent { publication, owner }, confirm, Instant::now() + ANSWER));
    }

    /// Waits until some messages are settled, and says how; at once and with none, when nothing is
    /// on its way. Can be dropped and called again.
    ///
    /// # Errors
    /// The channel ended, or is silent for too long. What is not settled is in [`Self::unsettled`].
    pub(crate) async fn settle(&mut self) -> Result<Vec<(Sent<T>, PublishOutcome)>, BrokerError> {
        while !self.is_empty() {
            if let Some(settled) = self.settled() {
                return Ok(settled);
            }
            let confirmed = self.next_confirm().await?;
            self.note(confirmed);
        }
        Ok(Vec::new())
    }

    /// Everything that is not settled, in the order of sending.
    pub(crate) fn unsettled(self) -> impl Iterator<Item = Sent<T>> {
        let confirmed = self.waiting.into_iter().chain(self.later).map(|(sent, _)| sent);
        confirmed.chain(self.on_their_way.into_iter().map(|(sent, _, _)| sent))
    }

    /// The confirm of the oldest message. While the broker blocks the connection it is no fault
    /// that there is none.
    async fn next_confirm(&mut self) -> Result<Confirmation, BrokerError> {
        let Some((_, confirm, deadline)) = self.on_their_way.front_mut() else {
            return std::future::pending().await;
        };
        loop {
            let doing = || "waiting for the confirm of a message".to_owned();
            match tokio::time::timeout_at(*deadline, confirm.as_mut()).await {
                Ok(answer) => return answer.map_err(|error| BrokerError::Lost { doing: doing(), error }),
                Err(_) if self.channel.connection.blocked() => *deadline = Instant::now() + ANSWER,
                Err(_) => return Err(BrokerError::Timeout { doing: doing(), after: ANSWER }),
            }
        }
    }

    fn note(&mut self, confirmation: Confirmation) {
        let Some((sent, _, _)) = self.on_their_way.pop_front() else { return };
        self.confirmed += 1;
        // Without confirms lapin answers NotRequested, which proves nothing.
        let confirmed = if confirmation.is_ack() { Confirmed::Ack } else { Confirmed::Nack };
        if let Some(returned) = confirmation.take_message() {
            *self.returned.entry(tag_of(&returned)).or_default() += 1;
        }
        if self.waiting.is_empty() {
            self.horizon = self.started;
            self.waiting.push((sent, confirmed));
        } else {
            self.later.push((sent, confirmed));
        }
    }

    fn settled(&mut self) -> Option<Vec<(Sent<T>, PublishOutcome)>> {
        if self.waiting.is_empty() || self.confirmed < self.horizon {
            return None;
        }
        let mut ready = std::mem::take(&mut self.waiting);
        let later = std::mem::take(&mut self.later);
        let quiet = self.confirmed == self.started;
        if quiet {
            ready.extend(later);
        } else {
            self.waiting = later;
            self.horizon = self.started;
        }
        let settled = ready.into_iter().map(|(sent, confirmed)| {
            let outcome = self.outcome(&sent.publication, confirmed);
            (sent, outcome)
        });
        let settled = settled.collect();
        if quiet {
            self.returned.clear();
        }
        Some(settled)
    }

    fn outcome(&mut self, publication: &Publication, confirmed: Confirmed) -> PublishOutcome {
        if self.was_returned(publication) {
            return PublishOutcome::Unroutable;
        }
        match confirmed {
            Confirmed::Ack => PublishOutcome::Published,
            Confirmed::Nack => PublishOutcome::Nacked,
        }
    }

    fn was_returned(&mut self, publication: &Publication) -> bool {
        if self.returned.is_empty() || !publication.mandatory {
            return false;
        }
        let tag = publication.tag();
        let Some(count) = self.returned.get_mut(&tag) else { return false };
        // Messages without an id cannot be told apart: one return counts for all of them.
        if tag.0.is_some() {
            *count -= 1;
            if *count == 0 {
                self.returned.remove(&tag);
            }
        }
        true
    }
}

fn tag_of(returned: &BasicReturnMessage) -> Tag {
    let id = returned.delivery.properties.message_id().clone();
    (id, returned.delivery.exchange.clone(), returned.delivery.routing_key.clone())
}

#[expect(clippy::disallowed_methods, reason = "this is the relay's one way to publish")]
fn publish(channel: Channel, publication: Arc<Publication>) -> Confirm {
    Box::pin(async move {
        let (exchange, key) = (publication.exchange.clone(), publication.key.clone());
        let options = BasicPublishOptions { mandatory: publication.mandatory, immediate: false };
        let properties = publication.properties.clone();
        channel.basic_publish(exchange, key, options, &publication.body, properties).await?.await
    })
}
