//! The other processes, as the orchestrator reaches them: their operator's API.

use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::processes::Unanswered;
use crate::secret::Secret;

/// A process that does not answer within this is said not to have.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a process may take for a chunk of a replay.
const FOR_WORK: Duration = Duration::from_secs(10);

/// Another process: `pet-service=http://127.0.0.1:8081`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where its HTTP is.
    pub url: Url,
}

/// The other processes.
#[derive(Debug, Clone)]
pub struct Peers {
    peers: Vec<Peer>,
    client: Client,
    /// What this process shows when it writes there.
    token: Option<Secret>,
}

/// A process that did not answer, or not as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{process} did not answer: {why}")]
pub struct Silent {
    /// The process.
    pub process: String,
    /// What happened.
    pub why: String,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text} is not of the form name=http://host:port");
        let (name, url) = text.split_once('=').ok_or_else(form)?;
        let url: Url = url.trim().parse().map_err(|_| form())?;
        let usable = !name.trim().is_empty() && matches!(url.scheme(), "http" | "https");
        if usable { Ok(Self { name: name.trim().to_owned(), url }) } else { Err(form()) }
    }
}

impl Peers {
    /// These processes; what is written there carries this token.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(peers: Vec<Peer>, token: Option<Secret>) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(PATIENCE).tcp_nodelay(true).build()?;
        Ok(Self { peers, client, token })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// Asks one of them: `path` is below its root and may carry a query.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn ask<T: DeserializeOwned>(&self, peer: &Peer, path: &str) -> Result<T, Silent> {
        let silent = |error: reqwest::Error| Silent { process: peer.name.clone(), why: in_words(&error) };
        let url = peer.at(path)?;
        let answer = self.client.get(url).send().await.and_then(Response::error_for_status).map_err(silent)?;
        answer.json().await.map_err(silent)
    }

    /// Asks one of them for work that takes longer, or tells it to do something, and reads why it says no.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        peer: &Peer,
        method: Method,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, Unanswered> {
        let silent = |error: reqwest::Error| Silent { process: peer.name.clone(), why: in_words(&error) };
        let mut request = with(self.client.request(method, peer.at(path)?).timeout(FOR_WORK));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let answer = request.send().await.map_err(silent)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.json().await.map_err(silent)?);
        }
        let problem: Value = answer.json().await.unwrap_or_default();
        let said = ["detail", "title"].iter().find_map(|word| problem.get(word)?.as_str());
        let detail = said.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        Err(Unanswered::Refused { process: peer.name.clone(), status, detail })
    }

    /// Passes a request on to one of them, with the token of whoever asks.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn pass_on(
        &self,
        peer: &Peer,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response, Silent> {
        let mut request = self.client.request(method, peer.at(path)?);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.map_err(|error| Silent { process: peer.name.clone(), why: in_words(&error) })
    }
}

impl Peer {
    fn at(&self, path: &str) -> Result<Url, Silent> {
        self.url.join(path).map_err(|error| Silent { process: self.name.clone(), why: error.to_string() })
    }
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
