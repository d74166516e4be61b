//! RabbitMQ's management API, for what AMQP does not tell: bindings.

use std::time::Duration;

use reqwest::{Client, Response, Url};
use serde::Deserialize;

use crate::secret::Secret;

/// How long it may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A client of the management API, for looking.
#[derive(Debug, Clone)]
pub struct Management {
    client: Client,
    url: Url,
}

/// A binding of a queue, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Bound {
    /// The exchange; empty for the one that is bound to every queue.
    #[serde(rename = "source")]
    pub(crate) exchange: String,
    /// What is bound: a queue, unless exchanges are bound to each other.
    #[serde(rename = "destination")]
    pub(crate) queue: String,
    destination_type: String,
    /// The key.
    #[serde(rename = "routing_key")]
    pub(crate) key: String,
}

/// A URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// It is none.
    #[error("no URL of the form http://user:password@host:15672")]
    Url,
    /// The HTTP client cannot be made.
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Management {
    /// The management API at a URL that carries a user and a password.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub fn new(url: &Secret) -> Result<Self, ManagementError> {
        let url: Url = url.expose().parse().map_err(|_| ManagementError::Url)?;
        if url.cannot_be_a_base() {
            return Err(ManagementError::Url);
        }
        Ok(Self { client: Client::builder().timeout(ANSWER).build()?, url })
    }

    /// All bindings of queues of a vhost.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn bindings(&self, vhost: &str) -> Result<Vec<Bound>, String> {
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| "the URL is no base")?.clear().extend(["api", "bindings", vhost]);
        let said = |error: reqwest::Error| error.without_url().to_string();
        let answer = self.client.get(url).send().await.and_then(Response::error_for_status).map_err(said)?;
        let all: Vec<Bound> = answer.json().await.map_err(said)?;
        Ok(all.into_iter().filter(|bound| bound.destination_type == "queue").collect())
    }
}
