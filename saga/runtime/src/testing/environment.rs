//! Which servers the tests may use.

use std::path::PathBuf;

use reqwest::Url;

use super::Trouble;

/// The servers, as their administrator reaches them.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// A superuser's URL, with the database `postgres`.
    pub(super) postgres: Url,
    /// The broker, without a vhost.
    pub(super) amqp: Url,
    /// The vhosts that tests may claim.
    pub(super) vhosts: Vec<String>,
    /// The broker's management API, with an administrator's name and password.
    pub(super) management: Url,
    /// Where claims are written down.
    pub(super) locks: PathBuf,
}

impl Environment {
    pub(super) fn read() -> Result<Self, Trouble> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Trouble> {
        let get = |name: &str| {
            lookup(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                format!(
                    "{name} is not set, so there are no servers to test against. Run `./dev test`, or \
                     `eval \"$(./dev test-env)\"` once in this shell and `cargo test` after it"
                )
            })
        };
        let url = |name: &str| -> Result<Url, Trouble> {
            let not_a_url = |error| format!("{name} is not a URL ({error})");
            Ok(get(name)?.parse().map_err(not_a_url)?)
        };
        let vhosts = get("TEST_AMQP_VHOSTS")?.split(',').map(|name| name.trim().to_owned()).collect();
        Ok(Self {
            postgres: url("TEST_POSTGRES_URL")?,
            amqp: url("TEST_AMQP_URL")?,
            vhosts,
            management: url("TEST_RABBITMQ_MANAGEMENT_URL")?,
            locks: get("TEST_LOCK_DIR")?.into(),
        })
    }
}

/// The same server for somebody else: another login, another database or vhost.
pub(super) fn as_user(server: &Url, user: &str, password: &str, path: &str) -> Result<String, Trouble> {
    let mut url = server.clone();
    let named = url.set_username(user).and_then(|()| url.set_password(Some(password)));
    named.map_err(|()| "the URL of a test server names no host")?;
    url.set_path(path);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_together_with_the_command_that_sets_it() {
        let message = Environment::from_lookup(|_| None).unwrap_err().to_string();
        assert!(message.contains("TEST_AMQP_VHOSTS") && message.contains("./dev test"), "{message}");
    }

    #[test]
    fn a_url_is_rewritten_for_another_login() {
        let server = "amqp://root:secret@127.0.0.1:2000".parse().unwrap();
        assert_eq!(as_user(&server, "t001", "pw", "t001").unwrap(), "amqp://t001:pw@127.0.0.1:2000/t001");
    }
}
