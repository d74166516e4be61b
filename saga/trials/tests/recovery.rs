//! Servers that go away under load and come back: everything goes on by itself, soon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod scratch;

use std::time::Duration;

use saga_trials::chaos::{self, Fault, Report, Round, Server};

use scratch::{Scratch, programs};

/// How soon orders flow again, and every process has both servers, once a server is up again.
const SOON: Duration = Duration::from_secs(10);

const NAME: &str = "recovery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_lost_under_load_are_in_use_again_within_ten_seconds_of_their_return_and_nothing_is_lost() {
    let scratch = Scratch::make(NAME);
    let lost = [
        Fault::KillServer(Server::Broker),
        Fault::KillServer(Server::Database),
        Fault::RestartServer(Server::Broker),
        Fault::RestartServer(Server::Database),
    ];
    let rounds = lost.map(|fault| Round::of(fault, Some(Duration::from_secs(2)))).into_iter();
    // A process that had to be started again would be an error.
    let mut report = Report::of(1);
    chaos::campaign(scratch.place(), NAME, programs(), rounds, 1, &mut report).await.unwrap();
    assert_eq!(report.broken, Vec::<String>::new());
    assert_eq!(report.recoveries.len(), lost.len());
    assert!(report.longest_recovery() < SOON && report.whole < SOON, "{:?} {:?}", report.recoveries, report.whole);
    assert!(report.findings.in_phase("completed") > 10, "{:?}", report.findings);
}
