//! The servers that tests run against, and how the tests learn of them.

use std::fs;

use crate::screen::Line;
use crate::servers::{
    Endpoints, Given, Place, Stack, Trouble, apt::Suite, databases, place::make_dir, programs::Programs,
    vhosts::Management,
};

/// How many vhosts tests may hold at once. Each costs the broker memory, and time at its start.
const VHOSTS: usize = 64;

/// The servers of tests, apart from those of `./dev up`.
#[derive(Debug)]
pub struct TestServers {
    stack: Stack,
    suite: Suite,
}

impl TestServers {
    /// Those of the checkout at `place`, running or not, with the programs of `suite`.
    ///
    /// # Errors
    /// When their directory cannot be made or read.
    pub fn open(place: Place, suite: Suite) -> Result<Self, Trouble> {
        let name = match suite {
            Suite::Machine => "test",
            Suite::Trixie => "test-trixie",
        };
        Ok(Self { stack: Stack::open(place, name)?, suite })
    }

    /// Whether any of them runs.
    #[must_use]
    pub fn run_already(&self) -> bool {
        self.stack.running("postgres").is_some() || self.stack.running("rabbitmq").is_some()
    }

    /// Forgets what earlier tests left behind; only when none of the servers runs.
    ///
    /// # Errors
    /// When the data cannot be removed.
    pub fn empty(&self) -> Result<(), Trouble> {
        for dir in ["postgres", "rabbitmq", "locks"].map(|server| self.stack.data(server)) {
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(Trouble::at("removing", &dir))?;
            }
        }
        Ok(())
    }

    /// Starts what is missing, makes the pool of vhosts, and gives back the environment of the tests.
    ///
    /// # Errors
    /// When a server cannot be had.
    pub async fn start(&mut self) -> Result<Vec<(&'static str, String)>, Trouble> {
        let given = match self.suite {
            Suite::Machine => Given::read(|name| std::env::var(name).ok())?,
            Suite::Trixie => Given::default(),
        };
        let programs = Programs::find(&self.stack.place, self.suite, &given)?;
        let line = Line::start("servers", "RabbitMQ and PostgreSQL for tests are starting");
        self.stack.start(&programs).await?;
        let endpoints = given.or_of(&mut self.stack)?;
        let names: Vec<String> = (0..VHOSTS).map(|n| format!("t{n:03}")).collect();
        Management::at(&endpoints.broker.management)?.make_vhosts(&names).await?;
        line.done(&format!("{} (private, under .dev/{})", versions(&endpoints).await?, self.stack.name));
        self.environment(endpoints, &names)
    }

    /// Stops those that we started. Says whether any ran.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub async fn stop(&mut self) -> Result<bool, Trouble> {
        self.stack.stop_servers().await
    }

    fn environment(&self, servers: Endpoints, vhosts: &[String]) -> Result<Vec<(&'static str, String)>, Trouble> {
        let locks = self.stack.dir().join("locks");
        make_dir(&locks, 0o700)?;
        Ok(vec![
            ("TEST_POSTGRES_URL", format!("{}/postgres", servers.postgres)),
            ("TEST_AMQP_URL", servers.broker.amqp),
            ("TEST_AMQP_VHOSTS", vhosts.join(",")),
            ("TEST_RABBITMQ_MANAGEMENT_URL", servers.broker.management),
            ("TEST_LOCK_DIR", locks.display().to_string()),
        ])
    }
}

/// The versions that both servers themselves tell.
///
/// # Errors
/// When one does not answer.
pub async fn versions(servers: &Endpoints) -> Result<String, Trouble> {
    let broker = Management::at(&servers.broker.management)?.version().await?;
    let database = databases::version(&servers.postgres).await?;
    Ok(format!("RabbitMQ {broker}, PostgreSQL {database}"))
}
