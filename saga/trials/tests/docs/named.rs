//! What the documents name and quote is there.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use clap::CommandFactory;
use saga_runtime::broker::Counters;
use saga_runtime::metrics::Metrics;

use crate::pages::{all, below, blocks, code, path, prose, read, rows};

/// Where the links of a page lead, without those to other sites.
fn links(page: &str) -> Vec<String> {
    let targets = prose(page).into_iter().flat_map(|line| line.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The names by which the headings of a page can be linked to.
fn anchors(page: &str) -> BTreeSet<String> {
    let kept = |c: char| (c.is_alphanumeric() || matches!(c, '-' | '_' | ' ')).then_some(c);
    let anchor = |heading: &str| -> String { heading.trim().to_lowercase().chars().filter_map(kept).collect() };
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#')).replace(' ', "-")).collect()
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading_that_are_there() {
    let mut followed = 0;
    for page in all() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !anchor.is_empty() && target.extension().is_some_and(|found| found == "md") {
                let there = anchors(&fs::read_to_string(&target).unwrap());
                assert!(there.contains(anchor), "{}: {link}: no such heading", page.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed} links");
}

/// The name of a test, as opposed to that of a column or a step: a sentence.
fn is_sentence(word: &str) -> bool {
    let words = word.split('_').count();
    words >= 4 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let sources: String = below(&path("."), "rs").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let page = read("docs/guarantees.md");
    let (promised, not_promised) = page.split_once("\n## What is not promised").expect("the page says what is not");
    let named: BTreeSet<String> = code(&page).into_iter().filter(|word| is_sentence(word)).collect();
    assert!(named.len() > 40, "{} tests are named", named.len());
    for name in &named {
        assert!(sources.contains(&format!("fn {name}(")), "docs/guarantees.md names {name}, which is no test");
    }
    for row in rows(promised) {
        let shown = code(row.last().unwrap());
        assert!(shown.iter().any(|word| is_sentence(word)), "the promise {:?} names no test", row[0]);
    }
    assert!(not_promised.lines().filter(|line| line.starts_with("- ")).count() >= 5);
}

/// Without the spaces, which a page may lay out as it likes.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn assert_quoted(page: &str, language: &str, source: &str, at_least: usize) {
    let (quotes, whole) = (blocks(&read(page), language), squeezed(&read(source)));
    assert!(quotes.len() >= at_least, "{page} quotes {} parts of {source}", quotes.len());
    for quote in quotes {
        assert!(whole.contains(&squeezed(&quote)), "{page} quotes what is not in {source}:\n{quote}");
    }
}

#[test]
fn what_the_guide_to_a_saga_of_your_own_quotes_is_in_the_example() {
    assert_quoted("docs/your-own-saga.md", "rust", "saga/runtime/examples/trip.rs", 6);
}

#[test]
fn what_the_page_of_participants_quotes_is_in_the_script() {
    assert_quoted("docs/participants.md", "python", "docs/participants/warehouse.py", 3);
}

#[test]
fn every_command_of_the_runbook_is_one_that_can_be_given() {
    let mut checked = 0;
    for line in blocks(&read("docs/operating.md"), "sh").iter().flat_map(|block| block.lines()) {
        let Some(command) = line.split('#').next().filter(|line| line.starts_with("saga ")) else { continue };
        let words: Vec<&str> = command.split_whitespace().take_while(|word| !matches!(*word, "|" | ">")).collect();
        // What is set in the environment.
        let secret: &[&str] = if line.contains("topology declare") { &["--amqp-url", "amqp://nobody"] } else { &[] };
        let words = words.iter().chain(secret).map(|word| word.replace("$ID", "5c1f9a2e-0000-5000-8000-000000000000"));
        let parsed = saga::command::Arguments::command().try_get_matches_from(words);
        let given = parsed.as_ref().err().is_none_or(|error| error.kind() == clap::error::ErrorKind::DisplayHelp);
        assert!(given, "{line}: {}", parsed.unwrap_err());
        checked += 1;
    }
    assert!(checked >= 8, "{checked} commands");
}

/// The address that a text begins with.
fn address(text: &str) -> &str {
    text.split([' ', '"', '\'', '?', '\n', ')']).next().unwrap_or_default()
}

#[test]
fn every_address_of_the_runbook_is_in_the_reference() {
    let reference = read("docs/reference.md");
    let shape = |path: &str| -> String {
        let variable = |part: &str| part.starts_with('$') || part.starts_with('{') || part.parse::<u64>().is_ok();
        path.split('/').map(|part| if variable(part) { "*" } else { part }).collect::<Vec<_>>().join("/")
    };
    let known: BTreeSet<String> =
        code(&reference).iter().filter(|word| word.starts_with('/')).map(|p| shape(p)).collect();
    let mut checked = 0;
    for block in blocks(&read("docs/operating.md"), "sh") {
        for rest in block.split("_URL/").skip(1) {
            let found = address(rest);
            // What is passed on to another process is an address of that one.
            let passed_on = found.strip_prefix("admin/processes/").and_then(|rest| rest.split_once('/'));
            let found = passed_on.map_or_else(|| found.to_owned(), |(_, below)| format!("admin/{below}"));
            assert!(known.contains(&shape(&format!("/{found}"))), "docs/operating.md asks /{found}");
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked} addresses");
}

#[test]
fn every_metric_of_the_runbook_is_counted() {
    let (metrics, counters) = (Metrics::default(), Counters::default());
    metrics.register_broker(&counters);
    // What has labels is on the page once it was met.
    metrics.parked("not_json");
    metrics.set_parked_waiting([("not_json", 1)]);
    metrics.set_in_state([("order_saga", "running", 1, Duration::ZERO)]);
    metrics.set_needing_intervention([("order_saga", 1)]);
    let page = metrics.page().unwrap();
    let names: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_whitespace().next()).collect();
    let text = read("docs/operating.md");
    let (_, watched) = text.split_once("\n## What to watch\n").expect("the page says what to watch");
    let watched = watched.split("\n## ").next().unwrap_or_default();
    let named: Vec<String> = rows(watched).iter().flat_map(|row| code(&row[0])).collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        let base = name.split('{').next().unwrap().trim_end_matches("_total");
        assert!(names.contains(base), "docs/operating.md watches {name}, which nobody counts");
    }
}

#[test]
fn every_decision_has_the_four_parts_and_a_number_of_its_own() {
    let records = below(&path("docs/decisions"), "md");
    let mut numbers = BTreeSet::new();
    for record in &records {
        let text = fs::read_to_string(record).unwrap();
        let name = record.file_name().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("# "), "{name}");
        for part in ["\n## Context\n", "\n## Decision\n", "\n## Consequence\n"] {
            assert!(text.contains(part), "{name} has no {part:?}");
        }
        assert!(numbers.insert(name[..4].parse::<u32>().unwrap()), "{name}: the number is taken");
    }
    assert!(records.len() >= 7, "{}", records.len());
}

/// Words that others have for what has a word here: parked, replay, resend, retry, undo, needs_intervention.
const STRAYS: [&str; 12] = [
    "dlq",
    "dead-letter queue",
    "quarantine",
    "poison",
    "redrive",
    "requeue",
    "reprocess",
    "retry-step",
    "force-compensate",
    "rollback",
    "stuck",
    "orphan",
];

#[test]
fn commands_tables_addresses_and_events_use_the_words_of_the_architecture_and_no_others() {
    let mut files = vec![path("docs/reference.md"), path("docs/asyncapi.yaml"), path("docs/messages.md")];
    let migrations = below(&path("."), "sql");
    assert!(migrations.len() >= 7, "{migrations:?}");
    files.extend(migrations);
    for file in files {
        let text = fs::read_to_string(&file).unwrap().to_lowercase();
        for stray in STRAYS {
            assert!(!text.contains(stray), "{} says {stray}", file.display());
        }
    }
}
