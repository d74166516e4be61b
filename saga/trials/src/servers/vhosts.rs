//! RabbitMQ's management interface: its version, and vhosts by the hundred.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Trouble;

/// A client of one broker's management interface.
#[derive(Debug)]
pub struct Management {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl Management {
    /// The interface at `url`, which carries user and password.
    ///
    /// # Errors
    /// When that is not a URL.
    pub fn at(url: &str) -> Result<Self, Trouble> {
        let url = url.parse().map_err(|_| Trouble::Management {
            doing: "reading its URL".into(),
            why: "it is not http://user:password@host:port".into(),
        })?;
        // No connection is kept: the broker may be killed and started again between two questions.
        let client =
            reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).connect_timeout(Duration::from_secs(5));
        let client = client.timeout(Duration::from_secs(120)).build().map_err(Trouble::http("starting a client"))?;
        Ok(Self { client, url })
    }

    /// The broker's version ("3.10.8").
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, Trouble> {
        let overview = self.get("api/overview").await?;
        Ok(overview["rabbitmq_version"].as_str().unwrap_or("of unknown version").to_owned())
    }

    /// The names of all its vhosts.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn vhosts(&self) -> Result<BTreeSet<String>, Trouble> {
        let vhosts = self.get("api/vhosts").await?;
        let names = vhosts.as_array().into_iter().flatten();
        Ok(names.filter_map(|vhost| vhost["name"].as_str().map(str::to_owned)).collect())
    }

    /// The type of each queue in that vhost: `quorum`, `stream`, `classic`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn queue_types(&self, vhost: &str) -> Result<Vec<String>, Trouble> {
        let queues = self.get(&format!("api/queues/{vhost}")).await?;
        let queues = queues.as_array().into_iter().flatten();
        Ok(queues.filter_map(|queue| queue["type"].as_str().map(str::to_owned)).collect())
    }

    /// Makes those of `names` that are missing, in one import, and gives the user every right in all of them.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn make_vhosts(&self, names: &[String]) -> Result<(), Trouble> {
        let there = self.vhosts().await?;
        let missing: Vec<&String> = names.iter().filter(|name| !there.contains(*name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let user = self.url.username();
        let right = |vhost| json!({"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
        let vhosts: Vec<Value> = missing.iter().map(|name| json!({"name": name})).collect();
        let permissions: Vec<Value> = missing.iter().map(right).collect();
        let definitions = json!({"vhosts": vhosts, "permissions": permissions});
        self.import(&definitions, &format!("making {} vhosts", missing.len())).await
    }

    /// What is known of a queue.
    ///
    /// # Errors
    /// When it does not answer, or there is no such queue.
    pub async fn queue(&self, vhost: &str, name: &str) -> Result<Value, Trouble> {
        self.get(&format!("api/queues/{vhost}/{name}")).await
    }

    /// Imports definitions: what is there already stays, or is changed to what they say.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn import(&self, definitions: &Value, doing: &str) -> Result<(), Trouble> {
        let answer = self.client.post(self.path("api/definitions")?).json(definitions).send().await;
        let answer = answer.map_err(Trouble::http(doing))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let why = format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default());
        Err(Trouble::Management { doing: doing.to_owned(), why })
    }

    async fn get(&self, path: &str) -> Result<Value, Trouble> {
        let answer = self.client.get(self.path(path)?).timeout(Duration::from_secs(10)).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status).map_err(Trouble::http(path))?;
        answer.json().await.map_err(Trouble::http(path))
    }

    fn path(&self, path: &str) -> Result<reqwest::Url, Trouble> {
        self.url.join(path).map_err(|error| Trouble::Management { doing: path.to_owned(), why: error.to_string() })
    }
}
