//! The `idforge` command as a shell sees it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const JOHN: &str = "72e6f104-e6d1-5f1b-87cb-957da576b9d2";
const GOOD_SALT: &str = "a-salt-of-thirty-two-characters-";

/// What a run gave: exit code, standard output, standard error.
type Outcome = (i32, String, String);

fn idforge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idforge"));
    command.args(arguments).env_remove("UUID_FORGE_NAMESPACE").env("UUID_FORGE_SALT", "v1");
    command
}

fn outcome(command: &mut Command, input: &str) -> Outcome {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn run(arguments: &[&str]) -> Outcome {
    outcome(&mut idforge(arguments), "")
}

/// A directory of the test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn generate_prints_the_id_alone() {
    let domain = ["-n", "users.mycompany.com"];
    let generate = |more: &[&str]| run(&[&["generate", "user"], &domain[..], more].concat());
    let alone = (0, format!("{JOHN}\n"), String::new());
    assert_eq!(generate(&["-a", "email=john@example.com"]), alone);
    let shown = "UUID_FORGE_SALT=v1 idforge generate user -a email=john@example.com -n users.mycompany.com";
    assert!(
        include_str!("../../docs/ids.md").contains(&format!("{shown}\n    {JOHN}\n")),
        "docs/ids.md shows another example"
    );
    assert_eq!(generate(&["--json", r#"{"email": "john@example.com"}"#]), alone);
    assert_eq!(generate(&["-a", "email=john@example.com", "--prefix", "U"]).1, format!("U-{JOHN}\n"));
    assert_eq!(
        generate(&["-a", "email=john@example.com", "--prefix", "U", "--separator", "::"]).1,
        format!("U::{JOHN}\n")
    );
    let (code, object, _) = generate(&["-a", "email=john@example.com", "--prefix", "U", "--json-output"]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!((code, &object["id"], &object["uuid"]), (0, &format!("U-{JOHN}").into(), &JOHN.into()));
    assert_eq!((&object["namespace"], &object["entity_type"]), (&"users.mycompany.com".into(), &"user".into()));
    assert_eq!(object["salt_fingerprint"].as_str().map(str::len), Some(12));
}

#[test]
fn arguments_are_strings_and_json_has_types() {
    let same =
        |a: &[&str], b: &[&str]| run(&[&["generate", "t"], a].concat()).1 == run(&[&["generate", "t"], b].concat()).1;
    assert!(same(&["-a", "n=7"], &["--json", r#"{"n": "7"}"#]));
    assert!(!same(&["-a", "n=7"], &["--json", r#"{"n": 7}"#]));
    assert!(same(
        &["-a", "n=7", "--json", r#"{"m": 18446744073709551616}"#],
        &["--json", r#"{"m": {"$py": "int", "value": "18446744073709551616"}, "n": "7"}"#]
    ));
    assert!(!same(&["7"], &["-a", "n=7"]));
    assert!(same(&["-a", "e=a=b "], &["--json", r#"{"e": "a=b "}"#]));
    assert!(same(&["--", "-x"], &["--", "-x"]) && !same(&["--", "-x"], &["x"]));
}

#[test]
fn namespaces_come_from_options_before_the_environment() {
    let from = |arguments: &[&str], domain: &str| {
        outcome(idforge(&[&["generate", "t"], arguments].concat()).env("UUID_FORGE_NAMESPACE", domain), "").1
    };
    let by_option = from(&["-n", "example.com"], "other.example");
    assert_eq!(by_option, from(&[], "example.com"));
    assert_eq!(by_option, from(&["--namespace-uuid", "cfbff0d1-9375-5685-968c-48ce8b15ae17"], "other.example"));
    assert_ne!(by_option, from(&[], ""));
}

#[test]
fn wrong_usage_is_exit_code_2_and_failure_1() {
    let wrong: [&[&str]; 11] = [
        &[],
        &["forge"],
        &["generate"],
        &["generate", "t", "--salt", "S"],
        &["generate", "t", "-a", "email"],
        &["generate", "t", "--json", "[1]"],
        &["generate", "t", "--json", "{"],
        &["generate", "t", "-n", "a", "--namespace-uuid", "cfbff0d1-9375-5685-968c-48ce8b15ae17"],
        &["generate", "t", "--namespace-uuid", "a.b"],
        &["new-salt", "--length", "15"],
        &["new-salt", "--force"],
    ];
    for arguments in wrong {
        let (code, out, error) = run(arguments);
        assert_eq!((code, out.as_str(), error.is_empty()), (2, "", false), "{arguments:?}: {error}");
    }
    let failing: [(&[&str], &str); 8] = [
        (&["generate", "a|b"], "contains '|'"),
        (&["generate", "t", "-a", "config=1"], "\"config\""),
        (&["generate", "t", "-a", "a=1", "--json", r#"{"a": 1}"#], "given twice"),
        (&["generate", "t", "--prefix", "A:", "--separator", "::"], "cannot be extracted"),
        (&["generate", "t", "--salt-file", "/nonexistent"], "/nonexistent"),
        (&["extract", "x"], "no id found in \"x\""),
        (&["verify", "/nonexistent"], "/nonexistent"),
        (&["new-salt", "--output", "/nonexistent/salt"], "/nonexistent/salt"),
    ];
    for (arguments, expected) in failing {
        let (code, out, error) = run(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(error.starts_with("idforge: ") && error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn without_a_salt_there_is_no_id() {
    for salt in [None, Some("")] {
        let mut command = idforge(&["generate", "t"]);
        match salt {
            Some(salt) => command.env("UUID_FORGE_SALT", salt),
            None => command.env_remove("UUID_FORGE_SALT"),
        };
        let (code, out, error) = outcome(&mut command, "");
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("UUID_FORGE_SALT is not set"), "{error}");
        assert_eq!(outcome(command.arg("--lenient"), "").0, 0);
    }
}

#[test]
fn a_salt_file_is_made_for_its_owner_alone_and_kept() {
    let directory = scratch("salt-file");
    let file = directory.join("salt");
    let path = file.to_str().unwrap();
    let (code, out, error) = run(&["new-salt", "--output", path]);
    assert_eq!((code, out.as_str(), mode(&file)), (0, "", 0o600));
    let salt = fs::read_to_string(&file).unwrap();
    assert_eq!((salt.len(), salt.ends_with('\n')), (44, true));
    assert!(!error.contains(salt.trim()) && error.contains("fingerprint"));

    let (code, _, error) = run(&["new-salt", "--output", path]);
    assert_eq!((code, fs::read_to_string(&file).unwrap()), (1, salt.clone()));
    assert!(error.contains("--force"), "{error}");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let by_file = outcome(idforge(&["generate", "t", "--salt-file", path]).env("UUID_FORGE_SALT", "another"), "");
    let by_environment = outcome(idforge(&["generate", "t"]).env("UUID_FORGE_SALT", salt.trim()), "");
    assert_eq!((by_file.0, &by_file.1), (0, &by_environment.1));
    assert!(by_file.2.contains("can be read by others"), "{}", by_file.2);

    assert_eq!(run(&["new-salt", "--output", path, "--force", "--length", "16"]).0, 0);
    let replaced = fs::read_to_string(&file).unwrap();
    assert_eq!((replaced.len(), mode(&file)), (23, 0o600));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn a_new_salt_is_printed_alone_and_new_each_time() {
    let salts: Vec<Outcome> = (0..2).map(|_| run(&["new-salt"])).collect();
    assert!(salts.iter().all(|(code, salt, error)| *code == 0 && salt.len() == 44 && error.is_empty()));
    assert_ne!(salts[0].1, salts[1].1);
}

#[test]
fn batch_answers_in_order_with_errors_in_their_place() {
    let john = r#"{"entity_type": "user", "kwargs": {"email": "john@example.com"}}"#;
    let long = "x".repeat(3 << 20);
    let input = format!("{john}\r\n{{\n\n{long}\n{john}");
    let (code, out, error) = outcome(&mut idforge(&["batch", "-n", "users.mycompany.com"]), &input);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines.len(), lines[0], lines[4]), (1, 5, JOHN, JOHN));
    for (line, number) in [(lines[1], 2), (lines[2], 3), (lines[3], 4)] {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["line"], number);
        assert!(object["error"].is_string());
    }
    assert!(lines[3].contains("at most 1048576"));
    assert!(error.contains("3 lines without an id"), "{error}");
    assert_eq!(outcome(&mut idforge(&["batch"]), ""), (0, String::new(), String::new()));
}

/// A program can ask for one id at a time.
#[test]
fn batch_answers_before_it_waits() {
    let mut child = idforge(&["batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        writeln!(input, r#"{{"entity_type": "t"}}"#).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer.len(), 37);
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let mut child =
        idforge(&["batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let line = "{\"entity_type\": \"t\"}\n".repeat(10_000);
    // It may be gone before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(line.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn verify_counts_and_shows_the_first_failures() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let verify = |path: &Path| run(&["verify", path.to_str().unwrap()]);
    assert_eq!(verify(&vectors.join("vectors_public.json")), (0, "454 passed, 0 failed\n".into(), String::new()));
    let spoilt = scratch("verify").join("spoilt.json");
    let text = fs::read_to_string(vectors.join("vectors_prefixed.json")).unwrap();
    fs::write(&spoilt, text.replace("\"separator\": \"_\"", "\"separator\": \"+\"")).unwrap();
    let (code, out, _) = verify(&spoilt);
    let last = out.lines().last().unwrap();
    let failed: usize = last.strip_suffix(" failed").and_then(|last| last.rsplit(' ').next()).unwrap().parse().unwrap();
    assert_eq!((code, out.lines().count()), (1, failed.min(10) + 1));
    assert!(failed > 10 && last == format!("{} passed, {failed} failed", 106 - failed), "{last}");
    let (code, out, error) = verify(&vectors.join("vectors_errors.json"));
    assert_eq!((code, out.as_str()), (0, "0 passed, 0 failed\n"));
    assert!(error.contains("39 cases are calls written in Python"), "{error}");
    let (code, out, error) = verify(&vectors.join("nonprintable.json"));
    assert_eq!((code, out.as_str()), (1, "0 passed, 0 failed\n"));
    assert!(error.contains("nothing was verified"), "{error}");
}

#[test]
fn extract_prints_the_id() {
    assert_eq!(run(&["extract", &format!("INV-EUR-{JOHN}")]), (0, format!("{JOHN}\n"), String::new()));
    assert_eq!(run(&["extract", &format!("INV_{JOHN}"), "--separator", "_"]).1, format!("{JOHN}\n"));
    assert_eq!(run(&["extract", &format!("-{JOHN}")]).1, format!("{JOHN}\n"));
    let damaged = "CAFE-05b16a01-46c6-56dd-bd6e-c6dfb4a1";
    assert_eq!((run(&["extract", damaged]).0, run(&["extract", "--lenient", damaged]).0), (1, 0));
}

#[test]
fn validate_and_info_tell_all_but_the_salt() {
    let with = |arguments: &[&str], salt: &str| {
        outcome(idforge(arguments).env("UUID_FORGE_NAMESPACE", "a.b").env("UUID_FORGE_SALT", salt), "")
    };
    for (salt, lax, strict, says) in [
        ("", 1, 1, "CRITICAL: No salt"),
        ("short", 0, 1, "WARNING: Salt is only 5 characters."),
        ("sixteen-chars-xx", 0, 0, "INFO: Salt is 16 characters."),
        (GOOD_SALT, 0, 0, "OK: "),
        ("a-salt-with-a-bar-|-in-its-middle-", 1, 1, "CRITICAL: the salt contains '|'"),
    ] {
        let (code, out, _) = with(&["validate"], salt);
        assert_eq!((code, with(&["validate", "--strict"], salt).0), (lax, strict), "{salt}");
        assert!(out.contains(says), "{out}");
        for arguments in [&["info"][..], &["info", "--json-output"]] {
            let (code, out, _) = with(arguments, salt);
            assert!(code == 0 && (salt.is_empty() || !out.contains(salt)), "{out}");
        }
    }
    let (_, out, _) = with(&["info"], GOOD_SALT);
    assert!(out.contains("a.b") && out.contains("32 characters, fingerprint"), "{out}");
    let object: serde_json::Value = serde_json::from_str(&with(&["info", "--json-output"], "").1).unwrap();
    assert_eq!((&object["salt_set"], &object["salt_fingerprint"]), (&false.into(), &serde_json::Value::Null));
}
