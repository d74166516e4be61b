//! Delivering a chunk: where each message goes, what its consumers know of it already, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use saga_core::{Queue, QueueType, Route};
use serde_json::Value;

use super::condition::Seen;
use super::source::{Address, Item, Origin};
use super::{Became, Plan, Remark, Replays, Source, Trouble};
use crate::broker::{Parcel, PublishError};
use crate::delivery::{Delivered, DryRun, Fate, Would};
use crate::http::admin::{Came, Replay as Again};
use crate::orchestrator::processes::{Process, Unanswered};

/// How long to wait for what becomes of messages that were delivered.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many parked messages are replayed at a time.
const AT_ONCE: usize = 8;
/// How many bytes of messages a process is asked about at a time, as they are written in JSON.
const ASK_BYTES: usize = 400_000;

/// A message and a queue that it goes to.
type Pair = (usize, String);

/// What became of a chunk, message by message, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) became: Vec<Became>,
    pub(super) remarks: Vec<Remark>,
}

/// Where the messages of a chunk go, and what their consumers knew of them before.
#[derive(Debug)]
pub(super) struct Prepared {
    targets: Vec<Result<Vec<String>, Became>>,
    pairs: Vec<Pair>,
    before: BTreeMap<Pair, Fate>,
}

impl Replays {
    /// Finds out where messages go, and what is known of them there. Nothing is delivered yet.
    pub(super) async fn prepare(&self, plan: &Plan, items: &[Item]) -> Prepared {
        let targets: Vec<Result<Vec<String>, Became>> = items.iter().map(|item| self.targets(plan, item)).collect();
        let of_item = |(n, queues): (usize, &Result<Vec<String>, Became>)| -> Vec<Pair> {
            queues.iter().flatten().map(|queue| (n, queue.clone())).collect()
        };
        let pairs: Vec<Pair> = targets.iter().enumerate().flat_map(of_item).collect();
        let before = if plan.dry_run { BTreeMap::new() } else { self.fates(items, &pairs).await };
        Prepared { targets, pairs, before }
    }

    /// Delivers messages as the plan says, or looks at what they would do.
    ///
    /// # Errors
    /// [`Trouble`]: some may have been delivered; to do all of it again is harmless.
    pub(super) async fn deliver(
        &self,
        plan: &Plan,
        why: &str,
        items: &[Item],
        Prepared { targets, pairs, before }: Prepared,
    ) -> Result<Outcome, Trouble> {
        let found = if plan.dry_run {
            self.look_ahead(items, &pairs).await?
        } else {
            self.send(plan, why, items, &pairs, &before).await?
        };
        let mut outcome = Outcome::default();
        for (n, item) in items.iter().enumerate() {
            let became = match &targets[n] {
                Err(became) => *became,
                Ok(_) => became_of(of_message(&found, n).map(|(_, (became, _))| *became)),
            };
            outcome.became.push(became);
            outcome.remarks.extend(remarks(plan, n, item, became, &found));
        }
        Ok(outcome)
    }

    /// The queues that a message goes to, or why it goes nowhere.
    fn targets(&self, plan: &Plan, item: &Item) -> Result<Vec<String>, Became> {
        if let Origin::Settled { became, .. } = item.origin {
            return Err(became);
        }
        let property = |name: &str| item.properties.get(name).and_then(Value::as_str);
        let (kind, correlation) = (property("type"), property("correlation_id"));
        let seen = Seen { message: item.message.as_ref(), body: &item.body, kind, correlation };
        if !plan.conditions.iter().all(|condition| condition.holds(&seen)) || !in_time(plan, item) {
            return Err(Became::Skipped("not_matching"));
        }
        match (&item.origin, &plan.to) {
            (Origin::History { sender }, to) => self.targets_of_history(item, sender.as_deref(), to.as_deref()),
            (Origin::Queue { .. } | Origin::Parked { .. }, Some(to)) => Ok(vec![to.clone()]),
            (Origin::Queue { back_to, .. }, None) => {
                back_to.clone().map(|queue| vec![queue]).ok_or(Became::Skipped("no_origin"))
            }
            (Origin::Parked { queue, .. }, None) => Ok(vec![queue.clone()]),
            (Origin::Settled { became, .. }, _) => Err(*became),
        }
    }

    /// Every queue that is bound to its type; of one queue of ours, only what it is bound to.
    fn targets_of_history(&self, item: &Item, sender: Option<&str>, to: Option<&str>) -> Result<Vec<String>, Became> {
        let no_queue = Became::Skipped("no_queue_for_its_type");
        let message = item.message.as_ref().ok_or(no_queue)?;
        let known = self.topology.message_type(&message.kind);
        let ours = |queue: &str| self.topology.queues.iter().any(|known| known.name == queue);
        if let Some(to) = to.filter(|to| !ours(to)) {
            return Ok(vec![to.to_owned()]);
        }
        let known = known.ok_or(no_queue)?;
        // In a journal, a message of somebody else's type is the copy of their event that an operator's retry sent straight to
        // one participant; its source is still the event's.
        let is_copy = sender.is_some_and(|sender| sender != known.source);
        let takes = |queue: &&Queue| match to {
            Some(to) => queue.name == to && !(is_copy && sender == Some(queue.consumer)),
            None => !is_copy,
        };
        let takers = self.topology.takers(known).filter(|queue| queue.kind == QueueType::Quorum).filter(takes);
        let queues: Vec<String> = takers.map(|queue| queue.name.to_owned()).collect();
        match queues.is_empty() {
            true if is_copy => Err(Became::Skipped("sent_to_one_queue_alone")),
            true => Err(no_queue),
            false => Ok(queues),
        }
    }

    /// Delivers, and finds out what became of each as far as that is asked for.
    async fn send(
        &self,
        plan: &Plan,
        why: &str,
        items: &[Item],
        pairs: &[Pair],
        before: &BTreeMap<Pair, Fate>,
    ) -> Result<Found, Trouble> {
        let send =
            async |pair: &Pair| Ok::<_, Trouble>((pair.clone(), (self.send_one(plan, why, items, pair).await?, None)));
        let mut found: Found = stream::iter(pairs)
            .map(send)
            .buffered(if matches!(plan.source, Source::Parked { .. }) { AT_ONCE } else { pairs.len().max(1) })
            .try_collect()
            .await?;
        for (pair, (became, _)) in &mut found {
            if *became == Became::Done("delivered") && before.get(pair) == Some(&Fate::Handled) {
                *became = Became::Done("duplicate");
            }
        }
        if plan.watches() {
            self.watch(items, &mut found).await;
        }
        Ok(found)
    }

    async fn send_one(&self, plan: &Plan, why: &str, items: &[Item], pair: &Pair) -> Result<Became, Trouble> {
        let (n, queue) = pair;
        let item = &items[*n];
        if let Origin::Parked { address, .. } = &item.origin {
            return self.send_parked(address, plan.to.clone(), why).await;
        }
        let (properties, body) = (item.properties.clone(), item.body.clone());
        let parcel = Parcel { route: Route::to_queue(queue), properties, body };
        match self.relay.publish_confirmed(parcel).await {
            Ok(()) => Ok(Became::Done("delivered")),
            Err(PublishError::Unroutable { .. }) => Ok(Became::Failed("no_such_queue")),
            Err(PublishError::Malformed(_)) => Ok(Became::Failed("not_writable_as_amqp")),
            Err(error @ (PublishError::Nacked | PublishError::Timeout | PublishError::NotConnected)) => {
                Err(error.into())
            }
        }
    }

    async fn send_parked(&self, address: &Address, to: Option<String>, why: &str) -> Result<Became, Trouble> {
        let process = self.processes.get(&address.process)?;
        let refused = match process.replay_parked(address.id, &Again { to, reason: Some(why.to_owned()) }).await {
            Ok(_) => return Ok(Became::Done("delivered")),
            Err(refused) => refused,
        };
        let Unanswered::Refused { status: StatusCode::CONFLICT, .. } = refused else { return Err(refused.into()) };
        let still = process.parked_message(address.id).await?.parked.state == "parked";
        Ok(if still { Became::Failed("no_such_queue") } else { Became::Skipped("not_parked_any_more") })
    }

    /// Waits for what becomes of what was delivered.
    async fn watch(&self, items: &[Item], found: &mut Found) {
        let until = tokio::time::Instant::now() + PATIENCE;
        let is_open = |became: Became| became == Became::Done("delivered");
        loop {
            let open: Vec<Pair> =
                found.iter().filter(|(_, (b, _))| is_open(*b)).map(|(pair, _)| pair.clone()).collect();
            let fates = self.fates(items, &open).await;
            for (pair, (became, why)) in found.iter_mut().filter(|(_, (b, _))| is_open(*b)) {
                match fates.get(pair) {
                    Some(Fate::Handled) => *became = Became::Done("handled"),
                    Some(Fate::PutOff) => *became = Became::Done("put_off"),
                    Some(Fate::Parked) => {
                        (*became, *why) = (Became::Failed("parked_again"), Some("its consumer parked it".to_owned()));
                    }
                    Some(Fate::Unknown) | None => {}
                }
            }
            let waits = found.iter().any(|(pair, (b, _))| is_open(*b) && fates.contains_key(pair));
            if !waits || tokio::time::Instant::now() > until {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What the consumers of the queues know of messages. Of a queue whose consumer cannot be asked, nothing.
    async fn fates(&self, items: &[Item], pairs: &[Pair]) -> BTreeMap<Pair, Fate> {
        let asked = self.consumers(pairs).into_iter().map(|(queue, process)| fates_in(queue, process, items, pairs));
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn consumers<'a>(&self, pairs: &'a [Pair]) -> Vec<(&'a str, Process<'_>)> {
        let queues: BTreeSet<&str> = pairs.iter().map(|(_, queue)| queue.as_str()).collect();
        queues.into_iter().filter_map(|queue| Some((queue, self.processes.consumer_of(queue)?))).collect()
    }

    /// What messages would do, said by the processes that would handle them.
    async fn look_ahead(&self, items: &[Item], pairs: &[Pair]) -> Result<Found, Trouble> {
        let mut found = Found::new();
        let consumers: BTreeMap<&str, Process<'_>> = self.consumers(pairs).into_iter().collect();
        for queue in pairs.iter().map(|(_, queue)| queue.as_str()).collect::<BTreeSet<_>>() {
            let asked: Vec<&Pair> = pairs.iter().filter(|(_, of)| *of == queue).collect();
            let Some(process) = consumers.get(queue) else {
                let why = || Some(format!("nobody who can be asked consumes {queue}"));
                found.extend(asked.into_iter().map(|pair| (pair.clone(), (Became::Done("not_known"), why()))));
                continue;
            };
            for Part { pairs: part, messages } in parts(items, asked) {
                let answer = match process.dry_run(Came { queue: queue.to_owned(), messages }).await {
                    Err(Unanswered::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, process, .. }) => {
                        let why = || Some(format!("it is too large for {process} to be asked about it"));
                        found.extend(part.into_iter().map(|pair| (pair.clone(), (Became::Done("not_known"), why()))));
                        continue;
                    }
                    answer => answer?,
                };
                found.extend(part.into_iter().cloned().zip(answer.outcomes.into_iter().map(said)));
            }
        }
        Ok(found)
    }
}

/// What the consumer of one queue knows of the messages that go there.
async fn fates_in(queue: &str, process: Process<'_>, items: &[Item], pairs: &[Pair]) -> Vec<(Pair, Fate)> {
    let delivered = |item: &Item| Some(Delivered::of(item.message.as_ref()?, &item.body));
    let asked = pairs.iter().filter(|(_, of)| of == queue);
    let asked: Vec<(&Pair, Delivered)> = asked.filter_map(|pair| Some((pair, delivered(&items[pair.0])?))).collect();
    let (pairs, messages): (Vec<&Pair>, Vec<Delivered>) = asked.into_iter().unzip();
    match process.fates(queue, messages).await {
        Ok(answer) => pairs.into_iter().cloned().zip(answer.fates).collect(),
        Err(error) => {
            tracing::debug!(queue, %error, "nobody says what became of messages");
            Vec::new()
        }
    }
}

/// What became of each message in each queue, and why.
type Found = BTreeMap<Pair, (Became, Option<String>)>;

/// What became of one message, queue by queue.
fn of_message(found: &Found, n: usize) -> impl Iterator<Item = (&Pair, &(Became, Option<String>))> {
    found.range((n, String::new())..(n + 1, String::new()))
}

/// What a process is asked about at once: messages on their way to one of its queues, and their text.
#[derive(Default)]
struct Part<'a> {
    pairs: Vec<&'a Pair>,
    messages: Vec<String>,
}

/// Parts that a process can be asked about at once. A message larger than that is a part by itself.
fn parts<'a>(items: &[Item], pairs: Vec<&'a Pair>) -> Vec<Part<'a>> {
    let (mut parts, mut bytes) = (Vec::<Part<'a>>::new(), 0);
    for pair in pairs {
        let message = String::from_utf8_lossy(&items[pair.0].body).into_owned();
        let size = Value::from(message.as_str()).to_string().len();
        bytes += size;
        if parts.is_empty() || bytes > ASK_BYTES {
            bytes = size;
            parts.push(Part::default());
        }
        if let Some(part) = parts.last_mut() {
            part.pairs.push(pair);
            part.messages.push(message);
        }
    }
    parts
}

fn said(DryRun { would, why }: DryRun) -> (Became, Option<String>) {
    let became = match would {
        Would::Apply => Became::Done("apply"),
        Would::Duplicate => Became::Done("duplicate"),
        Would::StaleVersion => Became::Done("stale_version"),
        Would::SagaFinished => Became::Done("saga_finished"),
        Would::ChangeNothing => Became::Done("change_nothing"),
        Would::PutOff => Became::Done("put_off"),
        Would::Park => Became::Failed("would_park"),
    };
    (became, why)
}

/// What became of a message as a whole: it failed where it failed in one queue; it is a duplicate only
/// where it is one in all.
fn became_of(found: impl Iterator<Item = Became>) -> Became {
    let rank = |became: &Became| match became {
        Became::Failed(_) => 0,
        Became::Done("apply" | "handled" | "delivered") => 1,
        Became::Done("duplicate") => 3,
        Became::Done(_) => 2,
        Became::Skipped(_) => 4,
    };
    found.min_by_key(rank).unwrap_or(Became::Skipped("no_queue_for_its_type"))
}

/// History of a span of time may have messages of others among it.
fn in_time(plan: &Plan, item: &Item) -> bool {
    let (from, until) = match &plan.source {
        Source::Stream { from, until } | Source::Journals { from, until } => (from, until),
        Source::Parked { .. } | Source::Queue { .. } => return true,
    };
    let time = item.message.as_ref().map(|message| message.time);
    let late = |from: time::OffsetDateTime| time.is_none_or(|time| time >= from);
    let early = |until: time::OffsetDateTime| time.is_none_or(|time| time < until);
    from.is_none_or(late) && until.is_none_or(early)
}

/// What is said of a message: all that a dry run found; else only what failed or was not there.
fn remarks(plan: &Plan, n: usize, item: &Item, became: Became, found: &Found) -> Vec<Remark> {
    let (name, kind) = (item.name(), item.message.as_ref().map(|message| message.kind.clone()));
    let remark = |queue: Option<&str>, outcome: &str, why: Option<&str>| Remark {
        n: 0,
        message: name.clone(),
        kind: kind.clone(),
        queue: queue.map(str::to_owned),
        outcome: outcome.to_owned(),
        // It may quote a message, and PostgreSQL keeps no U+0000.
        why: why.map(|why| why.replace('\0', "\u{fffd}")),
    };
    if matches!(item.origin, Origin::Settled { .. }) {
        return vec![remark(None, became.words().1, None)];
    }
    let tells = |became: &Became| plan.dry_run || matches!(became, Became::Failed(_));
    let mine = of_message(found, n).filter(|(_, (became, _))| tells(became));
    mine.map(|((_, queue), (became, why))| remark(Some(queue), became.words().1, why.as_deref())).collect()
}
