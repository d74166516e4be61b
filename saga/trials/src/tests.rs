//! The servers that tests run against, and how the tests learn of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

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
    /// Locked while somebody starts or stops them.
    door: File,
    /// Locked, shared, by everybody who uses them.
    users: File,
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
        let stack = Stack::open(place, name)?;
        let door = lockable(&stack.dir().join("door"))?;
        let users = lockable(&stack.dir().join("users"))?;
        door.lock().map_err(Trouble::at("locking", &stack.dir()))?;
        // What was started may have changed while we waited.
        let stack = Stack::open(stack.place, name)?;
        Ok(Self { stack, suite, door, users })
    }

    /// Starts what is missing, makes the pool of vhosts, and gives back the environment of the tests. The servers
    /// are in use until [`TestServers::leave`], or the end of this process.
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
        if !self.any_runs() {
            self.empty()?;
        }
        self.stack.start(&programs).await?;
        let endpoints = given.or_of(&mut self.stack)?;
        let names: Vec<String> = (0..VHOSTS).map(|n| format!("t{n:03}")).collect();
        Management::at(&endpoints.broker.management)?.make_vhosts(&names).await?;
        let whose =
            if given == Given::default() { format!("private, under .dev/{}", self.stack.name) } else { "given".into() };
        line.done(&format!("{} ({whose})", versions(&endpoints).await?));
        let environment = self.environment(endpoints, &names)?;
        self.users
            .lock_shared()
            .and_then(|()| self.door.unlock())
            .map_err(Trouble::at("locking", &self.stack.dir()))?;
        Ok(environment)
    }

    /// Says that they are to stay when tests leave them, until [`TestServers::stop`].
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn keep(&self) -> Result<(), Trouble> {
        let kept = self.kept();
        fs::write(&kept, "").map_err(Trouble::at("writing", &kept))
    }

    /// Ends our use of them; stops them, unless others use them or they are to stay.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub async fn leave(&mut self) -> Result<(), Trouble> {
        let dir = self.stack.dir();
        self.users.unlock().and_then(|()| self.door.lock()).map_err(Trouble::at("locking", &dir))?;
        let used = self.users.try_lock().is_err();
        if !used && !self.kept().exists() {
            self.stack.discard_servers().await?;
        }
        Ok(())
    }

    /// Stops those that we started. Says whether any ran.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub async fn stop(&mut self) -> Result<bool, Trouble> {
        if self.kept().exists() {
            fs::remove_file(self.kept()).map_err(Trouble::at("removing", &self.kept()))?;
        }
        self.stack.discard_servers().await
    }

    fn kept(&self) -> PathBuf {
        self.stack.dir().join("kept")
    }

    fn any_runs(&self) -> bool {
        self.stack.running("postgres").is_some() || self.stack.running("rabbitmq").is_some()
    }

    /// Forgets what earlier tests left behind.
    fn empty(&self) -> Result<(), Trouble> {
        let locks = self.stack.dir().join("locks");
        if locks.exists() {
            fs::remove_dir_all(&locks).map_err(Trouble::at("removing", &locks))?;
        }
        self.stack.empty()
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

fn lockable(path: &Path) -> Result<File, Trouble> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(Trouble::at("opening", path))
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
