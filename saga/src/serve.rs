//! `saga serve`: the orchestrator's process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use saga_contract::{TOPOLOGY, processes, queues};
use saga_core::{Backoff, DefinitionError, Timings};
use saga_runtime::broker::{Management, ManagementError};
use saga_runtime::config::{ProcessConfig, parse_duration};
use saga_runtime::orchestrator::api::{self, Api, Taps};
use saga_runtime::orchestrator::{
    self, DeadLetters, Orchestrator, Peer, Peers, Processes, Replays, replay_always, wake_always,
};
use saga_runtime::{Process, ProcessError, Secret, Spec};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::order_saga::order_saga;

/// Where the orchestrator listens unless it is told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Alarms are looked at once a second; shorter waits would only wake sagas again and again.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait between two resends.
const RESEND_CAP: time::Duration = time::Duration::seconds(60);

/// Settings of the orchestrator, from flags or the environment.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// What every process needs.
    #[command(flatten)]
    pub process: ProcessConfig,
    /// Orders whose total is below this many minor units are approved by rule; 0: the owner decides each.
    #[arg(long, env = "SAGA_APPROVAL_LIMIT", default_value_t = 50_000, value_parser = clap::value_parser!(i64).range(0..))]
    pub approval_limit: i64,
    /// How long a prepared order waits for the owner's word.
    #[arg(long, env = "SAGA_RESERVATION_TTL", default_value = "30min", value_parser = parse_wait)]
    pub reservation_ttl: Duration,
    /// How long to wait for an answer before the same request is sent again; doubling, up to a minute.
    #[arg(long, env = "SAGA_RESEND_AFTER", default_value = "5s", value_parser = parse_wait)]
    pub resend_after: Duration,
    /// How long a step may go unanswered: before the pivot the saga is undone then, later it asks for a person.
    #[arg(long, env = "SAGA_STEP_TIMEOUT", default_value = "10min", value_parser = parse_wait)]
    pub step_timeout: Duration,
    /// The other processes, for the operator's API: `pet-service=http://127.0.0.1:8081,...`.
    #[arg(long, env = "SAGA_PROCESSES", value_delimiter = ',')]
    pub processes: Vec<Peer>,
    /// RabbitMQ's management API, with a user who may look at the vhost: `http://user:password@host:15672`. With it, `saga
    /// queues` looks at bindings too.
    #[arg(long, env = "RABBITMQ_MANAGEMENT_URL", hide_env_values = true)]
    pub rabbitmq_management_url: Option<Secret>,
}

/// The orchestrator could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The saga's table contradicts itself.
    #[error("the order saga: {0}")]
    Definition(#[from] DefinitionError),
    /// The HTTP client for the other processes.
    #[error("the HTTP client: {0}")]
    Peers(#[from] reqwest::Error),
    /// `RABBITMQ_MANAGEMENT_URL` cannot be used.
    #[error("RABBITMQ_MANAGEMENT_URL: {0}")]
    Management(#[from] ManagementError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

impl ServeConfig {
    /// The saga's deadlines.
    #[must_use]
    pub fn timings(&self) -> Timings {
        let first = time::Duration::try_from(self.resend_after).unwrap_or(RESEND_CAP);
        let defaults = Timings::default();
        Timings {
            resend: Backoff { first, cap: RESEND_CAP.max(first) },
            step_timeout: time::Duration::try_from(self.step_timeout).unwrap_or(defaults.step_timeout),
            pivot_ttl: time::Duration::try_from(self.reservation_ttl).unwrap_or(defaults.pivot_ttl),
        }
    }
}

/// A wait that is long enough not to keep a saga busy with waiting.
fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    if wait >= SHORTEST {
        Ok(wait)
    } else {
        Err(format!("{text} is too short; {} ms are the least", SHORTEST.as_millis()))
    }
}

/// Runs the orchestrator where its settings say, until `shutdown` is cancelled.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: ServeConfig, shutdown: CancellationToken) -> Result<(), ServeError> {
    let address = config.process.listen.unwrap_or(LISTEN);
    let listener = TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })?;
    serve_on(listener, config, shutdown).await
}

/// Runs the orchestrator on a listener that is there already.
///
/// # Errors
/// [`ServeError`].
pub async fn serve_on(
    listener: TcpListener,
    config: ServeConfig,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let spec = Spec {
        name: processes::SAGA,
        version: env!("CARGO_PKG_VERSION"),
        topology: &TOPOLOGY,
        migrations: orchestrator::migrations(),
    };
    let mut process = Process::new(spec, config.process.clone())?;
    let ids = process.ids();
    let saga = order_saga(&ids, config.approval_limit)?;
    let sagas = Arc::new(Orchestrator::new(vec![saga], &ids, config.timings(), process.metrics()));
    process.consume(queues::SAGA_INBOX, sagas.clone());
    let dead_letters = DeadLetters::new(process.writer().pool().clone(), process.metrics(), shutdown.clone());
    process.take_raw(queues::DEAD_LETTERS, Arc::new(dead_letters));
    let peers = Peers::new(config.processes, process.tokens().own())?;
    let processes = Processes::new(process.admin(), peers.clone(), &TOPOLOGY);
    let management = config.rabbitmq_management_url.as_ref().map(Management::new).transpose()?;
    let pool = process.writer().pool().clone();
    let retention = process.retention();
    let replays = Replays::new(pool, process.relay(), process.broker(), processes, &TOPOLOGY, retention);
    let api = Api {
        orchestrator: Arc::clone(&sagas),
        writer: process.writer(),
        relay: process.relay(),
        tokens: process.tokens(),
        peers,
        replays: replays.clone(),
        taps: Taps::default(),
        management,
        topology: &TOPOLOGY,
        stop: shutdown.clone(),
    };
    let (routes, document) = api::routes(api);
    process.openapi(document);
    let (writer, broker) = (process.writer(), process.broker());
    process.background("alarms", |stop| wake_always(sagas, writer, broker, stop));
    process.background("replays", |stop| replay_always(replays, stop));
    Ok(process.serve(listener, routes, shutdown).await?)
}
