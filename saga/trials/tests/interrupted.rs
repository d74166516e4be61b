//! A replay goes on when RabbitMQ is killed in the middle of it: every message is there, and all are counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod scratch;

use saga_trials::processes::{self, System};
use saga_trials::replays::{Victim, interrupted};
use saga_trials::servers::Given;

use scratch::{Scratch, programs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_on_when_the_broker_is_killed_in_the_middle_and_adds_up() {
    let (programs, scratch) = (programs(), Scratch::make("interrupted"));
    let mut stack = scratch.stack();
    stack.start(&programs).await.unwrap();
    let endpoints = Given::default().or_of(&mut stack).unwrap();
    let system = System::prepare(&mut stack, &endpoints).await.unwrap();
    processes::start(&mut stack, &system).await.unwrap();
    let survived = interrupted(&mut stack, &programs, &system, 20_000, &[Victim::Broker; 2]).await.unwrap();
    assert_eq!((survived.messages, survived.kills), (20_000, 2), "{survived:?}");
    stack.kill_all().await.unwrap();
}
