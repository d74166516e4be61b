//! Two copies of each process and both servers, with a proxy on every way between them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::plan::{Fault, Server};
use super::proxy::Proxy;
use crate::demo::{Shop, Urls};
use crate::processes::{self, Process, System};
use crate::screen::Line;
use crate::servers::process::{run, run_as};
use crate::servers::programs::Programs;
use crate::servers::{Endpoints, Given, Place, Stack, Trouble, rabbitmq};

/// How many copies run in all, two of each process: the second of each comes four places after the first.
pub(super) const COPIES: usize = EACH * processes::ALL.len();

const EACH: usize = 2;

/// How long a client waits for an answer before it asks again, perhaps another copy.
const CLIENT_PATIENCE: Duration = Duration::from_secs(8);

/// Times so short that everything that takes minutes in earnest happens many times in a campaign.
const SETTINGS: [(&str, &str); 4] =
    [("SAGA_RESEND_AFTER", "1s"), ("SAGA_STEP_TIMEOUT", "20s"), ("SAGA_RESERVATION_TTL", "15s"), ("ORDER_WAIT", "3s")];

/// Where a library that tells processes another time may be.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// Everything that runs in a campaign.
#[derive(Debug)]
pub(super) struct Fleet {
    stack: Stack,
    programs: Programs,
    /// What the processes run with, without the proxies.
    pub(super) system: System,
    /// The servers, without the proxies.
    pub(super) endpoints: Endpoints,
    members: Vec<Member>,
    faketime: Option<&'static str>,
    _lock: File,
}

#[derive(Debug)]
struct Member {
    process: Process,
    name: String,
    url: String,
    system: System,
    broker: Proxy,
    database: Proxy,
    /// By how many seconds its clock is wrong.
    skew: i32,
    /// Whether it was killed, and is to be started again.
    killed: bool,
}

impl Fleet {
    /// Starts servers, with nothing in them, and all copies, in a stack of that name.
    ///
    /// # Errors
    /// When a server or process does not start.
    pub(super) async fn start(place: Place, name: &str, programs: Programs) -> Result<Self, Trouble> {
        let line = Line::start("fleet", "RabbitMQ, PostgreSQL and two copies of each process");
        let mut stack = Stack::open(place, name)?;
        let lock = lock(&stack.dir())?;
        stack.kill_all().await?;
        stack.empty()?;
        stack.start(&programs).await?;
        let endpoints = Given::default().or_of(&mut stack)?;
        let system = System::prepare(&mut stack, &endpoints).await?;
        let faketime = FAKETIME.into_iter().find(|path| Path::new(path).exists());
        let mut fleet = Self { stack, programs, system, endpoints, members: Vec::new(), faketime, _lock: lock };
        for (process, name) in processes::copies(EACH) {
            fleet.add(process, name).await?;
        }
        for copy in 0..COPIES {
            fleet.launch(copy)?;
        }
        for (_, name) in processes::copies(EACH) {
            processes::wait(&name, &mut fleet.stack).await?;
        }
        rabbitmq::written_down().await;
        line.done("both servers and two copies of each process");
        Ok(fleet)
    }

    async fn add(&mut self, process: Process, name: String) -> Result<(), Trouble> {
        let mut way = async |server: &str, url: &str| {
            let port = self.stack.ports.free(&format!("{name}-{server}"))?;
            Ok::<_, Trouble>((port, Proxy::open(port, port_of(url)?).await?))
        };
        let (amqp, broker) = way("broker", &self.endpoints.broker.amqp).await?;
        let (postgres, database) = way("database", &self.endpoints.postgres).await?;
        self.stack.ports.free(&name)?;
        let (url, system) = (processes::url(&mut self.stack, &name)?, self.system.through(amqp, postgres)?);
        self.members.push(Member { process, name, url, system, broker, database, skew: 0, killed: false });
        Ok(())
    }

    fn launch(&mut self, copy: usize) -> Result<(), Trouble> {
        let Some(member) = self.members.get_mut(copy) else { return Ok(()) };
        let mut settings: Vec<(&str, String)> = SETTINGS.map(|(name, value)| (name, value.to_owned())).to_vec();
        if let (Some(library), true) = (self.faketime, member.skew != 0) {
            settings.push(("LD_PRELOAD", library.to_owned()));
            settings.push(("FAKETIME", format!("{:+}", member.skew)));
            settings.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
        }
        member.system.settings = settings;
        processes::launch(&member.process, &member.name, &mut self.stack, &member.system)?;
        member.killed = false;
        Ok(())
    }

    /// Clients of the first copies, and of the second ones.
    ///
    /// # Errors
    /// When an HTTP client cannot be made.
    pub(super) fn shops(&self) -> Result<[Shop; 2], Trouble> {
        let url = |copy: usize| self.members.get(copy).map(|member| member.url.clone()).unwrap_or_default();
        let shop = |first: usize| {
            let urls =
                Urls { pets: url(first), orders: url(first + 1), inventory: url(first + 2), saga: url(first + 3) };
            Shop::patient(urls, &self.system.token, CLIENT_PATIENCE)
        };
        Ok([shop(0)?, shop(processes::ALL.len())?])
    }

    /// Where each copy listens.
    #[must_use]
    pub(super) fn urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.url.clone()).collect()
    }

    /// Whether processes can be given another clock on this machine.
    #[must_use]
    pub(super) fn can_skew(&self) -> bool {
        self.faketime.is_some()
    }

    /// Lets a fault begin. What a stranger publishes is not the fleet's.
    ///
    /// # Errors
    /// When it cannot be brought about.
    pub(super) async fn begin(&mut self, fault: Fault) -> Result<(), Trouble> {
        match fault {
            Fault::Kill(copy) | Fault::Skew(copy, _) => self.kill(copy).await?,
            Fault::Freeze(copy) => self.signal(copy, Signal::STOP),
            Fault::KillServer(server) => self.stop(server, Signal::KILL).await?,
            Fault::RestartServer(Server::Broker) => self.stop(Server::Broker, Signal::TERM).await?,
            Fault::RestartServer(Server::Database) => self.stop(Server::Database, Signal::INT).await?,
            Fault::Cut(copy, server) => self.ways(copy, server).for_each(Proxy::cut),
            Fault::Stall(copy, server) => self.ways(copy, server).for_each(|way| way.stall(true)),
            Fault::MemoryAlarm => self.control(&["set_vm_memory_high_watermark", "absolute", "1"])?,
            Fault::DiskAlarm => self.control(&["set_disk_free_limit", "1000000GB"])?,
            Fault::Garbage | Fault::Duplicates => {}
        }
        Ok(())
    }

    /// Lets it end. A server is up again when this returns.
    ///
    /// # Errors
    /// When something does not come back.
    pub(super) async fn end(&mut self, fault: Fault) -> Result<(), Trouble> {
        match fault {
            Fault::Kill(copy) => self.launch(copy)?,
            Fault::Skew(copy, seconds) => {
                if let Some(member) = self.members.get_mut(copy) {
                    member.skew = seconds;
                }
                self.launch(copy)?;
            }
            Fault::Freeze(copy) => self.signal(copy, Signal::CONT),
            Fault::KillServer(_) | Fault::RestartServer(_) => self.stack.start(&self.programs).await?,
            Fault::Stall(copy, server) => self.ways(copy, server).for_each(|way| way.stall(false)),
            Fault::MemoryAlarm => self.control(&["set_vm_memory_high_watermark", "absolute", rabbitmq::MEMORY])?,
            Fault::DiskAlarm => self.control(&["set_disk_free_limit", rabbitmq::DISK])?,
            Fault::Cut(..) | Fault::Garbage | Fault::Duplicates => {}
        }
        Ok(())
    }

    async fn kill(&mut self, copy: usize) -> Result<(), Trouble> {
        let Some(member) = self.members.get_mut(copy) else { return Ok(()) };
        member.killed = true;
        self.stack.stop(&member.name, Signal::KILL).await.map(drop)
    }

    async fn stop(&mut self, server: Server, ask: Signal) -> Result<(), Trouble> {
        let name = match server {
            Server::Broker => "rabbitmq",
            Server::Database => "postgres",
        };
        self.stack.stop(name, ask).await.map(drop)
    }

    fn signal(&self, copy: usize, signal: Signal) {
        let name = self.members.get(copy).map(|member| &member.name);
        if let Some(started) = name.and_then(|name| self.stack.running(name)) {
            started.signal(signal);
        }
    }

    /// The ways of one process, or of all, to a server.
    fn ways(&self, copy: Option<usize>, server: Server) -> impl Iterator<Item = &Proxy> {
        let some = self.members.iter().enumerate().filter(move |(n, _)| copy.is_none_or(|copy| copy == *n));
        some.map(move |(_, member)| match server {
            Server::Broker => &member.broker,
            Server::Database => &member.database,
        })
    }

    fn control(&mut self, arguments: &[&str]) -> Result<(), Trouble> {
        let Some(programs) = &self.programs.rabbitmq else { return Ok(()) };
        let mut command = rabbitmq::command(&mut self.stack, programs, "rabbitmqctl")?;
        run_as(&mut command, self.stack.place.account.as_ref());
        tokio::task::block_in_place(|| run(command.args(arguments))).map(drop)
    }

    /// Processes that ended although nobody killed them.
    #[must_use]
    pub(super) fn ended_by_themselves(&self) -> Vec<&str> {
        let gone = |member: &&Member| !member.killed && self.stack.running(&member.name).is_none();
        self.members.iter().filter(gone).map(|member| member.name.as_str()).collect()
    }

    /// Whether all copies are ready and have both servers.
    pub(super) async fn is_whole(&self) -> bool {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
        let Ok(client) = client else { return false };
        for member in &self.members {
            let Ok(answer) = client.get(format!("{}/readyz", member.url)).send().await else { return false };
            let health: Value = answer.json().await.unwrap_or_default();
            if health.get("status").and_then(Value::as_str) != Some("ready") {
                return false;
            }
        }
        true
    }

    /// What a copy is called.
    #[must_use]
    pub(super) fn name(copy: usize) -> String {
        processes::copies(EACH).nth(copy).map(|(_, name)| name).unwrap_or_default()
    }

    /// Stops everything; the data stays until the next campaign.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub(super) async fn leave(&mut self) -> Result<(), Trouble> {
        for copy in 0..COPIES {
            self.kill(copy).await?;
        }
        self.stack.stop_servers().await.map(drop)
    }
}

fn lock(dir: &Path) -> Result<File, Trouble> {
    let path: PathBuf = dir.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(Trouble::at("opening", &path))?;
    lock.try_lock().map_err(|_| Trouble::Unmet("a campaign is under way in this checkout".into()))?;
    Ok(lock)
}

fn port_of(url: &str) -> Result<u16, Trouble> {
    let port = url.parse::<reqwest::Url>().ok().and_then(|url| url.port());
    port.ok_or_else(|| Trouble::Unmet("a server's URL names no port".into()))
}
