//! What a test claims, and gives back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::claim::Claim;
use super::environment::{Environment, as_user};
use super::management::Management;
use super::{Database, Trouble, database, password};
use crate::config::ProcessConfig;
use crate::secret::Secret;

/// When so many vhosts in a row cannot be emptied, the fault lies elsewhere.
const MOST_FAILURES: usize = 2;

/// The salt of processes under test.
pub const SALT: &str = "a-salt-for-tests-alone-0123456789abcdef";

/// An empty vhost, and databases as needed, for one test. Dropped together with everything in them.
///
/// Stop the processes under test first: those that still run when this is dropped lose their
/// connections and cannot come back.
#[derive(Debug)]
pub struct Servers {
    environment: Environment,
    claim: Claim,
    amqp_url: String,
    token: String,
}

impl Servers {
    /// Claims a vhost that nobody uses, and makes it empty. Waits while all are in use.
    ///
    /// # Panics
    /// When the environment names no servers (the message says how to start them), or when they do
    /// not answer.
    pub async fn claim() -> Self {
        Self::try_claim().await.unwrap_or_else(|error| panic!("the servers for tests: {error}"))
    }

    async fn try_claim() -> Result<Self, Trouble> {
        let environment = Environment::read()?;
        let management = Management::at(environment.management.clone())?;
        let claim = empty_claim(&environment, &management).await?;
        let password = password();
        let amqp_url = as_user(&environment.amqp, &claim.vhost, &password, &claim.vhost)?;
        let servers = Self { environment, claim, amqp_url, token: super::password() };
        management.make_user(&servers.claim.vhost, &password).await?;
        fs::write(servers.tokens_file(), format!("tester:{}\n", servers.token))?;
        Ok(servers)
    }

    /// A fresh database with its two roles. One for each process under test.
    ///
    /// # Panics
    /// When it cannot be made: the name was used in this test before, or is no lower-case word.
    pub async fn database(&self, name: &str) -> Database {
        let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(word, "{name:?} cannot be a database's name: use a lower-case word");
        let full = format!("{}{name}", prefix(&self.claim.vhost));
        let made = Database::make(&self.environment.postgres, &full).await;
        made.unwrap_or_else(|error| panic!("making the database {full}: {error}"))
    }

    /// The broker, with a user that exists only for this test, and its vhost.
    #[must_use]
    pub fn amqp_url(&self) -> &str {
        &self.amqp_url
    }

    /// The broker's management API, as its administrator.
    #[must_use]
    pub fn management_url(&self) -> &str {
        self.environment.management.as_str()
    }

    /// The name of the vhost.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.claim.vhost
    }

    /// A file with one token, for `SAGA_TOKENS_FILE`; the operator's name is `tester`.
    #[must_use]
    pub fn tokens_file(&self) -> PathBuf {
        self.environment.locks.join(format!("{}.tokens", self.claim.vhost))
    }

    /// That token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Gives everything back.
    ///
    /// On a thread with a runtime and connections of its own: a destructor cannot await, and the
    /// test's runtime does not run while it waits here.
    fn release(&self) -> Result<(), Trouble> {
        let work = || -> Result<(), Trouble> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let management = Management::at(self.environment.management.clone())?;
            runtime.block_on(clear(&self.environment, &management, &self.claim.vhost))
        };
        let cleared = std::thread::scope(|scope| scope.spawn(work).join());
        cleared.unwrap_or_else(|_| Err("the thread that clears up panicked".into()))?;
        fs::remove_file(self.tokens_file())?;
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            // The next claim of this vhost clears up; a second panic here would hide the first.
            eprintln!("clearing the vhost {} after a test: {error}", self.claim.vhost);
        }
    }
}

/// Claims a vhost and removes what a killed test left behind.
async fn empty_claim(environment: &Environment, management: &Management) -> Result<Claim, Trouble> {
    let mut failures = 0;
    loop {
        let claim = Claim::of(&environment.vhosts, &environment.locks).await?;
        match clear(environment, management, &claim.vhost).await {
            Ok(()) => return Ok(claim),
            Err(error) if failures >= MOST_FAILURES => return Err(error),
            Err(error) => claim.give_up(&environment.locks, &error)?,
        }
        failures += 1;
    }
}

/// Removes all that belongs to a claim. Everybody who is still connected is cut off first.
async fn clear(environment: &Environment, management: &Management, vhost: &str) -> Result<(), Trouble> {
    let names = prefix(vhost);
    let broker = async {
        management.remove_user(vhost).await?;
        management.empty(vhost).await
    };
    let (broker, databases) = tokio::join!(broker, database::drop_all(&environment.postgres, &names));
    broker.and(databases)
}

/// What the names of a claim's databases and roles start with.
fn prefix(vhost: &str) -> String {
    let word = vhost.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_ascii_lowercase();
    format!("test_{word}_")
}

/// The settings of a process under test with this database; `listen` is left to the test. The
/// stream of all events is off: making and deleting one for each test is the broker's weak spot.
#[must_use]
pub fn process_config(database: &Database, servers: &Servers) -> ProcessConfig {
    ProcessConfig {
        database_url: Secret::new(&database.app_url),
        database_owner_url: Some(Secret::new(&database.owner_url)),
        database_connections: 8,
        amqp_url: Secret::new(servers.amqp_url()),
        topology_passive: false,
        listen: None,
        http_timeout: Duration::from_secs(30),
        http_concurrency: 1024,
        salt: Secret::new(SALT),
        domain: "petstore.example".to_owned(),
        tokens_file: Some(servers.tokens_file()),
        event_stream: false,
        batches: crate::broker::batch::Batches::default(),
        retention: Duration::from_secs(30 * 86_400),
        log_json: false,
    }
}
