//! The command `saga` as a program: help, exit codes, what it refuses before it asks anybody.

use std::process::{Command, Output};

use clap::CommandFactory;
use saga::command::Arguments;
use serde_json::Value;

/// As many lines as a small terminal shows at once.
const SCREEN: usize = 40;

/// Runs it in an environment that says nothing, with nobody at its addresses.
fn saga(arguments: &[&str]) -> Output {
    let nobody = free_address();
    Command::new(env!("CARGO_BIN_EXE_saga"))
        .args(arguments)
        .env_clear()
        .env("SAGA_URL", &nobody)
        .env("ORDER_SERVICE_URL", &nobody)
        .output()
        .unwrap()
}

/// An address of this machine where nobody listens: it was free a moment ago.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The words that lead to every command that does something.
fn leaves(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
    let below: Vec<&clap::Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    if below.is_empty() {
        return vec![words.to_vec()];
    }
    let longer = |sub: &clap::Command| [words, &[sub.get_name().to_owned()]].concat();
    below.into_iter().flat_map(|sub| leaves(sub, &longer(sub))).collect()
}

#[test]
fn the_help_of_every_command_fits_one_screen_and_has_an_example() {
    let all = leaves(&Arguments::command(), &[]);
    assert!(all.len() >= 10, "{all:?}");
    // The settings of the orchestrator are a list of their own, kept in docs/reference.md.
    for words in all.iter().filter(|words| words[0] != "serve") {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let output = saga(&words);
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(help.lines().count() <= SCREEN, "{words:?} has {} lines:\n{help}", help.lines().count());
        let example = help.lines().find_map(|line| line.strip_prefix("Example: ")).unwrap_or_default();
        assert!(example.contains(&format!("saga {}", words[0])), "{words:?} has no example:\n{help}");
    }
    let overview = text(&saga(&["--help"]).stdout);
    assert!(overview.lines().count() <= SCREEN && overview.contains("Example: saga"), "{overview}");
}

#[test]
fn every_example_of_the_help_is_understood() {
    let mut examples = 0;
    for words in leaves(&Arguments::command(), &[]) {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = text(&saga(&words).stdout);
        let Some(example) = help.lines().find_map(|line| line.strip_prefix("Example: ")) else { continue };
        let from = example.find("saga ").unwrap();
        let parts = example[from..].split(" > ").next().unwrap().split_whitespace();
        // What stands before the command are settings from the environment.
        let required = ["--amqp-url", "amqp://nobody"].into_iter().filter(|_| from > 0);
        let parsed = Arguments::command().try_get_matches_from(parts.chain(required));
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        examples += 1;
    }
    assert!(examples >= 10, "{examples} examples");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let cases: &[(&[&str], &str)] = &[
        (&["nonsense"], "nonsense"),
        (&["run", "order"], "--pet"),
        (&["run", "order", "--pet", "1", "--item", "FOOD"], "FOOD is not SKU=NUMBER"),
        (&["show", "no-id"], "no-id is neither an id nor an order's number"),
        (&["diagram", "unknown"], "there is no definition unknown; there is order_saga"),
        (&["parked", "show", "7"], "7 is not PROCESS/NUMBER"),
        (&["publish", "pet.events", "pet.updated"], "--type is missing"),
        (&["publish", "pet.events", "pet.updated", "--type", "T", "--data", "{"], "the data is no JSON"),
        (&["publish", "pet.events", "pet.updated", "--raw", "--data", "@/nowhere"], "/nowhere"),
        (&["replay", "log", "--from", "yesterday", "--to", "saga.inbox"], "write it as 2026-11-20T00:00:00Z"),
        (&["replay", "queue", "theirs", "--where", "typ=X"], "is no condition"),
        (&["replay", "queue", "theirs", "--max-failures", "many"], "write 10 or 5%"),
        (&["replay", "show", "last"], "invalid value 'last'"),
        (&["skip", "1001", "sell_pet"], "--reason"),
        (&["parked", "discard", "pet-service/1"], "--reason"),
        (&["replay", "log", "--from", "first", "--to", "saga.inbox", "--rate", "0"], "--rate"),
        (&["list", "--older-than", "10"], "write ms, s, min, h or d"),
    ];
    for (arguments, expected) in cases {
        let output = saga(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?} said: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: errors do not go to standard output");
    }
}

#[test]
fn without_a_token_nothing_is_changed_and_the_refusal_says_how_to_get_one() {
    for arguments in
        [&["publish", "pet.events", "pet.updated", "--type", "PET_UPDATED"][..], &["replay", "parked", "saga/1"]]
    {
        let output = saga(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains("SAGA_TOKEN") && said.contains("token of an operator"), "{said}");
    }
}

#[test]
fn a_process_that_is_not_there_is_named_and_the_command_fails() {
    for (arguments, process) in [
        (&["list"][..], "the orchestrator"),
        (&["parked", "list"], "the orchestrator"),
        (&["run", "order", "--pet", "1"], "order-service"),
        (&["show", "1001"], "order-service"),
    ] {
        let output = saga(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(process) && said.contains("does not answer"), "{arguments:?}: {said}");
    }
}

#[test]
fn the_diagram_is_drawn_without_any_process_for_people_and_for_programs() {
    let plain = saga(&["diagram"]);
    assert_eq!(plain.status.code(), Some(0));
    let drawn = text(&plain.stdout);
    assert!(drawn.starts_with("flowchart TD\n") && drawn.contains("RESERVE_PET"), "{drawn}");
    let json: Value = serde_json::from_slice(&saga(&["diagram", "--json"]).stdout).unwrap();
    assert_eq!((json["name"].as_str(), json["version"].as_i64()), (Some("order_saga"), Some(1)));
    assert_eq!(json["mermaid"].as_str().unwrap().trim_end(), drawn.trim_end());
}

#[test]
fn the_token_is_never_shown() {
    let output = Command::new(env!("CARGO_BIN_EXE_saga"))
        .args(["publish", "a", "b", "--type", "T"])
        .env_clear()
        .env("SAGA_URL", free_address())
        .env("SAGA_TOKEN", "a-token-to-be-kept")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let help = saga(&["--help", "--token", "a-token-to-be-kept"]);
    for said in [output.stdout, output.stderr, help.stdout, help.stderr] {
        assert!(!text(&said).contains("a-token-to-be-kept"));
    }
}
