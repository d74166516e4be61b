//! What a run cost, by the servers' and the kernel's own counts: looked at before and after.

use std::time::Duration;

use crate::demo::shop::counted;
use crate::processes;
use crate::servers::Trouble;

use super::anchor::Anchor;
use super::figures::{Run, quantile};
use super::ground::Ground;
use super::load::{Answer, Answered};
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

/// What the workers of autovacuum call themselves.
const AUTOVACUUM: &str = "postgres: autovacuum worker";

/// Taken before a run, to be compared with what is found after it.
pub(super) struct Meter<'a> {
    ground: &'a Ground,
    cpu: Vec<(&'static str, Duration)>,
    autovacuum: Duration,
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
        Ok(Self { ground, cpu: cpu(ground), autovacuum: autovacuum(ground), messages, written })
    }

    /// Looks again after the last answer, and gives the figures of the run.
    ///
    /// # Errors
    /// When a process or server does not answer.
    pub(super) async fn stop(self, answered: &Answered, anchor: Anchor) -> Result<Run, Trouble> {
        let took = answered.start.elapsed();
        let cpu = cpu(self.ground);
        let autovacuum = autovacuum(self.ground).saturating_sub(self.autovacuum);
        outcome::quiet(self.ground).await?;
        let messages = Messages::read(self.ground).await?;
        let written = Written::read(self.ground).await?;
        let sagas = answered.answers.len() as f64;
        let mut run = Run::default();
        run.set("sagas_per_second", sagas / took.as_secs_f64());
        latency(&mut run, answered);
        drift(&mut run, answered);
        spent(&mut run, sagas, self.cpu.iter().zip(&cpu).map(|((name, before), (_, after))| (*name, *after - *before)));
        run.set("cpu_ms.autovacuum", ms(autovacuum) / sagas);
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

/// Whether it got slower while data grew: the first and the last fifth of the answers.
fn drift(run: &mut Run, answered: &Answered) {
    let (start, answers) = (answered.start, &answered.answers);
    let fifth = answers.len() / 5;
    let [Some(first), Some(before_last), Some(last)] =
        [fifth, answers.len() - fifth, answers.len()].map(|end| answers.get(end.wrapping_sub(1)))
    else {
        return;
    };
    for (name, took, answers) in [
        ("first_fifth", first.at - start, &answers[..fifth]),
        ("last_fifth", last.at - before_last.at, &answers[answers.len() - fifth..]),
    ] {
        run.set(&format!("sagas_per_second.{name}"), fifth as f64 / took.as_secs_f64());
        run.set(&format!("ms.p99.{name}"), ms(quantile(&sorted(answers), 0.99)));
    }
}

fn latency(run: &mut Run, answered: &Answered) {
    let sorted = sorted(&answered.answers);
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0)] {
        run.set(&format!("ms.{name}"), ms(quantile(&sorted, share)));
    }
}

fn sorted(answers: &[Answer]) -> Vec<Duration> {
    let mut sorted: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    sorted.sort_unstable();
    sorted
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Processor time per saga: by part, of all parts, and of whatever else the machine did meanwhile (the kernel's own
/// threads, and programs that have no business here).
fn spent<'a>(run: &mut Run, sagas: f64, spent: impl Iterator<Item = (&'a str, Duration)>) {
    let ms = |spent: Duration| ms(spent) / sagas;
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

/// Processor time of autovacuum's workers, and of the few sessions that ended: a part of PostgreSQL's.
fn autovacuum(ground: &Ground) -> Duration {
    ground.pid("postgres").map_or(Duration::ZERO, |postgres| proc::cpu_of_children(postgres, AUTOVACUUM))
}

/// What is measured, with its process numbers.
fn parts(ground: &Ground) -> Vec<(&'static str, Vec<u32>)> {
    let processes = processes::ALL.iter().map(|process| (process.name, ground.pids(process)));
    let servers = ["rabbitmq", "postgres"].map(|name| (name, ground.pid(name).into_iter().collect()));
    processes.chain(servers).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_slows_down_is_seen_in_its_last_fifth() {
        let start = Instant::now();
        // Ten a second, and in the last fifth one a second.
        let at =
            |n: u32| start + Duration::from_millis(100) * (n + 1) + Duration::from_millis(900) * n.saturating_sub(7);
        let took = |n: u32| Duration::from_millis(u64::from(n + 1));
        let answers: Vec<Answer> = (0..10).map(|n| Answer { took: took(n), at: at(n), placed: true }).collect();
        let mut run = Run::default();
        drift(&mut run, &Answered { start, answers, placed: 10, refused: 0 });
        let rounded = |name| run.get(name).map(f64::round);
        assert_eq!(rounded("sagas_per_second.first_fifth"), Some(10.0));
        assert_eq!(rounded("sagas_per_second.last_fifth"), Some(1.0));
        assert_eq!((rounded("ms.p99.first_fifth"), rounded("ms.p99.last_fifth")), (Some(2.0), Some(10.0)));
    }

    #[test]
    fn what_no_part_spent_went_elsewhere() {
        let mut run = Run::default();
        let spent_by =
            [("saga", 10), ("postgres", 20), (MACHINE, 45)].map(|(name, ms)| (name, Duration::from_millis(ms)));
        spent(&mut run, 10.0, spent_by.into_iter());
        let figures = ["cpu_ms.saga", "cpu_ms.postgres", "cpu_ms.all", "cpu_ms.others"].map(|name| run.get(name));
        assert_eq!(figures, [Some(1.0), Some(2.0), Some(3.0), Some(1.5)]);
    }
}
