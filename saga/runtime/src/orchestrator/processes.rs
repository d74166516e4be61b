//! Every process that an orchestrator can ask, itself included: what operators do there, the same for all.

use axum::http::StatusCode;
use reqwest::Method;
use saga_core::{Time, Topology};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Peer, Peers, SOURCE, Silent};
use crate::delivery::Delivered;
use crate::http::admin::{
    Admin, Came, DryRuns, Extent, Fates, ParkedList, QueueMessages, Replay, SentList, Which, WhichSent, WhichSpan,
};
use crate::http::problem::Problem;
use crate::store::admin::{Parked, ParkedMessage};

/// This process and all others.
#[derive(Clone)]
pub struct Processes {
    own: Admin,
    peers: Peers,
    topology: &'static Topology,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) enum Process<'a> {
    Own(&'a Admin),
    Other(Other<'a>),
}

/// Another one, over HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Other<'a> {
    peers: &'a Peers,
    peer: &'a Peer,
}

/// A process that did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unanswered {
    /// It did not answer.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// It said no.
    #[error("{process} refused: {detail}")]
    Refused {
        /// Which.
        process: String,
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
}

impl Processes {
    /// This process, and the others.
    #[must_use]
    pub fn new(own: Admin, peers: Peers, topology: &'static Topology) -> Self {
        Self { own, peers, topology }
    }

    /// All of them with their names, this one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Process<'_>)> {
        let others =
            self.peers.iter().map(|peer| (peer.name.as_str(), Process::Other(Other { peers: &self.peers, peer })));
        [(SOURCE, Process::Own(&self.own))].into_iter().chain(others)
    }

    /// The one of this name.
    ///
    /// # Errors
    /// [`Unanswered::Refused`] with the names that there are.
    pub(crate) fn get(&self, name: &str) -> Result<Process<'_>, Unanswered> {
        let found = self.all().find(|(known, _)| *known == name).map(|(_, process)| process);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.all().map(|(name, _)| name).collect();
            let detail = format!("no process {name} is known here; there are {}", known.join(", "));
            Unanswered::Refused { process: SOURCE.to_owned(), status: StatusCode::NOT_FOUND, detail }
        })
    }

    /// The process that consumes a queue, where the topology knows it and it can be asked.
    pub(crate) fn consumer_of(&self, queue: &str) -> Option<Process<'_>> {
        let known = self.topology.queues.iter().find(|known| known.name == queue)?;
        self.get(known.consumer).ok()
    }
}

impl Process<'_> {
    pub(crate) async fn extent(&self, from: Option<Time>, until: Option<Time>) -> Result<Extent, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.extent(from, until).await?),
            Self::Other(other) => other.read("journal/extent", &WhichSpan { from, until }).await,
        }
    }

    pub(crate) async fn sent(&self, which: WhichSent) -> Result<SentList, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.sent(which).await?),
            Self::Other(other) => other.read("journal", &which).await,
        }
    }

    pub(crate) async fn parked(&self, which: Which) -> Result<ParkedList, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.parked(which).await?),
            Self::Other(other) => other.read("parked", &which).await,
        }
    }

    pub(crate) async fn parked_message(&self, id: i64) -> Result<ParkedMessage, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.parked_message(id).await?),
            Self::Other(other) => other.read(&format!("parked/{id}"), &()).await,
        }
    }

    pub(crate) async fn replay_parked(&self, id: i64, how: &Replay) -> Result<Parked, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.replay_parked(id, SOURCE, how).await?),
            Self::Other(other) => other.tell(&format!("parked/{id}/replay"), how).await,
        }
    }

    pub(crate) async fn dry_run(&self, came: Came) -> Result<DryRuns, Unanswered> {
        match self {
            Self::Own(admin) => Ok(admin.would(came).await?),
            Self::Other(other) => other.tell("dry-run", &came).await,
        }
    }

    pub(crate) async fn fates(&self, queue: &str, messages: Vec<Delivered>) -> Result<Fates, Unanswered> {
        let asked = QueueMessages { queue: queue.to_owned(), messages };
        match self {
            Self::Own(admin) => Ok(admin.became(&asked).await?),
            Self::Other(other) => other.tell("fates", &asked).await,
        }
    }
}

impl Other<'_> {
    async fn read<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, Unanswered> {
        self.peers.call(self.peer, Method::GET, &format!("admin/{path}"), |request| request.query(query)).await
    }

    async fn tell<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Unanswered> {
        self.peers.call(self.peer, Method::POST, &format!("admin/{path}"), |request| request.json(body)).await
    }
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self::Refused { process: SOURCE.to_owned(), status: problem.status(), detail: problem.text().to_owned() }
    }
}
