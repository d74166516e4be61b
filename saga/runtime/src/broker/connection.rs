//! Connections to RabbitMQ. One consumes and one publishes, never both: a broker that runs out of
//! memory or disk stops reading from connections that publish, acknowledgements included.
//!
//! Nothing is repaired in place. Any error ends the [`Session`]; its owner drops it, waits
//! ([`Pause`]) and opens a new one, with the topology declared before anything else.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use saga_core::Topology;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::error::{BrokerError, within};
use super::stream::gated;
use super::topology::{self, Options};
use crate::secret::Secret;

/// How long to wait for TCP and the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait for the answer to anything else.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// How long to wait when taking leave.
const LEAVE: Duration = Duration::from_secs(1);
/// A peer that is silent for this many seconds is gone, unless the URL says otherwise.
const HEARTBEAT: u16 = 10;
/// A session that lasted this long was a good one: the next failure is a new one.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// There is none at present; attempts go on.
    Down {
        /// What ended the last one, or the last attempt.
        why: String,
    },
    /// It is in use.
    Up,
    /// The broker has stopped taking messages, and takes them again by itself once it is well.
    Blocked {
        /// What the broker says: short of memory, or of disk.
        why: String,
    },
}

/// How both connections are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The one that takes messages in.
    pub consuming: Link,
    /// The one that sends messages out.
    pub publishing: Link,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Consuming,
    Publishing,
}

/// The broker, as one process sees it: where it is, what it must hold, how the connections are.
/// Cheap to clone; connects nothing by itself.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    uri: AMQPUri,
    process: String,
    topology: &'static Topology,
    options: Options,
    consuming: watch::Sender<Link>,
    publishing: watch::Sender<Link>,
    progress: Mutex<Progress>,
    counters: Counters,
}

/// How far the consumers are with what lay in their queues when they came to them.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// They consume nothing.
    Away,
    /// In so many queues some of it is not handled yet.
    Behind(usize),
    /// All of it is handled, since then.
    CaughtUp(Instant),
}

impl Broker {
    /// The broker at `url`, for the process of this name, which the broker shows as the
    /// connections' name.
    ///
    /// # Errors
    /// [`BrokerError::Url`].
    pub fn new(
        url: &Secret,
        process: &str,
        topology: &'static Topology,
        options: Options,
    ) -> Result<Self, BrokerError> {
        let mut uri: AMQPUri = url.expose().parse().map_err(BrokerError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let link = || watch::Sender::new(Link::Down { why: "not connected yet".to_owned() });
        Ok(Self(Arc::new(Inner {
            uri,
            process: process.to_owned(),
            topology,
            options,
            consuming: link(),
            publishing: link(),
            progress: Mutex::new(Progress::Away),
            counters: Counters::default(),
        })))
    }

    /// How the connections are now.
    #[must_use]
    pub fn links(&self) -> Links {
        Links { consuming: self.0.consuming.borrow().clone(), publishing: self.0.publishing.borrow().clone() }
    }

    /// Follows the connection that takes messages in.
    #[must_use]
    pub fn watch_consuming(&self) -> watch::Receiver<Link> {
        self.0.consuming.subscribe()
    }

    /// Follows the connection that sends messages out.
    #[must_use]
    pub fn watch_publishing(&self) -> watch::Receiver<Link> {
        self.0.publishing.subscribe()
    }

    /// What was counted since the process started.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// For how long all that lay in the queues when this process came, or came back, to them has been handled. `None` while
    /// it is not, or while nothing is consumed.
    #[must_use]
    pub fn caught_up_for(&self) -> Option<Duration> {
        match *self.progress() {
            Progress::CaughtUp(since) => Some(since.elapsed()),
            Progress::Away | Progress::Behind(_) => None,
        }
    }

    /// So many queues are consumed from now on.
    pub(crate) fn consumes(&self, queues: usize) {
        *self.progress() = if queues == 0 { Progress::CaughtUp(Instant::now()) } else { Progress::Behind(queues) };
    }

    /// What lay in one more of the queues is handled.
    pub(crate) fn caught_up_with_one(&self) {
        let mut progress = self.progress();
        *progress = match *progress {
            Progress::Behind(queues) if queues > 1 => Progress::Behind(queues - 1),
            Progress::Behind(_) => Progress::CaughtUp(Instant::now()),
            Progress::Away | Progress::CaughtUp(_) => return,
        };
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, declares or checks the topology, and leaves: for a command line.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn declare(&self) -> Result<(), BrokerError> {
        let connection = self.open("declaring").await?;
        let mut done = self.declare_work(&connection).await;
        if done.is_ok() {
            done = self.declare_streams(&connection).await;
        }
        leave(&connection).await;
        done
    }

    /// Whether the stream of all events is part of what the broker must hold.
    pub(crate) fn has_stream(&self) -> bool {
        self.0.options.event_stream
    }

    /// The vhost of the URL.
    pub(crate) fn vhost(&self) -> &str {
        &self.0.uri.vhost
    }

    /// The topology that the broker must hold.
    pub(crate) fn topology(&self) -> &'static Topology {
        self.0.topology
    }

    /// A new connection with the topology in place. Its link is up from here on.
    pub(crate) async fn session(&self, purpose: Purpose) -> Result<Session, BrokerError> {
        let connection = self.open(purpose.word()).await?;
        // A stream only holds copies: without it everything goes on. Its error ends a channel, before anybody listens. One
        // with other arguments, or without the right to declare it, is for a person to settle, as with any queue.
        match self.declare_streams(&connection).await {
            Err(error @ (BrokerError::Missing { .. } | BrokerError::Timeout { .. })) => {
                tracing::warn!(%error, "events are not copied until the stream is there; all else goes on");
            }
            other => other?,
        }
        let events = connection.events_listener().boxed();
        self.declare_work(&connection).await?;
        self.link(purpose).send_replace(Link::Up);
        tracing::info!(purpose = purpose.word(), address = self.address(), "connected to RabbitMQ");
        Ok(Session { faults: Faults { events, broker: self.clone(), purpose }, connection })
    }

    /// Declares or checks all but the streams, on a channel of its own, which an error closes.
    pub(crate) async fn declare_work(&self, connection: &Connection) -> Result<(), BrokerError> {
        let channel = open_channel(connection).await?;
        topology::declare(&channel, self.0.topology, self.0.options.passive).await?;
        within(ANSWER, "closing a channel", channel.close(200, "OK".into())).await
    }

    async fn declare_streams(&self, connection: &Connection) -> Result<(), BrokerError> {
        if !self.0.options.event_stream {
            return Ok(());
        }
        let channel = open_channel(connection).await?;
        topology::declare_streams(&channel, self.0.topology, self.0.options.passive).await?;
        within(ANSWER, "closing a channel", channel.close(200, "OK".into())).await
    }

    /// Says once what ended a session or an attempt.
    pub(crate) fn ended(&self, purpose: Purpose, error: &BrokerError) {
        self.0.counters.reconnects.inc();
        self.down(purpose, error.to_string());
        tracing::warn!(purpose = purpose.word(), %error, "no connection to RabbitMQ; trying again");
    }

    /// Says that a session ended because it was meant to.
    pub(crate) fn left(&self, purpose: Purpose) {
        self.down(purpose, "the process is stopping".to_owned());
    }

    fn down(&self, purpose: Purpose, why: String) {
        self.link(purpose).send_replace(Link::Down { why });
        if purpose == Purpose::Consuming {
            *self.progress() = Progress::Away;
        }
    }

    fn link(&self, purpose: Purpose) -> &watch::Sender<Link> {
        match purpose {
            Purpose::Consuming => &self.0.consuming,
            Purpose::Publishing => &self.0.publishing,
        }
    }

    // lapin sets TCP_NODELAY by itself, and its auto-recovery is off unless asked for.
    pub(crate) async fn open(&self, purpose: &'static str) -> Result<Connection, BrokerError> {
        let properties = ConnectionProperties::default()
            .with_connection_name(self.0.process.as_str().into())
            .with_client_property("purpose".into(), purpose.into());
        let connecting = Connection::connect_uri_with_runtime(self.0.uri.clone(), properties, gated());
        within(CONNECT, "connecting", connecting)
            .await
            .map_err(|source| BrokerError::Unreachable { address: self.address(), source: Box::new(source) })
    }

    fn address(&self) -> String {
        let AMQPUri { authority, vhost, .. } = &self.0.uri;
        format!("{}:{}, vhost {vhost}", authority.host, authority.port)
    }
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Consuming => "consuming",
            Self::Publishing => "publishing",
        }
    }
}

/// One connection, from its first to its last breath.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) faults: Faults,
}

impl Session {
    /// Takes leave of the broker. Without this it notices all the same, a little later.
    pub(crate) async fn leave(self) {
        leave(&self.connection).await;
    }
}

pub(crate) async fn leave(connection: &Connection) {
    if let Err(error) = within(LEAVE, "closing the connection", connection.close(200, "OK".into())).await {
        tracing::debug!(%error, "RabbitMQ was left without a farewell");
    }
}

/// What the broker says about a connection as a whole.
pub(crate) struct Faults {
    events: BoxStream<'static, Event>,
    broker: Broker,
    purpose: Purpose,
}

impl Faults {
    /// Returns when the connection, or any channel of it, has ended. Notes on the way when the
    /// broker blocks it and unblocks it again. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> BrokerError {
        while let Some(event) = self.events.next().await {
            if let Event::Error(error) = event {
                self.broker.link(self.purpose).send_replace(Link::Down { why: error.to_string() });
                return lost(error);
            }
            if let Event::ConnectionBlocked(why) = event {
                self.now(Link::Blocked { why });
            } else if matches!(event, Event::ConnectionUnblocked) {
                self.now(Link::Up);
            }
        }
        lost(lapin::ErrorKind::InvalidConnectionState(lapin::ConnectionState::Closed).into())
    }

    fn now(&self, link: Link) {
        if let Link::Blocked { why } = &link {
            tracing::warn!(purpose = self.purpose.word(), why, "RabbitMQ takes no messages at present");
        } else {
            tracing::info!(purpose = self.purpose.word(), "RabbitMQ takes messages again");
        }
        self.broker.link(self.purpose).send_replace(link);
    }
}

fn lost(error: lapin::Error) -> BrokerError {
    BrokerError::Lost { doing: "the connection ended".to_owned(), error }
}

pub(crate) async fn open_channel(connection: &Connection) -> Result<Channel, BrokerError> {
    within(ANSWER, "opening a channel", connection.create_channel()).await
}

/// The wait between two sessions: short after a good one, longer with each failure, never the same
/// for two processes.
pub(crate) struct Pause {
    delays: ExponentialBackoff,
    since: Instant,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { delays: delays(), since: Instant::now() }
    }

    /// Waits. Breaks when it is time to stop instead.
    pub(crate) async fn wait(&mut self, stop: &CancellationToken) -> ControlFlow<()> {
        let delay = self.after(self.since.elapsed());
        let waited = tokio::time::timeout(delay, stop.cancelled()).await;
        self.since = Instant::now();
        if waited.is_ok() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn after(&mut self, session: Duration) -> Duration {
        if session > GOOD_SESSION {
            self.delays = delays();
        }
        self.delays.next().unwrap_or_default()
    }
}

fn delays() -> ExponentialBackoff {
    let (shortest, longest) = (Duration::from_millis(50), Duration::from_secs(2));
    ExponentialBuilder::new().with_jitter().with_min_delay(shortest).with_max_delay(longest).without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOTHING: Topology = Topology { exchanges: &[], queues: &[], types: &[] };
    const OPTIONS: Options = Options { passive: false, event_stream: true };

    #[test]
    fn a_url_that_is_none_is_said_to_be_none_without_its_password() {
        let error = Broker::new(&Secret::new("http://me:pass-word@host"), "test", &NOTHING, OPTIONS).err().unwrap();
        let said = error.to_string();
        assert!(said.contains("amqp://") && !said.contains("pass-word"), "{said}");
    }

    #[test]
    fn nothing_is_connected_until_it_is() {
        let broker = Broker::new(&Secret::new("amqp://me:word@host/test"), "test", &NOTHING, OPTIONS).unwrap();
        let down = Link::Down { why: "not connected yet".to_owned() };
        assert_eq!(broker.links(), Links { consuming: down.clone(), publishing: down });
    }

    #[test]
    fn pauses_grow_up_to_their_bound_and_start_anew_after_a_good_session() {
        let mut pause = Pause::new();
        let bad = Duration::from_secs(1);
        let delays: Vec<Duration> = (0..12).map(|_| pause.after(bad)).collect();
        assert!(delays[0] < Duration::from_millis(200), "{delays:?}");
        assert!((2..=4).contains(&delays[11].as_secs()), "{delays:?}");
        assert!(pause.after(GOOD_SESSION * 2) < Duration::from_millis(200));
    }

    #[tokio::test]
    async fn a_pause_ends_when_it_is_time_to_stop() {
        let (mut pause, stop) = (Pause::new(), CancellationToken::new());
        stop.cancel();
        assert!(pause.wait(&stop).await.is_break());
    }
}
