//! A replay goes on when RabbitMQ is restarted in the middle of it: every message is there, and all are counted.
//!
//! `./dev bench --replay` kills RabbitMQ instead. A queue or stream that RabbitMQ 3.10 was writing at full speed as it was
//! killed sometimes does not come back by itself, which no process of ours can mend; so that is no test of every day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use saga_trials::processes::{self, System};
use saga_trials::replays::{Victim, interrupted};
use saga_trials::servers::apt::Suite;
use saga_trials::servers::place::make_dir;
use saga_trials::servers::programs::Programs;
use saga_trials::servers::{Given, Place, Stack};

const NAME: &str = "interrupted";

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
async fn a_replay_goes_on_when_the_broker_is_restarted_in_the_middle_and_adds_up() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let programs = Programs::find(&Place::of(checkout).unwrap(), Suite::Machine, &Given::default()).unwrap();
    let scratch = Scratch(std::env::temp_dir().join(format!("sagaforge-{NAME}-{}", std::process::id())));
    make_dir(&scratch.0, 0o755).unwrap();
    let mut stack = Stack::open(Place::of(&scratch.0).unwrap(), NAME).unwrap();
    stack.start(&programs).await.unwrap();
    let endpoints = Given::default().or_of(&mut stack).unwrap();
    let system = System::prepare(&mut stack, &endpoints).await.unwrap();
    processes::start(&mut stack, &system).await.unwrap();
    let survived = interrupted(&mut stack, &programs, &system, 20_000, &[Victim::BrokerInPeace; 2]).await.unwrap();
    assert_eq!((survived.messages, survived.kills), (20_000, 2), "{survived:?}");
    stack.kill_all().await.unwrap();
}
