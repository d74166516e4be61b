//! The operator's API, as a client sees it.

use std::fmt::Display;
use std::time::Duration;

use futures_util::Stream;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::To;

/// Longer than any process lets a request take.
const PATIENCE: Duration = Duration::from_secs(40);

/// As long as a person watches.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Talks to the processes.
#[derive(Debug, Clone)]
pub struct Client {
    to: To,
    http: reqwest::Client,
}

/// Why a command failed, for the person who reads it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command was not used as it can be.
    #[error("{0}")]
    Usage(String),
    /// A process said no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What the process says.
        detail: String,
    },
    /// A process cannot be reached.
    #[error(
        "{process} at {url} does not answer: {why}. Is it up? `./dev up` starts everything; SAGA_URL and ORDER_SERVICE_URL say where"
    )]
    Unreachable {
        /// Which process.
        process: &'static str,
        /// Where it was looked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Anything that can be shown.
    pub fn other(error: impl Display) -> Self {
        Self::Other(error.to_string())
    }
}

impl Client {
    /// A client for these processes.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(to: To) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().timeout(PATIENCE).tcp_nodelay(true).build().map_err(Failure::other)?;
        Ok(Self { to, http })
    }

    /// Whether a program reads what is printed.
    #[must_use]
    pub fn json(&self) -> bool {
        self.to.json
    }

    /// Reads from the orchestrator.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Failure> {
        let request = self.http.get(self.saga(path)?).query(query);
        read(answered("the orchestrator", &self.to.saga_url, request).await?).await
    }

    /// Reads text from the orchestrator.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let answer = answered("the orchestrator", &self.to.saga_url, self.http.get(self.saga(path)?)).await?;
        answer.text().await.map_err(Failure::other)
    }

    /// Reads from the orchestrator for as long as it tells something.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin + use<>, Failure> {
        let request = self.http.get(self.saga(path)?).query(query).timeout(FOR_EVER);
        let answer = answered("the orchestrator", &self.to.saga_url, request).await?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let chunk = async |mut answer: Response| match answer.chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk.to_vec()), answer)),
            Ok(None) => None,
            Err(error) => Some((Err(Failure::other(error)), answer)),
        };
        Ok(Box::pin(futures_util::stream::unfold(answer, chunk)))
    }

    /// Writes to the orchestrator, with the operator's token.
    ///
    /// # Errors
    /// [`Failure`]; without a token it says how to get one.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let Some(token) = &self.to.token else {
            let how = "this changes something and needs the token of an operator: set SAGA_TOKEN (`eval \"$(./dev env)\"` does)";
            return Err(Failure::Usage(how.to_owned()));
        };
        let request = self.http.post(self.saga(path)?).bearer_auth(token.expose()).json(body);
        read(answered("the orchestrator", &self.to.saga_url, request).await?).await
    }

    /// Asks order-service, whatever it answers.
    ///
    /// # Errors
    /// [`Failure::Unreachable`].
    pub async fn orders(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        let url = self.to.order_service_url.join(path).map_err(Failure::other)?;
        let request = self.http.request(method, url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = answered("order-service", &self.to.order_service_url, request).await?;
        let status = answer.status();
        let text = answer.text().await.map_err(Failure::other)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    fn saga(&self, path: &str) -> Result<Url, Failure> {
        self.to.saga_url.join(path).map_err(Failure::other)
    }
}

async fn answered(process: &'static str, url: &Url, request: RequestBuilder) -> Result<Response, Failure> {
    request.send().await.map_err(|error| Failure::Unreachable { process, url: url.to_string(), why: innermost(&error) })
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Failure> {
    if !answer.status().is_success() {
        return Err(refused(answer).await);
    }
    let text = answer.text().await.map_err(Failure::other)?;
    serde_json::from_str(&text).map_err(|error| Failure::Other(format!("the answer makes no sense: {error}")))
}

/// What a process says when it says no.
async fn refused(answer: Response) -> Failure {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let word = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
    let detail = word("detail").or_else(|| word("title")).unwrap_or_else(|| format!("HTTP {status}"));
    Failure::Refused { status, detail }
}

/// The innermost cause says most.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
