//! The one way to publish: what was just committed goes out from memory, pipelined and in the order
//! handed over; what a crash, a refusal or a full memory left behind is swept up by its mark.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Route;
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::amqp::{self, Unwritable};
use super::batch::Batches;
use super::connection::{Broker, Link};
use super::error::PublishError;
use super::held::{Ended, Held, Hold, NotHeld, Place};
use super::publisher;
use super::topology::goes_to_one_queue;
use super::window::{ConfirmChannel, Publication, PublishOutcome, Window};
use super::{BrokerError, Marks, Outbound, Settled};
use crate::error::StoreError;

/// How many leftovers one sweep takes.
const SWEEP: i64 = 1_000;
/// How often leftovers are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How soon again while there are many.
const SWEEP_AGAIN: Duration = Duration::from_millis(20);
/// How long removals of marks are gathered: a transaction for each message would cost as much as handling it. Should the
/// process die meanwhile, so many more messages go out twice.
const GATHER: Duration = Duration::from_millis(100);
/// How many marks are removed together, more or less.
const MOST_MARKS: usize = 1_000;
/// How long somebody waits for a message of theirs to be published.
pub(crate) const PUBLISHED_WITHIN: Duration = Duration::from_secs(10);
/// How long the relay goes on when the process is stopping.
const DRAIN: Duration = Duration::from_secs(4);

/// A message that somebody publishes and waits for; it has no mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// Where it goes.
    pub route: Route,
    /// Its AMQP properties and headers, in the form of [`super::Incoming::properties`]. What the
    /// broker added to them is left out.
    pub properties: Value,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Hands messages to the relay. Cheap to clone.
#[derive(Clone)]
pub struct Relay {
    jobs: UnboundedSender<Job>,
    held: Held,
    broker: Broker,
    batches: Batches,
}

/// The relay itself: see [`Publisher::run`].
pub struct Publisher {
    pub(crate) broker: Broker,
    pub(crate) jobs: UnboundedReceiver<Job>,
    ended: UnboundedReceiver<Ended>,
    relay: Relay,
    marks: Arc<dyn Marks>,
}

/// A message on its way through the relay.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) publication: Arc<Publication>,
    pub(crate) owner: Owner,
    /// Whether it may share an AMQP message with others that go the same way.
    pub(crate) may_share: bool,
}

/// Who is told what became of a message.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) recipient: Recipient,
    pub(crate) since: Instant,
    /// How many connections ended with it on its way.
    pub(crate) failures: u8,
}

#[derive(Debug)]
pub(crate) enum Recipient {
    /// Its mark is removed, or narrowed.
    Mark(Place),
    /// Somebody waits.
    Caller(oneshot::Sender<Result<(), PublishError>>),
}

/// The relay for this broker, and what runs it.
#[must_use]
pub fn new(broker: &Broker, marks: Arc<dyn Marks>, batches: Batches) -> (Relay, Publisher) {
    let (sender, jobs) = mpsc::unbounded_channel();
    let (held, ended) = Held::new();
    let relay = Relay { jobs: sender, held, broker: broker.clone(), batches };
    let publisher = Publisher { broker: broker.clone(), jobs, ended, relay: relay.clone(), marks };
    (relay, publisher)
}

impl Relay {
    /// Takes over messages that are stored and marked, those of a mark one behind the other. Never waits: what does not
    /// fit into memory stays marked, and the sweep comes for it. The order is kept.
    pub fn publish(&self, messages: Vec<Outbound>) {
        let counters = self.broker.counters();
        let mut messages = messages.into_iter();
        while let Some(&Outbound { mark, .. }) = messages.as_slice().first() {
            let of_it = messages.as_slice().iter().take_while(|message| message.mark.id == mark.id);
            let (count, bytes) = of_it.fold((0, 0), |(count, bytes), message| (count + 1, bytes + message.body.len()));
            match self.held.hold(mark, count, bytes) {
                Ok(hold) => messages.by_ref().take(count).for_each(|message| self.take_over(message, &hold)),
                Err(NotHeld::Twice) => messages.by_ref().take(count).for_each(drop),
                Err(NotHeld::Full) => {
                    counters.overflowed.inc_by(messages.len() as u64);
                    return;
                }
            }
        }
    }

    fn take_over(&self, message: Outbound, hold: &Arc<Hold>) {
        let place = hold.place(message.mark);
        let (kind, may_share) = (message.properties.kind.clone(), self.may_share(&message.route));
        match publication(message) {
            Ok(publication) => self.hand_over(publication, Recipient::Mark(place), may_share),
            Err(error) => {
                self.broker.counters().malformed.inc();
                tracing::error!(kind, %error, "a stored message cannot be written as AMQP; it stays marked");
            }
        }
    }

    /// Publishes a message and waits until the broker has it: for operators. It shares the channel
    /// with all others, so it does not overtake what was handed over before.
    ///
    /// # Errors
    /// [`PublishError`]. After [`PublishError::Timeout`] it may have been published all the same.
    pub async fn publish_confirmed(&self, parcel: Parcel) -> Result<(), PublishError> {
        let malformed = |error: Unwritable| PublishError::Malformed(error.to_string());
        let properties = amqp::from_json(&parcel.properties).map_err(malformed)?;
        let publication = Publication::new(&parcel.route, properties, parcel.body).map_err(malformed)?;
        // A broker that takes nothing may do so for hours: whoever waits for it asks again, and does not line up.
        if self.broker.links().publishing != Link::Up {
            return Err(PublishError::NotConnected);
        }
        let (caller, answer) = oneshot::channel();
        self.hand_over(publication, Recipient::Caller(caller), false);
        match tokio::time::timeout(PUBLISHED_WITHIN, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(PublishError::Timeout),
        }
    }

    /// How many messages are in memory and not yet published.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.held.len()
    }

    fn may_share(&self, route: &Route) -> bool {
        match self.batches {
            Batches::None => false,
            Batches::Commands => goes_to_one_queue(self.broker.topology(), &route.exchange),
            Batches::All => true,
        }
    }

    // A relay that has stopped drops what it is given: the marks stay, and callers are told.
    fn hand_over(&self, publication: Publication, recipient: Recipient, may_share: bool) {
        let owner = Owner { recipient, since: Instant::now(), failures: 0 };
        if self.jobs.send(Job { publication: Arc::new(publication), owner, may_share }).is_err() {
            tracing::debug!("the relay has stopped; what is not published stays marked");
        }
    }
}

fn publication(message: Outbound) -> Result<Publication, Unwritable> {
    Publication::new(&message.route, message.properties.to_amqp()?, message.body)
}

impl Publisher {
    /// Publishes until it is stopped and has published what it holds, for at most 4 s more. Goes
    /// through as many connections as it takes. Stop it after those who hand over messages.
    pub async fn run(self, stop: CancellationToken) {
        let Self { broker, jobs, ended, relay, marks } = self;
        let all = CancellationToken::new();
        let work = async {
            let publishing = async {
                publisher::publish_all(&broker, jobs, &stop).await;
                all.cancel();
            };
            tokio::join!(publishing, remove_marks(&*marks, ended, &all), sweep(&*marks, &relay, &stop))
        };
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
            relay.pending()
        };
        tokio::select! {
            _ = work => {}
            messages = late => tracing::warn!(messages, "stopped before everything was published; the marks stay"),
        }
    }
}

/// Removes marks, those of a moment together, while the next messages are on their way; until `all` are settled.
async fn remove_marks(marks: &dyn Marks, mut ended: UnboundedReceiver<Ended>, all: &CancellationToken) {
    let mut some = Vec::with_capacity(MOST_MARKS);
    while !(all.is_cancelled() && ended.is_empty()) {
        tokio::select! {
            _ = ended.recv_many(&mut some, MOST_MARKS) => {}
            () = all.cancelled() => {}
        }
        let moment = Instant::now() + GATHER;
        while some.len() < MOST_MARKS {
            let room = MOST_MARKS - some.len();
            tokio::select! {
                biased;
                _ = ended.recv_many(&mut some, room) => {}
                () = all.cancelled() => break,
                () = tokio::time::sleep_until(moment) => break,
            }
        }
        let settled: Vec<Settled> = some.iter().map(|ended| ended.settled).collect();
        if !settled.is_empty()
            && let Err(error) = marks.settled(&settled).await
        {
            tracing::warn!(%error, marks = settled.len(), "marks could not be removed; their messages will go out again");
        }
        some.clear();
    }
}

async fn sweep(marks: &dyn Marks, relay: &Relay, stop: &CancellationToken) {
    let mut pause = SWEEP_EVERY;
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        pause = match sweep_once(marks, relay).await {
            Ok(taken) if taken >= SWEEP as usize / 2 => SWEEP_AGAIN,
            Ok(_) => SWEEP_EVERY,
            Err(error) => {
                tracing::warn!(%error, "leftovers could not be looked for");
                SWEEP_EVERY
            }
        };
    }
}

/// Takes over messages whose publisher seems to be gone, as many as fit into memory, and hands them
/// to the relay; says how many. Takes none while nothing can be published.
///
/// # Errors
/// None are taken over.
pub async fn sweep_once(marks: &dyn Marks, relay: &Relay) -> Result<usize, StoreError> {
    let room = (super::held::MOST_MESSAGES / 2).saturating_sub(relay.pending());
    let limit = SWEEP.min(i64::try_from(room).unwrap_or(SWEEP));
    if limit == 0 || relay.broker.links().publishing != Link::Up {
        return Ok(0);
    }
    let leftovers = marks.leftovers(limit).await?;
    let taken = leftovers.len();
    relay.broker.counters().swept.inc_by(taken as u64);
    relay.publish(leftovers);
    Ok(taken)
}

/// What became of a batch, by the number of each message's mark: they must not share marks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Confirmed and, where that is asked for, routed. Only these marks may go.
    pub published: Vec<i64>,
    /// Confirmed, but no queue took them.
    pub unroutable: Vec<i64>,
    /// Refused by the broker.
    pub nacked: Vec<i64>,
    /// Without an answer, because the channel ended or was silent; or not writable as AMQP.
    pub unanswered: Vec<i64>,
}

/// Publishes a batch and waits until all of it is settled: one step of the relay, for a test or a
/// tool. The relay itself does not wait between batches.
pub async fn forward_batch(channel: &ConfirmChannel, batch: Vec<Outbound>) -> (Forwarded, Option<BrokerError>) {
    let (mut forwarded, mut window) = (Forwarded::default(), Window::new(channel));
    let mut waiting = batch.into_iter().peekable();
    loop {
        while window.room() > 0
            && let Some(message) = waiting.next()
        {
            let mark = message.mark.id;
            match publication(message) {
                Ok(publication) => window.send(Arc::new(publication), mark),
                Err(_) => forwarded.unanswered.push(mark),
            }
        }
        match window.settle().await {
            Ok(settled) if settled.is_empty() => return (forwarded, None),
            Ok(settled) => settled.into_iter().for_each(|(sent, outcome)| forwarded.note(sent.owner, outcome)),
            Err(error) => {
                forwarded.unanswered.extend(window.unsettled().map(|sent| sent.owner));
                forwarded.unanswered.extend(waiting.map(|message| message.mark.id));
                return (forwarded, Some(error));
            }
        }
    }
}

impl Forwarded {
    fn note(&mut self, mark: i64, outcome: PublishOutcome) {
        match outcome {
            PublishOutcome::Published => self.published.push(mark),
            PublishOutcome::Unroutable => self.unroutable.push(mark),
            PublishOutcome::Nacked => self.nacked.push(mark),
        }
    }
}
