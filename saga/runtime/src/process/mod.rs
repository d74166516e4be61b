//! A process: a database of its own, queues with a handler each, HTTP, and loops that never end
//! before the process does.

mod bring_up;
mod run;
mod signal;

pub(crate) use run::pause;
pub use signal::shutdown_signal;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use idforge::Salt;
use refinery::Runner;
use saga_core::{Ids, Topology};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::broker::batch::Batches;
use crate::broker::consumer::Subscription;
use crate::broker::topology::Options;
use crate::broker::{Broker, BrokerError, Deliver, Publisher, Relay, relay};
use crate::check::{Check, Checks};
use crate::config::ProcessConfig;
use crate::delivery::Delivery;
use crate::handler::Handler;
use crate::http::{Admin, Limits, Parts, Tokens};
use crate::metrics::Metrics;
use crate::read_model::{ReadModel, rebuild_always};
use crate::store::{self, OutboxMarks, Pool, Publish, SchemaError, Writer};
use crate::turns::Turns;

/// What a process is, apart from its settings.
pub struct Spec {
    /// Its name: the `source` of its messages, and what the topology calls its queues' consumer.
    pub name: &'static str,
    /// Its version, `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// What the broker must hold.
    pub topology: &'static Topology,
    /// The process's own migrations.
    pub migrations: Runner,
}

/// A process that is being put together. It connects nothing before [`Process::serve`].
pub struct Process {
    spec: Spec,
    config: ProcessConfig,
    salt: Salt,
    ids: Ids,
    /// How the schema's owner connects, where this process knows it.
    owner: Option<tokio_postgres::Config>,
    pool: Pool,
    broker: Broker,
    relay: Relay,
    publisher: Publisher,
    publish: Publish,
    tokens: Tokens,
    metrics: Arc<Metrics>,
    turns: Turns,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    subscriptions: Vec<Subscription>,
    loops: Vec<(&'static str, Loop)>,
    openapi: utoipa::openapi::OpenApi,
    delivery: Deliveries,
    rebuild: Arc<Notify>,
    checks: Checks,
}

/// Where the delivery of a process is found once it is put together, by those who were there before.
pub(crate) type Deliveries = Arc<OnceLock<Arc<Delivery>>>;

type Loop = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send + Sync>;

/// A process that cannot start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// `DATABASE_URL` or `DATABASE_OWNER_URL` cannot be used.
    #[error(transparent)]
    Pool(#[from] store::PoolError),
    /// `AMQP_URL` cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// `UUID_FORGE_SALT` cannot be used.
    #[error("UUID_FORGE_SALT: {0}")]
    Salt(#[from] idforge::Error),
    /// `SAGA_TOKENS_FILE` cannot be used.
    #[error("SAGA_TOKENS_FILE: {0}")]
    Tokens(String),
    /// The topology contradicts itself.
    #[error("the topology: {0}")]
    Topology(#[from] saga_core::TopologyError),
    /// The stream is read message by message.
    #[error(
        "SAGA_BATCHES=all goes with SAGA_EVENT_STREAM=off only: the stream of all events is read message by message"
    )]
    BatchesInStream,
    /// Whoever waits so long is told of a timeout, whatever the process would have told them.
    #[error("{setting} is {wait:?} and must be less than HTTP_TIMEOUT, which is {limit:?}: a request takes no longer")]
    WaitTooLong {
        /// The setting of the process's own.
        setting: &'static str,
        /// How long it lets clients wait.
        wait: Duration,
        /// How long a request may take.
        limit: Duration,
    },
    /// The schema cannot be brought up to date.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Something that runs as long as the process does ended before it.
    #[error("{0} ended before the process did; the log says why")]
    Loop(&'static str),
    /// HTTP ended.
    #[error("HTTP: {0}")]
    Http(#[from] std::io::Error),
}

impl Process {
    /// A process with these settings.
    ///
    /// # Errors
    /// [`ProcessError`]: a setting that can never work. Servers that are not there are no error.
    pub fn new(spec: Spec, config: ProcessConfig) -> Result<Self, ProcessError> {
        spec.topology.validate()?;
        if config.batches == Batches::All && config.event_stream {
            return Err(ProcessError::BatchesInStream);
        }
        let salt = Salt::new(config.salt.expose())?;
        let owner = config.database_owner_url.as_ref().map(|url| store::settings("DATABASE_OWNER_URL", url));
        let pool = store::connect("DATABASE_URL", &config.database_url, spec.name, config.database_connections)?;
        let options = Options { passive: config.topology_passive, event_stream: config.event_stream };
        let broker = Broker::new(&config.amqp_url, spec.name, spec.topology, options)?;
        let marks = Arc::new(OutboxMarks { pool: pool.clone(), topology: spec.topology });
        let (relay, publisher) = relay::new(&broker, marks, config.batches);
        let committed = relay.clone();
        let tokens =
            Tokens::read(config.tokens_file.as_deref()).map_err(|error| ProcessError::Tokens(error.to_string()))?;
        Ok(Self {
            ids: Ids::new(&salt, &config.domain),
            publish: Publish::new(move |outbound| committed.publish(outbound)),
            handlers: BTreeMap::new(),
            subscriptions: Vec::new(),
            loops: Vec::new(),
            openapi: utoipa::openapi::OpenApi::default(),
            delivery: Deliveries::default(),
            rebuild: Arc::default(),
            checks: Checks::default(),
            metrics: Arc::new(Metrics::default()),
            turns: Turns::default(),
            spec,
            config,
            salt,
            owner: owner.transpose()?,
            pool,
            broker,
            relay,
            publisher,
            tokens,
        })
    }

    /// Writes changes together with their messages.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::new(self.pool.clone(), self.spec.topology, self.publish.clone())
    }

    /// Whose batches take turns with those of the queues.
    #[must_use]
    pub fn turns(&self) -> Turns {
        self.turns.clone()
    }

    /// The forges of the engine's ids.
    #[must_use]
    pub fn ids(&self) -> Ids {
        self.ids.clone()
    }

    /// The salt, for the forges of the process's own ids.
    #[must_use]
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ProcessConfig {
        &self.config
    }

    /// What the process counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Who may write.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Publishes single messages and waits until they are: for an operator's hands.
    #[must_use]
    pub fn relay(&self) -> Relay {
        self.relay.clone()
    }

    /// What operators do at this process, without the way over HTTP.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let admin = Admin::new(self.pool.clone(), self.relay.clone(), self.tokens.clone(), self.ids.clone());
        admin.with(Arc::clone(&self.delivery), Arc::clone(&self.rebuild), self.checks.clone())
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }

    fn parts(&self, schema: watch::Receiver<bool>) -> Parts {
        Parts {
            name: self.spec.name,
            version: self.spec.version,
            fingerprint: self.salt.fingerprint().to_string(),
            broker: self.broker.clone(),
            pool: self.pool.clone(),
            admin: self.admin(),
            metrics: Arc::clone(&self.metrics),
            openapi: self.openapi.clone(),
            schema,
            limits: Limits {
                timeout: self.config.http_timeout,
                concurrency: self.config.http_concurrency,
                ..Limits::default()
            },
        }
    }

    /// Handles the messages of a queue.
    pub fn consume(&mut self, queue: &'static str, handler: Arc<dyn Handler>) {
        self.handlers.insert(queue, handler);
    }

    /// Rebuilds a read model whenever an operator asks for it. A process has one at most: one is told of what is asked.
    pub fn read_model(&mut self, model: Arc<impl ReadModel>) {
        let (pool, asked) = (self.pool.clone(), Arc::clone(&self.rebuild));
        self.background("rebuilds", |stop| rebuild_always(model, pool, asked, stop));
    }

    /// Looks at this too when the process is verified.
    pub fn check(&mut self, check: Arc<dyn Check>) {
        self.checks.push(check);
    }

    /// Takes what comes from a queue as it is, past the pipeline: for what is no message of ours.
    pub fn take_raw(&mut self, queue: &'static str, deliver: Arc<dyn Deliver>) {
        self.subscriptions.push(Subscription { queue, deliver });
    }

    /// Runs a loop of the process's own from the moment that the schema is up to date. It ends when
    /// its token is cancelled.
    pub fn background<F>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(CancellationToken) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.loops.push((name, Box::new(move |stop| Box::pin(work(stop)))));
    }

    /// The OpenAPI document of the process's own routes.
    pub fn openapi(&mut self, document: utoipa::openapi::OpenApi) {
        self.openapi = document;
    }
}
