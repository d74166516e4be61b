//! Servers that go away under load and come back: everything goes on by itself, soon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use saga_trials::chaos::{self, Fault, Report, Round, Server};
use saga_trials::servers::apt::Suite;
use saga_trials::servers::place::make_dir;
use saga_trials::servers::programs::Programs;
use saga_trials::servers::{Given, Place, Stack};

/// How soon orders flow again, and every process has both servers, once a server is up again.
const SOON: Duration = Duration::from_secs(10);

const NAME: &str = "recovery";

/// A checkout of its own, removed at the end, with everything that still runs in it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let stack = Stack::open(Place::of(&self.0).unwrap(), NAME).unwrap();
        stack.started().for_each(|started| started.signal(Signal::KILL));
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_lost_under_load_are_in_use_again_within_ten_seconds_of_their_return_and_nothing_is_lost() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let programs = Programs::find(&Place::of(checkout).unwrap(), Suite::Machine, &Given::default()).unwrap();
    let scratch = Scratch(std::env::temp_dir().join(format!("sagaforge-recovery-{}", std::process::id())));
    make_dir(&scratch.0, 0o755).unwrap();
    let lost = [
        Fault::KillServer(Server::Broker),
        Fault::KillServer(Server::Database),
        Fault::RestartServer(Server::Broker),
        Fault::RestartServer(Server::Database),
    ];
    let rounds = lost.map(|fault| Round::of(fault, Some(Duration::from_secs(2)))).into_iter();
    // A process that had to be started again would be an error.
    let mut report = Report::of(1);
    chaos::campaign(Place::of(&scratch.0).unwrap(), NAME, programs, rounds, 1, &mut report).await.unwrap();
    assert_eq!(report.broken, Vec::<String>::new());
    assert_eq!(report.recoveries.len(), lost.len());
    assert!(report.longest_recovery() < SOON && report.whole < SOON, "{:?} {:?}", report.recoveries, report.whole);
    assert!(report.findings.in_phase("completed") > 10, "{:?}", report.findings);
}
