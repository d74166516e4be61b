//! What a run cost, by the servers' and the kernel's own counts: looked at before and after.

use std::time::Duration;

use crate::demo::shop::counted;
use crate::processes;
use crate::servers::Trouble;

use super::anchor::Anchor;
use super::figures::{Run, quantile};
use super::ground::Ground;
use super::load::Answered;
use super::{outcome, proc};

/// Messages that the processes have published and were delivered since they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Messages {
    published: u64,
    delivered: u64,
}

/// What PostgreSQL has counted until now, over all databases.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Written {
    /// Transactions that wrote.
    commits: f64,
    /// Transactions, those that only read included.
    transactions: f64,
    wal_bytes: f64,
    fsyncs: f64,
}

/// Taken before a run, to be compared with what is found after it.
pub(super) struct Meter<'a> {
    ground: &'a Ground,
    cpu: Vec<(String, Duration)>,
    messages: Messages,
    written: Written,
}

impl Messages {
    /// What all processes show on their metrics pages.
    ///
    /// # Errors
    /// When one does not answer.
    pub(super) async fn read(ground: &Ground) -> Result<Self, Trouble> {
        let mut all = Self::default();
        for page in ground.metrics().await? {
            all.published += counted(&page, "messaging_client_sent_messages_total");
            all.delivered += counted(&page, "messaging_client_consumed_messages_total");
        }
        Ok(all)
    }
}

impl Written {
    async fn read(ground: &Ground) -> Result<Self, Trouble> {
        let sql = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::float8,
                          (SELECT sum(xact_commit)::float8 FROM pg_stat_database),
                          (pg_current_wal_insert_lsn() - '0/0')::float8,
                          (SELECT wal_sync::float8 FROM pg_stat_wal)";
        let row = ground.databases.sagas.query_one(sql, &[]).await.map_err(Trouble::sql("reading its counts"))?;
        Ok(Self { commits: row.get(0), transactions: row.get(1), wal_bytes: row.get(2), fsyncs: row.get(3) })
    }
}

impl<'a> Meter<'a> {
    /// Looks at all counts before a run.
    ///
    /// # Errors
    /// When a process or server does not answer.
    pub(super) async fn start(ground: &'a Ground) -> Result<Self, Trouble> {
        let messages = Messages::read(ground).await?;
        let written = Written::read(ground).await?;
        Ok(Self { ground, cpu: cpu(ground), messages, written })
    }

    /// Looks again after the last answer, and gives the figures of the run.
    ///
    /// # Errors
    /// When a process or server does not answer.
    pub(super) async fn stop(self, answered: &Answered, anchor: Anchor) -> Result<Run, Trouble> {
        let took = answered.start.elapsed();
        let cpu = cpu(self.ground);
        outcome::quiet(self.ground).await?;
        let messages = Messages::read(self.ground).await?;
        let written = Written::read(self.ground).await?;
        let sagas = answered.took.len() as f64;
        let mut run = Run::default();
        run.set("sagas_per_second", sagas / took.as_secs_f64());
        latency(&mut run, &answered.took);
        for ((name, before), (_, after)) in self.cpu.iter().zip(&cpu) {
            run.set(&format!("cpu_ms.{name}"), (*after - *before).as_secs_f64() * 1000.0 / sagas);
        }
        run.set("messages.published", (messages.published - self.messages.published) as f64 / sagas);
        run.set("messages.delivered", (messages.delivered - self.messages.delivered) as f64 / sagas);
        run.set("commits", (written.commits - self.written.commits) / sagas);
        run.set("transactions", (written.transactions - self.written.transactions) / sagas);
        run.set("wal_bytes", (written.wal_bytes - self.written.wal_bytes) / sagas);
        run.set("fsyncs", (written.fsyncs - self.written.fsyncs) / sagas);
        for (name, pids) in parts(self.ground) {
            let kib: u64 = pids.into_iter().map(proc::memory_of_tree).sum();
            run.set(&format!("memory_mib.{name}"), kib as f64 / 1024.0);
        }
        anchor.add_to(&mut run);
        Ok(run)
    }
}

fn latency(run: &mut Run, took: &[Duration]) {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0)] {
        run.set(&format!("ms.{name}"), quantile(&sorted, share).as_secs_f64() * 1000.0);
    }
}

/// Processor time by part, the machine's whole last.
fn cpu(ground: &Ground) -> Vec<(String, Duration)> {
    let of = |(name, pids): (String, Vec<u32>)| (name, pids.into_iter().map(proc::cpu_of_tree).sum());
    let mut parts: Vec<(String, Duration)> = parts(ground).into_iter().map(of).collect();
    parts.push(("driver".into(), proc::cpu(std::process::id())));
    parts.push(("machine".into(), proc::cpu_of_machine()));
    parts
}

/// What is measured, with its process numbers.
fn parts(ground: &Ground) -> Vec<(String, Vec<u32>)> {
    let processes = processes::ALL.iter().map(|process| (process.name.to_owned(), ground.pids(process)));
    let servers = ["rabbitmq", "postgres"];
    processes.chain(servers.map(|name| (name.to_owned(), ground.pid(name).into_iter().collect()))).collect()
}
