//! One pair of private servers: started when missing, left alone when running, stopped by number.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::{
    Place, Trouble,
    place::make_dir,
    ports::Ports,
    postgres,
    process::Started,
    programs::Programs,
    rabbitmq,
    secrets::{Secrets, write_private},
};

/// How long a server may take to leave when asked, before it is made to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pair of private servers with their directory below `.dev/`: `up` for `./dev up`, others for tests.
#[derive(Debug)]
pub struct Stack {
    /// The checkout's directories.
    pub place: Place,
    /// Its name, and its directory's.
    pub name: String,
    /// Its ports.
    pub ports: Ports,
    /// Its passwords.
    pub secrets: Secrets,
    /// How much memory its PostgreSQL takes.
    pub size: postgres::Size,
    started: BTreeMap<String, Started>,
}

impl Stack {
    /// Opens the stack of that name, running or not.
    ///
    /// # Errors
    /// When its directory cannot be made or read.
    pub fn open(place: Place, name: &str) -> Result<Self, Trouble> {
        let dir = place.dev.join(name);
        make_dir(&dir, 0o711)?;
        make_dir(&place.reach.join(name), 0o711)?;
        let started = match fs::read(dir.join("started.json")) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => BTreeMap::new(),
        };
        let ports = Ports::open(dir.join("ports.json"));
        let secrets = Secrets::open(dir.join("secrets.json"))?;
        Ok(Self { place, name: name.to_owned(), ports, secrets, size: postgres::Size::SMALL, started })
    }

    /// The stack's own directory: ports, secrets, what was started.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.place.dev.join(&self.name)
    }

    /// Where a server of the stack keeps its data: reachable for the account it runs as.
    #[must_use]
    pub fn data(&self, server: &str) -> PathBuf {
        self.place.reach.join(&self.name).join(server)
    }

    /// Where what `process` prints is kept.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        let logs = self.place.dev.join("logs");
        if self.name == "up" {
            logs.join(format!("{process}.log"))
        } else {
            logs.join(format!("{}-{process}.log", self.name))
        }
    }

    /// The process of that name, if we started it and it runs.
    #[must_use]
    pub fn running(&self, process: &str) -> Option<&Started> {
        self.started.get(process).filter(|started| started.is_alive())
    }

    /// Everything that was started and not stopped, running or not.
    pub fn started(&self) -> impl Iterator<Item = &Started> {
        self.started.values()
    }

    /// Writes down that `process` was started, so that `down` can stop it whatever happens to us.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, process: &str, started: Started) -> Result<(), Trouble> {
        self.started.insert(process.to_owned(), started);
        self.write_down()
    }

    /// Removes the data of both servers, which do not run, so that they start empty.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn empty(&self) -> Result<(), Trouble> {
        for dir in ["postgres", "rabbitmq"].map(|server| self.data(server)).iter().filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir).map_err(Trouble::at("removing", dir))?;
        }
        Ok(())
    }

    /// Starts what is missing of the servers whose programs are given, and waits until they answer.
    ///
    /// # Errors
    /// When one cannot be started; what was started until then stays noted.
    pub async fn start(&mut self, programs: &Programs) -> Result<(), Trouble> {
        if let Some(programs) = &programs.postgres {
            postgres::launch(self, programs)?;
        }
        if let Some(programs) = &programs.rabbitmq {
            rabbitmq::launch(self, programs)?;
            rabbitmq::wait(self).await?;
        }
        if let Some(programs) = &programs.postgres {
            postgres::wait(self, programs).await?;
        }
        Ok(())
    }

    /// Stops one process, if we started it and it runs.
    ///
    /// # Errors
    /// When what was started cannot be written down.
    pub async fn stop(&mut self, process: &str, ask: Signal) -> Result<bool, Trouble> {
        let Some(started) = self.started.remove(process) else {
            return Ok(false);
        };
        let was_running = started.is_alive();
        started.stop(ask, PATIENCE).await;
        self.write_down()?;
        Ok(was_running)
    }

    /// Kills whatever was started and still runs; says whether anything did.
    ///
    /// # Errors
    /// When what was started cannot be written down.
    pub async fn kill_all(&mut self) -> Result<bool, Trouble> {
        let mut any = false;
        for process in self.started.keys().cloned().collect::<Vec<_>>() {
            any |= self.stop(&process, Signal::KILL).await?;
        }
        Ok(any)
    }

    /// Stops both servers, and what belongs to them, with all data written. Says whether any ran.
    ///
    /// # Errors
    /// When what was started cannot be written down.
    pub async fn stop_servers(&mut self) -> Result<bool, Trouble> {
        self.stop_with(Signal::TERM).await
    }

    /// Stops both servers, whose data nobody needs any more: the broker does not take its seconds to close it.
    ///
    /// # Errors
    /// When what was started cannot be written down.
    pub async fn discard_servers(&mut self) -> Result<bool, Trouble> {
        self.stop_with(Signal::KILL).await
    }

    /// Both are asked before either is waited for; the port mapper goes last, since the broker's node needs it until
    /// its end. INT is PostgreSQL's fast shutdown: sessions are ended, nothing is lost, no shared memory stays behind.
    async fn stop_with(&mut self, broker: Signal) -> Result<bool, Trouble> {
        let mut any = false;
        for (server, ask) in [("rabbitmq", broker), ("postgres", Signal::INT)] {
            if let Some(started) = self.running(server) {
                started.signal(ask);
                any = true;
            }
        }
        for (server, ask) in [("postgres", Signal::INT), ("rabbitmq", broker), ("epmd", Signal::TERM)] {
            self.stop(server, ask).await?;
        }
        Ok(any)
    }

    fn write_down(&self) -> Result<(), Trouble> {
        let text = serde_json::to_vec_pretty(&self.started).map_err(|error| Trouble::Unmet(error.to_string()))?;
        write_private(&self.dir().join("started.json"), &text)
    }
}
