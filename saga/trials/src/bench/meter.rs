//! What a run cost, by the servers' and the kernel's own counts: looked at before and after.

use std::time::{Duration, Instant};

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
    /// Transactions that wrote something.
    writing: f64,
    /// All that were committed, those that only read included.
    transactions: f64,
    wal_bytes: f64,
    /// Whole pages in the write-ahead log: the first change of a page after a checkpoint.
    full_pages: f64,
    fsyncs: f64,
}

const MACHINE: &str = "machine";

/// Taken before a run, to be compared with what is found after it.
pub(super) struct Meter<'a> {
    ground: &'a Ground,
    cpu: Vec<(&'static str, Duration)>,
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
                          (pg_current_wal_insert_lsn() - '0/0')::float8, wal_fpi::float8, wal_sync::float8
                   FROM pg_stat_wal";
        let row = ground.databases.sagas.query_one(sql, &[]).await.map_err(Trouble::sql("reading its counts"))?;
        let [writing, transactions, wal_bytes, full_pages, fsyncs] = [0, 1, 2, 3, 4].map(|n| row.get(n));
        Ok(Self { writing, transactions, wal_bytes, full_pages, fsyncs })
    }

    fn named(self) -> [(&'static str, f64); 5] {
        let Self { writing, transactions, wal_bytes, full_pages, fsyncs } = self;
        [
            ("transactions_writing", writing),
            ("transactions", transactions),
            ("wal_bytes", wal_bytes),
            ("wal_full_pages", full_pages),
            ("fsyncs", fsyncs),
        ]
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
        let sagas = answered.answers.len() as f64;
        let mut run = Run::default();
        run.set("sagas_per_second", sagas / took.as_secs_f64());
        drift(&mut run, answered);
        latency(&mut run, answered);
        spent(&mut run, sagas, self.cpu.iter().zip(&cpu).map(|((name, before), (_, after))| (*name, *after - *before)));
        run.set("messages.published", (messages.published - self.messages.published) as f64 / sagas);
        run.set("messages.delivered", (messages.delivered - self.messages.delivered) as f64 / sagas);
        for ((name, before), (_, after)) in self.written.named().into_iter().zip(written.named()) {
            run.set(&format!("postgres.{name}"), (after - before) / sagas);
        }
        for (name, pids) in parts(self.ground) {
            let kib: u64 = pids.into_iter().map(proc::memory_of_tree).sum();
            run.set(&format!("memory_mib.{name}"), kib as f64 / 1024.0);
        }
        anchor.add_to(&mut run);
        Ok(run)
    }
}

/// Whether it got slower while data grew: sagas a second in the first and in the last fifth.
fn drift(run: &mut Run, answered: &Answered) {
    let ends: Vec<Instant> = answered.answers.iter().map(|answer| answer.at).collect();
    let fifth = ends.len() / 5;
    if fifth == 0 {
        return;
    }
    let (first, last) = (ends[fifth - 1] - answered.start, ends[ends.len() - 1] - ends[ends.len() - 1 - fifth]);
    run.set("sagas_per_second.first_fifth", fifth as f64 / first.as_secs_f64());
    run.set("sagas_per_second.last_fifth", fifth as f64 / last.as_secs_f64());
}

fn latency(run: &mut Run, answered: &Answered) {
    let mut sorted: Vec<Duration> = answered.answers.iter().map(|answer| answer.took).collect();
    sorted.sort_unstable();
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0)] {
        run.set(&format!("ms.{name}"), quantile(&sorted, share).as_secs_f64() * 1000.0);
    }
}

/// Processor time per saga: by part, of all parts, and of whatever else the machine did meanwhile (the kernel's own
/// threads, and programs that have no business here).
fn spent<'a>(run: &mut Run, sagas: f64, spent: impl Iterator<Item = (&'a str, Duration)>) {
    let ms = |spent: Duration| spent.as_secs_f64() * 1000.0 / sagas;
    let mut all = Duration::ZERO;
    for (name, spent) in spent {
        if name == MACHINE {
            run.set("cpu_ms.all", ms(all));
            run.set("cpu_ms.others", ms(spent.saturating_sub(all)));
        } else {
            all += spent;
            run.set(&format!("cpu_ms.{name}"), ms(spent));
        }
    }
}

/// Processor time by part, the whole machine's last.
fn cpu(ground: &Ground) -> Vec<(&'static str, Duration)> {
    let of = |(name, pids): (&'static str, Vec<u32>)| (name, pids.into_iter().map(proc::cpu_of_tree).sum());
    let mut parts: Vec<(&'static str, Duration)> = parts(ground).into_iter().map(of).collect();
    parts.push(("driver", proc::cpu(std::process::id())));
    parts.push((MACHINE, proc::cpu_of_machine()));
    parts
}

/// What is measured, with its process numbers.
fn parts(ground: &Ground) -> Vec<(&'static str, Vec<u32>)> {
    let processes = processes::ALL.iter().map(|process| (process.name, ground.pids(process)));
    let servers = ["rabbitmq", "postgres"].map(|name| (name, ground.pid(name).into_iter().collect()));
    processes.chain(servers).collect()
}
