//! The simulator: the same seed gives the same run, every rule holds, and the rules can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use saga_core::Phase;
use saga_trials::simulate::{Bug, Settings, Simulation};

fn run(seed: u64, sagas: u32) -> Simulation {
    Simulation::run(Settings { seed, sagas, ..Settings::default() }).unwrap()
}

fn traced(seed: u64) -> Simulation {
    Simulation::run(Settings { seed, sagas: 200, trace: true, bug: None }).unwrap()
}

/// The first of a few small runs in which a fault that was built in is found.
fn found(bug: Bug) -> Simulation {
    let run = |seed| Simulation::run(Settings { seed, sagas: 200, trace: false, bug: Some(bug) }).unwrap();
    (1..=10).map(run).find(|simulation| !simulation.broken().is_empty()).expect("ten seeds are enough")
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let (one, again, other) = (traced(7), traced(7), traced(8));
    assert!(one.trace().len() > 1_000, "{} lines", one.trace().len());
    assert_eq!(one.trace(), again.trace());
    assert_eq!(one.summary(), again.summary());
    assert_ne!(one.trace(), other.trace(), "another seed is another run");
}

#[test]
fn two_thousand_sagas_over_twenty_seeds_hold_every_rule() {
    for seed in 1..=20 {
        let simulation = run(seed, 100);
        assert_eq!(simulation.broken(), [], "seed {seed}\n{}", simulation.summary());
    }
}

#[test]
fn a_run_has_everything_that_can_happen_on_a_good_day() {
    let simulation = run(1, 500);
    let summary = simulation.summary();
    for reason in [
        "approved by rule",
        "approved by the owner",
        "pet_taken",
        "pet_unknown",
        "out_of_stock",
        "sku_unknown",
        "currency_mixed",
        "cancelled_by_customer",
        "reservation_expired",
        "every one holds",
    ] {
        assert!(summary.contains(reason), "no {reason}:\n{summary}");
    }
    let counts = simulation.counts();
    assert!(counts.repeated > 0 && counts.put_off > 0 && counts.again > 0 && counts.alarms > 0, "{counts:?}");
    let ended: usize =
        [Phase::Completed, Phase::Rejected, Phase::Cancelled].map(|end| simulation.ended_as(end)).iter().sum();
    assert_eq!(ended, 500);
}

#[test]
fn each_outcome_can_be_shown_as_saga_show_does() {
    let simulation = run(1, 300);
    for (phase, last) in
        [(Phase::Completed, "SAGA_COMPLETED"), (Phase::Rejected, "SAGA_REJECTED"), (Phase::Cancelled, "SAGA_CANCELLED")]
    {
        let story = simulation.example(phase).expect("one ended so");
        let text = story.to_string();
        let head = format!("  {}", phase.as_str());
        assert!(text.starts_with("saga ") && text.lines().next().unwrap().contains(&head), "{text}");
        assert!(text.contains("ORDER_REQUESTED") && text.contains(last) && text.contains("\nsteps: "), "{text}");
        assert!(story.lines().next().unwrap().contains("ORDER_REQUESTED"), "it begins at the beginning:\n{text}");
    }
    assert_eq!(simulation.example(Phase::Running), None, "none is left on its way");
}

#[test]
fn a_participant_that_forgets_what_it_handled_is_found() {
    let simulation = found(Bug::NoDedupe);
    let summary = simulation.summary();
    assert!(summary.contains("\nBROKEN ") && !summary.contains("every one holds"), "{summary}");
    let rule = |rule: &str| simulation.broken().iter().any(|broken| broken.rule.starts_with(rule));
    assert!(rule("nothing is left") && rule("for each step"), "{summary}");
}

#[test]
fn a_participant_that_forgets_tombstones_is_found_and_its_story_is_told_small() {
    let simulation = found(Bug::NoTombstones);
    let held = |broken: &saga_trials::simulate::Broken| broken.rule.starts_with("a pet is held by a saga");
    assert!(simulation.broken().iter().any(held), "a pet stays reserved for nobody:\n{}", simulation.summary());
    let smaller = simulation.smaller().unwrap();
    let told = smaller.as_ref().unwrap_or(&simulation);
    let story = told.shortest_broken().expect("it is about a saga").to_string();
    assert!(story.contains("RESERVE_PET") && story.contains("\nBROKEN "), "{story}");
}

#[test]
fn without_customers_nothing_happens() {
    let simulation = run(1, 0);
    assert_eq!(simulation.broken(), []);
    assert_eq!((simulation.counts().alarms, simulation.counts().again), (0, 0));
}

fn command(arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_trials")).arg("simulate").args(arguments).output();
    command.expect("it runs")
}

#[test]
fn the_command_prints_the_same_whenever_the_seed_is() {
    let arguments = ["--seed", "5", "--sagas", "80", "--trace", "--show", "rejected"];
    let (one, again) = (command(&arguments), command(&arguments));
    assert!(one.status.success(), "{one:?}");
    assert_eq!(one.stdout, again.stdout);
    let text = String::from_utf8(one.stdout).unwrap();
    assert!(text.contains("SAGA_REJECTED") && text.contains("rules        every one holds"), "{text}");
}

#[test]
fn an_outcome_that_no_saga_came_to_is_said_and_fails() {
    let none = command(&["--seed", "1", "--sagas", "1", "--show", "cancelled"]);
    assert_eq!(none.status.code(), Some(1));
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("no saga of this run was cancelled"), "{said}");
}
