//! Replays: stored messages delivered again, same ids and same bytes, as a durable operation.
//!
//! A replay is a row: what was asked for, what there was at its start (so its end is fixed), how far it
//! is, and counters that always add up. Whoever owns it at present delivers a chunk, and writes position
//! and counters in one statement that names its fence. After a crash the next owner goes on from
//! there: a chunk that was delivered and not written down goes out once more, which its consumers
//! do not notice.

mod condition;
mod deliver;
mod plan;
mod source;
mod store;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::{Time, Topology};
use serde::{Deserialize, Serialize};
use time::Duration;
use tokio::sync::Notify;
use utoipa::ToSchema;
use uuid::Uuid;

use super::processes::{Processes, Unanswered};
use crate::broker::{Broker, BrokerError, PublishError, Relay};
use crate::clock;
use crate::error::StoreError;
use crate::store::{Pool, Transaction, audit};

pub use condition::{Condition, NoCondition};
pub use plan::{MaxFailures, Plan, Source};
use source::Survey;
use store::Asked;
pub(crate) use store::{Word, find, list, remarks};
pub use worker::replay_always;

/// What replays work with.
#[derive(Clone)]
pub struct Replays {
    pool: Pool,
    relay: Relay,
    broker: Broker,
    processes: Processes,
    topology: &'static Topology,
    retention: Duration,
    /// Tells whoever delivers that there is something to do.
    asked: Arc<Notify>,
}

/// A replay, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// Its id.
    pub id: Uuid,
    /// What was asked for.
    pub plan: Plan,
    /// Where it stands: running, paused, stopped, finished or cancelled.
    pub state: String,
    /// How its messages fared; total = pending + done + failed + skipped at any moment.
    #[serde(flatten)]
    pub counters: Counters,
    /// Why, for each of done, failed and skipped.
    pub details: Details,
    /// When the oldest message in its source was made, where that is known: before, there is no history.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begins: Option<Time>,
    /// What holds it up, or stopped it.
    pub trouble: Option<String>,
    /// Who asked for it.
    pub who: String,
    /// Why, as they said.
    pub why: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it last moved.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
}

/// How the messages of a replay fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// All that there are, from the start.
    pub total: i64,
    /// Those still to come.
    pub pending: i64,
    /// Those that were delivered; of a dry run, those that were looked at.
    pub done: i64,
    /// Those that no queue took, or that were parked again.
    pub failed: i64,
    /// Those that were left out.
    pub skipped: i64,
}

/// Counts by what became of messages and why: `{"done": {"delivered": 40, "duplicate": 9}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Details(pub BTreeMap<String, BTreeMap<String, i64>>);

/// What became of one message of a replay, with the word for why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Became {
    Done(&'static str),
    Failed(&'static str),
    Skipped(&'static str),
}

/// What is said of one message of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Remark {
    /// Its place in this list.
    pub n: i64,
    /// The message: its id, or where it is parked.
    pub message: String,
    /// Its type, where it has one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// What became of it, or would.
    pub outcome: String,
    /// Why, in a sentence.
    pub why: Option<String>,
}

/// A replay that cannot be made, or cannot go on at present.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It was asked for wrongly.
    #[error("{0}")]
    Wrong(String),
    /// A process was not asked with success.
    #[error(transparent)]
    Process(#[from] Unanswered),
    /// The broker did not let us read.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker did not take a message.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replays {
    /// Replays of an orchestrator with this database, through this relay, from this broker and these processes; of
    /// journals, as far back as `retention`.
    #[must_use]
    pub fn new(
        pool: Pool,
        relay: Relay,
        broker: Broker,
        processes: Processes,
        topology: &'static Topology,
        retention: Duration,
    ) -> Self {
        Self { pool, relay, broker, processes, topology, retention, asked: Arc::default() }
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Looks at what there is for a plan, and writes it down as a replay that somebody delivers from now on.
    pub(crate) async fn ask(&self, mut plan: Plan, who: &str, why: Option<&str>) -> Result<Replay, Trouble> {
        let Survey { extent, position, total, begins } = self.survey(&mut plan).await?;
        let (id, now) = (drawn(), clock::now());
        let asked = Asked { id, plan: &plan, extent: &extent, position: &position, begins, who, why, total };
        let mut client = self.pool.get().await.map_err(StoreError::from)?;
        let transaction = Transaction::begin(&mut client).await?;
        asked.insert(&transaction, now).await?;
        let action = if plan.dry_run { "dry run" } else { "replay" };
        audit(&transaction, now, who, action, &id.to_string(), why).await?;
        let replay = store::find(&transaction, id).await?;
        transaction.commit().await?;
        self.asked.notify_one();
        replay.ok_or_else(|| Trouble::Wrong(format!("replay {id} is not there")))
    }

    /// Says a word to a replay. `None` when there is no such replay, false when its state does not allow it.
    pub(crate) async fn say(
        &self,
        id: Uuid,
        word: Word,
        who: &str,
        why: Option<&str>,
    ) -> Result<Option<(bool, Replay)>, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let said = store::say(&transaction, id, word, clock::now()).await?;
        if said {
            let action = format!("{} replay", word.as_str());
            audit(&transaction, clock::now(), who, &action, &id.to_string(), why).await?;
        }
        let replay = store::find(&transaction, id).await?;
        transaction.commit().await?;
        self.asked.notify_one();
        Ok(replay.map(|replay| (said, replay)))
    }
}

#[expect(clippy::disallowed_methods, reason = "the id of a replay is drawn once, at the edge, and shown")]
fn drawn() -> Uuid {
    Uuid::new_v4()
}

impl Details {
    fn count(&mut self, became: Became, messages: i64) {
        let (kind, why) = became.words();
        *self.0.entry(kind.to_owned()).or_default().entry(why.to_owned()).or_default() += messages;
    }

    fn add(&mut self, other: &Self) {
        for (kind, reasons) in &other.0 {
            for (why, count) in reasons {
                *self.0.entry(kind.clone()).or_default().entry(why.clone()).or_default() += count;
            }
        }
    }

    fn of(&self, kind: &str) -> i64 {
        self.0.get(kind).map_or(0, |reasons| reasons.values().sum())
    }
}

impl Became {
    const DONE: &'static str = "done";
    const FAILED: &'static str = "failed";
    const SKIPPED: &'static str = "skipped";

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Done(why) => (Self::DONE, why),
            Self::Failed(why) => (Self::FAILED, why),
            Self::Skipped(why) => (Self::SKIPPED, why),
        }
    }
}
