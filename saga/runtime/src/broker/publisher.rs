//! The relay's side of a connection: one task that publishes, and what it does about each outcome.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Broker, Pause, Purpose, Session};
use super::error::PublishError;
use super::relay::{Job, Owner, Recipient};
use super::topology::knows_exchange;
use super::window::{ConfirmChannel, Publication, PublishOutcome, Sent, WINDOW, Window};
use super::{BrokerError, batch};

/// After so many connections that ended with it on its way, a message is left to the sweep: it may
/// be the reason.
const MOST_FAILURES: u8 = 3;
/// How often the topology is declared again because messages found no queue.
const DECLARE_EVERY: Duration = Duration::from_secs(5);

/// Publishes all jobs, over one connection after another, until stopped; then what is left, as long
/// as the connection lasts.
pub(crate) async fn publish_all(broker: &Broker, jobs: UnboundedReceiver<Job>, stop: &CancellationToken) {
    let mut pause = Pause::new();
    let mut desk = Desk { broker, jobs, backlog: VecDeque::new(), careful: 0, declared: None };
    loop {
        match desk.session(stop).await {
            Ok(()) => break broker.left(Purpose::Publishing),
            Err(error) => broker.ended(Purpose::Publishing, &error),
        }
        if pause.wait(stop).await.is_break() {
            break;
        }
    }
}

/// What the publishing task has before it.
struct Desk<'a> {
    broker: &'a Broker,
    jobs: UnboundedReceiver<Job>,
    /// Taken from the jobs and not sent, or sent over a connection that ended; in their order.
    backlog: VecDeque<Job>,
    /// How many jobs at the front of the backlog (the one on its way counted) were on their way when
    /// a connection ended. Each goes alone, so that one that makes the broker hang up takes no
    /// others with it again.
    careful: usize,
    /// When the topology was last declared because messages found no queue.
    declared: Option<Instant>,
}

impl Desk<'_> {
    /// One connection. `Ok` when stopped and, if the connection was there, everything is published.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), BrokerError> {
        let session = tokio::select! {
            session = self.broker.session(Purpose::Publishing) => session?,
            () = stop.cancelled() => return Ok(()),
        };
        let Session { connection, mut faults } = session;
        let channel = ConfirmChannel::open(&connection).await?;
        let mut window = Window::new(&channel);
        let ended = tokio::select! {
            ended = self.publish(&connection, &mut window, stop) => ended,
            fault = faults.next() => Err(fault),
        };
        self.recover(window);
        ended?;
        Session { connection, faults }.leave().await;
        Ok(())
    }

    async fn publish(
        &mut self,
        connection: &Connection,
        window: &mut Window<'_, Vec<Job>>,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let (mut fresh, mut more, mut stopping) = (Vec::with_capacity(WINDOW), true, false);
        loop {
            self.send_backlog(window);
            if window.is_empty() && !more {
                return Ok(());
            }
            let room = if self.backlog.is_empty() && self.careful == 0 { window.room() } else { 0 };
            tokio::select! {
                biased;
                settled = window.settle(), if !window.is_empty() => self.settled(settled?, connection).await?,
                count = self.jobs.recv_many(&mut fresh, room), if more && room > 0 => {
                    more = count > 0;
                    self.backlog.extend(fresh.drain(..));
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.jobs.close();
                }
            }
        }
    }

    /// Sends as much of the backlog as there is room for: all of it, or something is on its way.
    fn send_backlog(&mut self, window: &mut Window<'_, Vec<Job>>) {
        while window.room() > 0 && (self.careful == 0 || window.is_empty()) {
            let Some(job) = self.backlog.pop_front() else { break };
            if matches!(&job.owner.recipient, Recipient::Caller(caller) if caller.is_closed()) {
                // They were told that nobody knows, and may have asked again.
                continue;
            }
            if knows_exchange(self.broker.topology(), job.publication.exchange()) {
                let (publication, jobs) = self.with_company(job);
                window.send(publication, jobs);
            } else {
                self.careful = self.careful.saturating_sub(1);
                self.refused(job.owner, &job.publication, PublishOutcome::Unroutable);
                report(&job.publication, PublishOutcome::Unroutable, 1);
            }
        }
        if window.is_empty() {
            self.careful = 0;
        }
    }

    /// A message as it goes out: alone, or with those of the backlog that go the same way.
    fn with_company(&mut self, first: Job) -> (Arc<Publication>, Vec<Job>) {
        let mut jobs = vec![first];
        if self.careful == 0 && jobs[0].may_share {
            let mut bytes = jobs[0].publication.size();
            self.backlog = std::mem::take(&mut self.backlog)
                .into_iter()
                .filter_map(|job| {
                    let fits = jobs.len() < batch::MOST && bytes + job.publication.size() <= batch::MOST_BYTES;
                    if !(fits && job.may_share && job.publication.goes_with(&jobs[0].publication)) {
                        return Some(job);
                    }
                    bytes += job.publication.size();
                    jobs.push(job);
                    None
                })
                .collect();
        }
        let shared =
            if jobs.len() > 1 { Publication::together(jobs.iter().map(|job| job.publication.as_ref())) } else { None };
        (shared.map_or_else(|| Arc::clone(&jobs[0].publication), Arc::new), jobs)
    }

    async fn settled(
        &mut self,
        settled: Vec<(Sent<Vec<Job>>, PublishOutcome)>,
        connection: &Connection,
    ) -> Result<(), BrokerError> {
        let jobs: Vec<(Job, PublishOutcome)> = settled
            .into_iter()
            .flat_map(|(sent, outcome)| sent.owner.into_iter().map(move |job| (job, outcome)))
            .collect();
        self.careful = self.careful.saturating_sub(jobs.len());
        let mut refused: Vec<(Arc<Publication>, PublishOutcome)> = Vec::new();
        for (Job { publication, owner, .. }, outcome) in jobs {
            if outcome == PublishOutcome::Published {
                self.published(owner);
            } else {
                self.refused(owner, &publication, outcome);
                refused.push((publication, outcome));
            }
        }
        report_all(&refused);
        if refused.iter().any(|(_, outcome)| *outcome == PublishOutcome::Unroutable) {
            self.declare_again(connection).await?;
        }
        Ok(())
    }

    fn published(&self, owner: Owner) {
        let counters = self.broker.counters();
        counters.published.inc();
        counters.publish_duration.observe(owner.since.elapsed().as_secs_f64());
        match owner.recipient {
            Recipient::Mark(place) => place.published(),
            Recipient::Caller(caller) => answer(caller, Ok(())),
        }
    }

    /// The mark of a message that was refused stays; the sweep tries again, later.
    fn refused(&self, owner: Owner, publication: &Publication, outcome: PublishOutcome) {
        let counters = self.broker.counters();
        let error = if outcome == PublishOutcome::Unroutable {
            counters.returned.inc();
            let (exchange, key) = (publication.exchange().to_owned(), publication.key().to_owned());
            PublishError::Unroutable { exchange, key }
        } else {
            counters.nacked.inc();
            PublishError::Nacked
        };
        if let Recipient::Caller(caller) = owner.recipient {
            answer(caller, Err(error));
        }
    }

    /// A queue or binding is missing: somebody deleted it, or the broker is a new one. No stream: no message needs one, and
    /// an error of its channel would end the session.
    async fn declare_again(&mut self, connection: &Connection) -> Result<(), BrokerError> {
        if self.declared.is_some_and(|last| last.elapsed() < DECLARE_EVERY) {
            return Ok(());
        }
        self.declared = Some(Instant::now());
        self.broker.declare_work(connection).await
    }

    /// Takes back what was on its way. A caller is told that nobody knows; what has a mark goes out
    /// again first thing, and in order.
    fn recover(&mut self, window: Window<'_, Vec<Job>>) {
        let (mut again, mut total) = (VecDeque::new(), 0);
        for mut job in window.unsettled().flat_map(|sent| sent.owner) {
            total += 1;
            job.owner.failures += 1;
            let publication = &job.publication;
            match job.owner.recipient {
                Recipient::Caller(caller) => answer(caller, Err(PublishError::Timeout)),
                Recipient::Mark(_) if job.owner.failures < MOST_FAILURES => again.push_back(job),
                Recipient::Mark(_) => tracing::error!(
                    kind = publication.kind(),
                    exchange = publication.exchange(),
                    key = publication.key(),
                    "connections keep ending with this message on its way; it stays marked"
                ),
            }
        }
        self.careful = self.careful.saturating_sub(total) + again.len();
        again.append(&mut self.backlog);
        self.backlog = again;
    }
}

fn answer(caller: oneshot::Sender<Result<(), PublishError>>, answer: Result<(), PublishError>) {
    if caller.send(answer).is_err() {
        tracing::debug!("nobody waits for the answer to a published message any more");
    }
}

/// One line for each kind of message and route, however many there are.
fn report_all(refused: &[(Arc<Publication>, PublishOutcome)]) {
    let mut counts: BTreeMap<_, (&Publication, PublishOutcome, usize)> = BTreeMap::new();
    for (publication, outcome) in refused {
        let of =
            (publication.kind(), publication.exchange(), publication.key(), *outcome == PublishOutcome::Unroutable);
        counts.entry(of).or_insert((publication, *outcome, 0)).2 += 1;
    }
    counts.into_values().for_each(|(publication, outcome, messages)| report(publication, outcome, messages));
}

fn report(publication: &Publication, outcome: PublishOutcome, messages: usize) {
    let (kind, exchange, key) = (publication.kind(), publication.exchange(), publication.key());
    if outcome == PublishOutcome::Unroutable {
        tracing::error!(kind, exchange, key, messages, "no queue takes these messages; they stay marked");
    } else {
        tracing::warn!(kind, exchange, key, messages, "RabbitMQ refused these messages; they stay marked");
    }
}
