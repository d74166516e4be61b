//! The whole system on this machine: up, down, and in between.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::processes::{self, System};
use crate::screen::{Line, say};
use crate::servers::{Endpoints, Given, Place, Stack, Trouble, apt::Suite, programs::Programs, secrets::write_private};
use crate::state;

/// The system of one checkout, held by us alone as long as this lives.
#[derive(Debug)]
pub struct Up {
    stack: Stack,
    /// What the last start was given; the commands after it need not be told again.
    given: Given,
    _lock: File,
}

/// One line of `./dev status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The server or process.
    pub name: String,
    /// Where it listens, without login.
    pub url: String,
    /// Its number; `None` when it does not run, or when it was given.
    pub pid: Option<u32>,
    /// Whether it answers.
    pub ready: bool,
}

impl Up {
    /// Takes hold of the checkout at `place`; waits while another `./dev` holds it.
    ///
    /// # Errors
    /// When its files cannot be made or read.
    pub fn open(place: Place) -> Result<Self, Trouble> {
        let path = place.dev.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(Trouble::at("opening", &path))?;
        if lock.try_lock().is_err() {
            say("waiting", "another ./dev is at work in this checkout");
            lock.lock().map_err(Trouble::at("locking", &path))?;
        }
        let stack = Stack::open(place, "up")?;
        let given = match fs::read(given_file(&stack)) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| Trouble::Unmet(error.to_string()))?,
            Err(_) => Given::default(),
        };
        Ok(Self { stack, given, _lock: lock })
    }

    /// Starts what is missing and waits until all of it is ready; writes `.dev/state.json`.
    ///
    /// # Errors
    /// When something cannot be had; what runs until then keeps running and `down` stops it.
    pub async fn start(&mut self) -> Result<System, Trouble> {
        self.given = Given::read(|name| std::env::var(name).ok())?;
        let text = serde_json::to_vec_pretty(&self.given).map_err(|error| Trouble::Unmet(error.to_string()))?;
        write_private(&given_file(&self.stack), &text)?;
        let programs = Programs::find(&self.stack.place, Suite::Machine, &self.given)?;
        let line = Line::start("servers", "RabbitMQ and PostgreSQL are starting");
        self.stack.start(&programs).await?;
        let servers = self.servers()?;
        let system = System::prepare(&mut self.stack, &servers).await?;
        let whose = if self.given == Given::default() { "private, under .dev/" } else { "given" };
        line.done(&format!("{} ({whose})", crate::tests::versions(&servers).await?));
        let names = processes::ALL.map(|process| process.name).join("  ");
        let line = Line::start("processes", names.clone());
        let started = processes::start(&mut self.stack, &system).await;
        state::write(&mut self.stack, &servers, &system)?;
        started?;
        line.done(&names);
        Ok(system)
    }

    /// Stops what `start` started. Says whether anything ran.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub async fn stop(&mut self) -> Result<bool, Trouble> {
        let mut any = processes::stop(&mut self.stack).await?;
        any |= self.stack.stop_servers().await?;
        state::remove(&self.stack)?;
        Ok(any)
    }

    /// Every server and process, running or not.
    ///
    /// # Errors
    /// When a port cannot be written down.
    pub async fn parts(&mut self) -> Result<Vec<Part>, Trouble> {
        let servers = self.servers()?;
        let mut parts = Vec::new();
        for (name, process, url) in
            [("postgres", "postgres", &servers.postgres), ("amqp", "rabbitmq", &servers.broker.amqp)]
        {
            let pid = self.stack.running(process).map(|started| started.pid);
            parts.push(Part { name: name.into(), url: without_login(url), pid, ready: false });
        }
        parts[0].ready = crate::servers::databases::version(&servers.postgres).await.is_ok();
        let management = crate::servers::vhosts::Management::at(&servers.broker.management)?;
        parts[1].ready = management.version().await.is_ok();
        for process in &processes::ALL {
            let url = processes::url(&mut self.stack, process.name)?;
            let pid = self.stack.running(process.name).map(|started| started.pid);
            let ready = pid.is_some() && processes::is_ready(&url).await;
            parts.push(Part { name: process.name.into(), url, pid, ready });
        }
        Ok(parts)
    }

    /// What a shell needs to talk to what is up.
    ///
    /// # Errors
    /// When nothing is up.
    pub fn environment(&mut self) -> Result<Vec<(String, String)>, Trouble> {
        if !self.stack.place.dev.join("state.json").exists() {
            return Err(Trouble::Unmet("nothing is up; start it with ./dev up".into()));
        }
        let servers = self.servers()?;
        let mut environment = Vec::new();
        for process in &processes::ALL {
            let name = format!("{}_URL", process.name.to_uppercase().replace('-', "_"));
            environment.push((name, processes::url(&mut self.stack, process.name)?));
        }
        let domain = std::env::var("SAGA_DOMAIN").unwrap_or_else(|_| "petstore.example".into());
        let more = [
            ("SAGA_TOKEN", self.stack.secrets.get("token")?),
            ("SAGA_DOMAIN", domain),
            ("UUID_FORGE_SALT", self.stack.secrets.get("salt")?),
            ("AMQP_URL", format!("{}/{}", servers.broker.amqp, processes::VHOST)),
            ("RABBITMQ_MANAGEMENT_URL", servers.broker.management),
            ("POSTGRES_URL", servers.postgres),
        ];
        environment.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Ok(environment)
    }

    /// Where the four processes listen.
    ///
    /// # Errors
    /// When a port cannot be written down.
    pub fn urls(&mut self) -> Result<crate::demo::Urls, Trouble> {
        crate::demo::urls(&mut self.stack, 1)
    }

    fn servers(&mut self) -> Result<Endpoints, Trouble> {
        self.given.or_of(&mut self.stack)
    }
}

fn given_file(stack: &Stack) -> PathBuf {
    stack.dir().join("given.json")
}

fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}
