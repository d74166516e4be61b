//! The settings that every process has. The doc comments are the help text and the reference.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::broker::batch::Batches;
use crate::secret::Secret;

/// For how long messages can be kept: partitions are whole days, and years are counted in four digits.
const RETENTION: RangeInclusive<Duration> = Duration::from_secs(86_400)..=Duration::from_secs(3650 * 86_400);

/// Settings of a process, from flags or the environment.
#[derive(Debug, Clone, Args)]
pub struct ProcessConfig {
    /// The application's role: reads and writes, and in the journal only adds.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// The owner's role: runs the migrations and makes partitions. Without it the process waits
    /// until somebody else has brought the schema up to date.
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    pub database_owner_url: Option<Secret>,
    /// How many connections the process opens to its database at most. Lists of pets or orders take a quarter of them.
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: usize,
    /// RabbitMQ, with user, password and vhost: `amqp://user:password@host:5672/sagaforge`.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: Secret,
    /// Check the topology instead of declaring it; `saga topology declare` has done it.
    #[arg(long, env = "SAGA_TOPOLOGY_PASSIVE", default_value_t = false)]
    pub topology_passive: bool,
    /// Where to listen for HTTP.
    #[arg(long, env = "LISTEN")]
    pub listen: Option<SocketAddr>,
    /// How long it may take until the answer to a request begins: `30s`.
    #[arg(long, env = "HTTP_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub http_timeout: Duration,
    /// How many requests are served at once; further ones are sent away with a 503 and `Retry-After`.
    #[arg(long, env = "HTTP_CONCURRENCY", default_value_t = 1024)]
    pub http_concurrency: usize,
    /// The salt that all ids are forged with; the same for all processes.
    #[arg(long, env = "UUID_FORGE_SALT", hide_env_values = true)]
    pub salt: Secret,
    /// The domain of the ids' namespaces; the same for all processes.
    #[arg(long, env = "SAGA_DOMAIN", default_value = "petstore.example")]
    pub domain: String,
    /// Who may write: a file with lines of `name:token`. Without it, nobody may.
    #[arg(long, env = "SAGA_TOKENS_FILE")]
    pub tokens_file: Option<PathBuf>,
    /// Keep a copy of every event in the stream `event-log`: `on` or `off`.
    #[arg(long, env = "SAGA_EVENT_STREAM", default_value = "on", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub event_stream: bool,
    /// Which messages may share an AMQP message, as a batch of CloudEvents: `none`, `commands`, or `all`, which takes
    /// consumers of events that understand it, and no event stream.
    #[arg(long, env = "SAGA_BATCHES", default_value = "commands")]
    pub batches: Batches,
    /// How far back messages can be replayed, and older ones are parked: `30d`; between a day and ten years.
    #[arg(long, env = "SAGA_RETENTION", default_value = "30d", value_parser = parse_retention)]
    pub retention: Duration,
    /// Write logs as JSON lines.
    #[arg(long, env = "LOG_JSON", default_value_t = false)]
    pub log_json: bool,
}

/// Reads a duration with its unit: `500ms`, `5s`, `10min`, `12h`, `30d`.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("{text} has no number; write 5s, 10min or 30d"))?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" | "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{text} has no unit; write ms, s, min, h or d")),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| format!("{text} is too long"))
}

fn parse_retention(text: &str) -> Result<Duration, String> {
    let retention = parse_duration(text)?;
    let possible = RETENTION.contains(&retention);
    possible.then_some(retention).ok_or_else(|| format!("{text} cannot be kept; write 1d to 3650d"))
}

/// A switch: `on` or `off`.
///
/// # Errors
/// It is neither.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text} is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_kept_for_a_day_to_ten_years() {
        assert_eq!(parse_retention("3650d"), parse_duration("3650d"));
        assert_eq!(parse_retention("24h"), Ok(Duration::from_secs(86_400)));
        for impossible in ["23h", "3651d", "5000000d"] {
            let why = parse_retention(impossible).err();
            assert_eq!(why, Some(format!("{impossible} cannot be kept; write 1d to 3650d")));
        }
    }
}
