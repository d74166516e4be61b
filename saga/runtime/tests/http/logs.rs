//! Logs, as another process writes them.

use std::process::Command;

use saga_runtime::telemetry;
use serde_json::Value;

/// Runs the test `name` again, in a process where `part` tells it what to log.
fn logged(name: &str, part: &str, rust_log: Option<&str>) -> String {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "--nocapture", name]).env("PART_OF_THE_TEST", part).env_remove("RUST_LOG");
    test.envs(rust_log.map(|filter| ("RUST_LOG", filter)));
    let output = test.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Logs in this process, if it is the one that should.
fn is_part() -> bool {
    let Ok(part) = std::env::var("PART_OF_THE_TEST") else { return false };
    telemetry::init(part == "json").unwrap();
    assert!(telemetry::init(false).is_err(), "only the first call counts");
    tracing::info!(duration_ms = 7, "a note was filed");
    tracing::debug!("nobody asked");
    true
}

#[test]
fn a_machine_reads_one_object_a_line_with_the_fields_beside_the_text() {
    if is_part() {
        return;
    }
    let text = logged("logs::a_machine_reads_one_object_a_line_with_the_fields_beside_the_text", "json", None);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!((&lines[0]["level"], &lines[0]["duration_ms"]), (&"INFO".into(), &7.into()));
    assert_eq!(lines[0]["message"], "a note was filed");
}

#[test]
fn a_person_reads_lines_and_may_ask_for_more() {
    if is_part() {
        return;
    }
    let run = |filter| logged("logs::a_person_reads_lines_and_may_ask_for_more", "human", filter);
    let usual = run(None);
    assert!(usual.contains("INFO a note was filed duration_ms=7"), "{usual}");
    assert!(!usual.contains("nobody asked") && !usual.contains('\u{1b}'), "no colours in a file: {usual}");
    assert!(run(Some("debug")).contains("DEBUG nobody asked"));
}
