//! Servers that run already, given by URLs in the environment, and how to reach any server.

use serde::{Deserialize, Serialize};

use super::{Stack, Trouble, postgres, rabbitmq};

/// How to reach a broker as its administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// `amqp://user:password@host:port`, without a vhost.
    pub amqp: String,
    /// `http://user:password@host:port` of its management interface.
    pub management: String,
}

/// How to reach both servers as their administrator, given or our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// RabbitMQ.
    pub broker: Broker,
    /// PostgreSQL: `postgres://user:password@host:port`, without a database.
    pub postgres: String,
}

/// Servers that somebody else runs, which we use instead of starting our own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// From `SAGA_AMQP_URL` and `SAGA_RABBITMQ_MANAGEMENT_URL`: its user may make vhosts.
    pub broker: Option<Broker>,
    /// From `SAGA_POSTGRES_URL`: its user may make databases and roles.
    pub postgres: Option<String>,
}

impl Given {
    /// Reads `SAGA_AMQP_URL`, `SAGA_RABBITMQ_MANAGEMENT_URL` and `SAGA_POSTGRES_URL` with `variable`. A vhost or
    /// database in them is left out: we make our own.
    ///
    /// # Errors
    /// When one is not such a URL, or a broker is given without its management interface.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Trouble> {
        let url = |name: &str, schemes: &[&str]| match variable(name) {
            Some(text) if !text.is_empty() => without_path(name, &text, schemes).map(Some),
            _ => Ok(None),
        };
        let amqp = url("SAGA_AMQP_URL", &["amqp", "amqps"])?;
        let management = url("SAGA_RABBITMQ_MANAGEMENT_URL", &["http"])?;
        let postgres = url("SAGA_POSTGRES_URL", &["postgres", "postgresql"])?;
        let broker = match (amqp, management) {
            (Some(amqp), Some(management)) => Some(Broker { amqp, management }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let text = "SAGA_AMQP_URL and SAGA_RABBITMQ_MANAGEMENT_URL belong together: vhosts are made through the latter";
                return Err(Trouble::Unmet(text.into()));
            }
        };
        Ok(Self { broker, postgres })
    }

    /// How to reach the servers: the given ones, and for the rest those of `stack`.
    ///
    /// # Errors
    /// When a password or port of the stack cannot be written down.
    pub fn or_of(&self, stack: &mut Stack) -> Result<Endpoints, Trouble> {
        let broker = self.broker.clone().map_or_else(|| rabbitmq::urls(stack), Ok)?;
        let postgres = self.postgres.clone().map_or_else(|| postgres::url(stack), Ok)?;
        Ok(Endpoints { broker, postgres })
    }
}

fn without_path(name: &str, text: &str, schemes: &[&str]) -> Result<String, Trouble> {
    let wrong = || Trouble::Unmet(format!("{name} is not a URL like {}://user:password@host:port", schemes[0]));
    let mut url: reqwest::Url = text.parse().map_err(|_| wrong())?;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none() {
        return Err(wrong());
    }
    url.set_path("");
    url.set_query(None);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Given, Trouble> {
        Given::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_given_means_our_own() {
        assert_eq!(read(&[]).unwrap(), Given::default());
    }

    #[test]
    fn a_database_or_vhost_in_a_given_url_is_left_out() {
        let given = read(&[
            ("SAGA_POSTGRES_URL", "postgres://a:b@db.example:5432/somewhere?x=1"),
            ("SAGA_AMQP_URL", "amqp://a:b@mq.example:5672/%2f"),
            ("SAGA_RABBITMQ_MANAGEMENT_URL", "http://a:b@mq.example:15672/"),
        ]);
        let given = given.unwrap();
        assert_eq!(given.postgres.as_deref(), Some("postgres://a:b@db.example:5432"));
        let broker =
            Broker { amqp: "amqp://a:b@mq.example:5672".into(), management: "http://a:b@mq.example:15672".into() };
        assert_eq!(given.broker, Some(broker));
    }

    #[test]
    fn a_wrong_url_is_told_by_its_variable_and_without_its_password() {
        let told = read(&[("SAGA_POSTGRES_URL", "mysql://root:geheim@db")]).unwrap_err().to_string();
        assert!(told.contains("SAGA_POSTGRES_URL") && !told.contains("geheim"), "{told}");
        let told = read(&[("SAGA_AMQP_URL", "amqp://a:b@mq")]).unwrap_err().to_string();
        assert!(told.contains("SAGA_RABBITMQ_MANAGEMENT_URL"), "{told}");
    }
}
