//! The servers and processes that are measured: apart from those of `./dev up`, and new for each benchmark.

use std::fs::File;

use crate::demo::{Shop, Urls};
use crate::invariants::Databases;
use crate::processes::{self, Process, System};
use crate::screen::Line;
use crate::servers::postgres::{self, Size};
use crate::servers::{Endpoints, Given, Place, Stack, Trouble, apt::Suite, programs::Programs};

use super::{Goal, Plan};

/// Servers and processes of a benchmark's own.
pub(super) struct Ground {
    stack: Stack,
    /// How to reach the servers.
    pub(super) servers: Endpoints,
    /// What the processes run with.
    pub(super) system: System,
    /// Where the copies of the processes listen.
    pub(super) urls: Vec<Urls>,
    /// Connections for looking at the databases.
    pub(super) databases: Databases,
    _lock: File,
}

impl Ground {
    /// Starts everything anew, without any data.
    ///
    /// # Errors
    /// When something cannot be had, or another benchmark of this checkout is at work.
    pub(super) async fn prepare(place: Place, plan: &Plan) -> Result<Self, Trouble> {
        let mut stack = Stack::open(place, "bench")?;
        stack.size = Size { shared_buffers: plan.shared_buffers, ..Size::LARGE };
        let lock = hold(&stack)?;
        match make(&mut stack, plan).await {
            Ok((servers, system, urls, databases)) => Ok(Self { stack, servers, system, urls, databases, _lock: lock }),
            Err(trouble) => {
                clear(&mut stack).await?;
                Err(trouble)
            }
        }
    }

    /// Stops everything, and forgets its data.
    ///
    /// # Errors
    /// When what runs cannot be written down, or the data cannot be removed.
    pub(super) async fn clear(&mut self) -> Result<(), Trouble> {
        clear(&mut self.stack).await
    }

    /// The servers and processes themselves, to be killed and started again.
    pub(super) fn stack(&mut self) -> (&mut Stack, &System) {
        (&mut self.stack, &self.system)
    }

    /// The metrics pages of all processes.
    ///
    /// # Errors
    /// When one does not answer.
    pub(super) async fn metrics(&self) -> Result<Vec<String>, Trouble> {
        let mut pages = Vec::new();
        for urls in &self.urls {
            pages.extend(Shop::new(urls.clone(), &self.system.token)?.metrics().await?);
        }
        Ok(pages)
    }

    /// The numbers of all copies of `process` that run.
    pub(super) fn pids(&self, process: &Process) -> Vec<u32> {
        let names = (1..=self.system.copies).map(|n| process.copy(n));
        names.filter_map(|name| self.pid(&name)).collect()
    }

    /// The number of that server or process.
    pub(super) fn pid(&self, name: &str) -> Option<u32> {
        self.stack.running(name).map(|started| started.pid)
    }
}

/// Takes hold of the benchmark's directory, for us alone.
fn hold(stack: &Stack) -> Result<File, Trouble> {
    let path = stack.dir().join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(Trouble::at("opening", &path))?;
    lock.try_lock().map_err(|_| Trouble::Unmet("another ./dev bench is at work in this checkout".into()))?;
    Ok(lock)
}

async fn make(stack: &mut Stack, plan: &Plan) -> Result<(Endpoints, System, Vec<Urls>, Databases), Trouble> {
    clear(stack).await?;
    let line = Line::start("servers", "RabbitMQ and PostgreSQL are starting");
    stack.start(&Programs::find(&stack.place, Suite::Machine, &Given::default())?).await?;
    let servers = Given::default().or_of(stack)?;
    postgres::make_log_files(&postgres::url(stack)?).await?;
    line.done(&format!("{} (private, new)", crate::tests::versions(&servers).await?));
    let mut system = System::prepare(stack, &servers).await?;
    if let Some(dir) = postgres::socket_dir(stack) {
        system = system.through_socket(&dir)?;
    }
    system.copies = plan.copies;
    system.settings = settings(plan);
    let line = Line::start("processes", "starting");
    processes::start(stack, &system).await?;
    line.done(&format!("{} of each", plan.copies));
    let urls = (1..=plan.copies).map(|n| crate::demo::urls(stack, n)).collect::<Result<_, _>>()?;
    let databases = Databases::of(&system).await?;
    Ok((servers, system, urls, databases))
}

async fn clear(stack: &mut Stack) -> Result<(), Trouble> {
    processes::stop(stack).await?;
    stack.discard_servers().await?;
    stack.empty()
}

/// Nothing expires and nobody is sent away while it is measured; the rest is as shipped.
fn settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let limit = match plan.to {
        Goal::Placed => 0,
        Goal::Approved => 50_000,
    };
    let switch = if plan.stream { "on" } else { "off" };
    vec![
        ("SAGA_APPROVAL_LIMIT", limit.to_string()),
        ("SAGA_RESERVATION_TTL", "1d".into()),
        ("SAGA_EVENT_STREAM", switch.into()),
        ("SAGA_BATCHES", plan.batches.clone()),
        ("ORDER_WAIT", "100s".into()),
        ("HTTP_TIMEOUT", "110s".into()),
        ("ORDER_WAITERS", "20000".into()),
        ("HTTP_CONCURRENCY", "20000".into()),
    ]
}
