//! The broker's management API: a user per claim, and vhosts made empty.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Trouble;

/// A client of the management API.
#[derive(Debug, Clone)]
pub(super) struct Management {
    client: Client,
    url: Url,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Management {
    pub(super) fn at(url: Url) -> Result<Self, Trouble> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, url })
    }

    /// Lets a user with this password do everything in the vhost of the same name, and nothing elsewhere.
    pub(super) async fn make_user(&self, name: &str, password: &str) -> Result<(), Trouble> {
        self.put(&["users", name], json!({"password": password, "tags": ""})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.put(&["permissions", name, name], all).await
    }

    /// Removes a user, if it is there; the broker closes its connections.
    pub(super) async fn remove_user(&self, name: &str) -> Result<(), Trouble> {
        self.delete(&["users", name]).await
    }

    /// Removes everything in a vhost that a client can make.
    pub(super) async fn empty(&self, vhost: &str) -> Result<(), Trouble> {
        let (queues, exchanges, policies) = tokio::try_join!(
            self.names("queues", vhost),
            self.names("exchanges", vhost),
            self.names("policies", vhost)
        )?;
        // The broker's own: the default exchange, and those of the standard.
        let exchanges = exchanges.into_iter().filter(|name| !name.is_empty() && !name.starts_with("amq."));
        let of = |kind: &'static str, names: Vec<String>| names.into_iter().map(move |name| (kind, name));
        let doomed = of("queues", queues).chain(of("exchanges", exchanges.collect())).chain(of("policies", policies));
        // Each to its end, even when one fails: RabbitMQ 4 takes no declaration any more of an exchange whose deletion lost
        // its client.
        let deleted = join_all(doomed.map(async |(kind, name)| self.delete(&[kind, vhost, &name]).await)).await;
        deleted.into_iter().collect()
    }

    async fn names(&self, kind: &str, vhost: &str) -> Result<Vec<String>, Trouble> {
        let answer = self.client.get(self.path(&[kind, vhost])?).send().await?.error_for_status()?;
        let named: Vec<Named> = answer.json().await?;
        Ok(named.into_iter().map(|named| named.name).collect())
    }

    async fn put(&self, path: &[&str], body: Value) -> Result<(), Trouble> {
        self.client.request(Method::PUT, self.path(path)?).json(&body).send().await?.error_for_status()?;
        Ok(())
    }

    async fn delete(&self, path: &[&str]) -> Result<(), Trouble> {
        let answer = self.client.delete(self.path(path)?).send().await?;
        if answer.status() != StatusCode::NOT_FOUND {
            answer.error_for_status()?;
        }
        Ok(())
    }

    fn path(&self, path: &[&str]) -> Result<Url, Trouble> {
        let mut url = self.url.clone();
        let mut segments = url.path_segments_mut().map_err(|()| "the management URL is no base")?;
        segments.clear().push("api").extend(path);
        drop(segments);
        Ok(url)
    }
}
