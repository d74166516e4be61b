//! The other processes, as the orchestrator reaches them: their operator's API.

use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::processes::Unanswered;
use crate::broker::relay::PUBLISHED_WITHIN;
use crate::secret::Secret;

/// A process that does not answer within this is said not to have.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a process may take for a chunk of a replay, or to do what it is told: longer than it waits itself for a message
/// to be published, so that nobody is told of silence when the message went out.
const FOR_WORK: Duration = PUBLISHED_WITHIN.saturating_add(Duration::from_secs(5));

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

    /// Passes a request on to one of them, with the token of whoever asks: `url` is of the [`Peer::admin`].
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn pass_on(
        &self,
        peer: &Peer,
        method: Method,
        url: Url,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response, Silent> {
        let patience = patience(&method);
        let mut request = self.client.request(method, url).timeout(patience);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.map_err(|error| Silent { process: peer.name.clone(), why: in_words(&error) })
    }
}

/// How long a process may take for what is passed on to it.
fn patience(method: &Method) -> Duration {
    if method.is_safe() { PATIENCE } else { FOR_WORK }
}

impl Peer {
    /// The URL of a path below its `/admin`, which may carry a query; `None` where the path leads out of there, however it
    /// is written.
    #[must_use]
    pub fn admin(&self, path: &str) -> Option<Url> {
        let admin = self.url.join("admin/").ok()?;
        let url = self.url.join(&format!("admin/{path}")).ok()?;
        let is_below = url.origin() == admin.origin() && url.path().starts_with(admin.path());
        is_below.then_some(url)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_goes_below_admin_or_nowhere() {
        for (base, root) in [("http://pets:8081", "/admin/"), ("https://host/pets/", "/pets/admin/")] {
            let peer: Peer = format!("pet-service={base}").parse().unwrap();
            let path = |path: &str| peer.admin(path).map(|url| url.path().to_owned());
            for fine in ["parked", "parked/3/edit", "a..b", ".../x", "http://elsewhere/"] {
                assert_eq!(path(fine), Some(format!("{root}{fine}")), "{base}");
            }
            let query = peer.admin("parked?limit=3&reason=..").unwrap();
            assert_eq!((query.path(), query.query()), (&*format!("{root}parked"), Some("limit=3&reason=..")));
            for out in [
                "..",
                "../api/v3/pet",
                "%2e%2e/api/v3/pet",
                "%2E./api/v3/pet",
                ".%2e/api/v3/pet",
                "..\\api\\v3\\pet",
                "x/../../api/v3/pet",
                ".\t./api/v3/pet",
                "../administrator",
                "../../../x",
            ] {
                assert_eq!(path(out), None, "{base}: {out:?}");
            }
        }
    }

    #[test]
    fn what_is_told_may_take_longer_than_a_message_to_be_published_and_what_is_read_may_not() {
        assert!(patience(&Method::POST) > PUBLISHED_WITHIN);
        assert_eq!(patience(&Method::GET), PATIENCE);
    }
}
