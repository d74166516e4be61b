//! Our ids against those of the real uuid-forge, installed by pip into a scratch environment: 100,000 random inputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use idforge::batch::Batch;
use idforge::{Defaults, Namespace, canonical, prefixed};
use serde_json::value::RawValue;

const PACKAGE: &str = "uuid-forge==0.1.1";
const IDS: usize = 100_000;
const EXTRACTIONS: usize = 30_000;

/// Set to anything, a registry out of reach fails the test instead of being reported.
const REQUIRED: &str = "IDFORGE_REQUIRE_UUID_FORGE";

#[test]
fn ids_and_extractions_are_those_of_the_python_package() {
    let python = match install() {
        Ok(python) => python,
        Err(reason) => return report_that_nothing_was_compared(&reason),
    };
    let seed = std::process::id();
    let output = Command::new(python)
        .arg(tests().join("uuid_forge_inputs.py"))
        .arg(tests().join("vectors/nonprintable.json"))
        .args([seed.to_string(), IDS.to_string(), EXTRACTIONS.to_string()])
        .env("PYTHONUTF8", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut comparison = Comparison::default();
    text.lines().for_each(|line| comparison.compare(line));
    let Comparison { ids, extractions, texts, strict, differences } = comparison;
    assert!(
        differences.is_empty(),
        "seed {seed}, {} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(10)].join("\n")
    );
    assert_eq!((ids, extractions), (IDS, EXTRACTIONS));
    assert!(texts > 200, "only {texts} texts with the printable characters");
    assert!(strict > IDS / 10, "the default forge took only {strict} of {IDS}: the inputs show nothing about it");
}

#[derive(Default)]
struct Comparison {
    ids: usize,
    extractions: usize,
    texts: usize,
    strict: usize,
    differences: Vec<String>,
}

impl Comparison {
    fn compare(&mut self, line: &str) {
        let case: HashMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
        let text = |name| case.get(name).map(|raw| serde_json::from_str::<String>(raw.get()).unwrap());
        let expected = text("expect");
        let agrees = match (text("input"), text("text")) {
            (Some(input), _) => {
                self.extractions += 1;
                compare_extraction(&input, &text("separator").unwrap(), expected.as_deref())
            }
            (None, Some(plain)) => {
                self.texts += 1;
                compare_canonical(&plain, &text("lower").unwrap(), &text("upper").unwrap())
            }
            (None, None) => {
                self.ids += 1;
                self.compare_id(line, &expected.unwrap())
            }
        };
        if let Err(difference) = agrees {
            self.differences.push(format!("{difference}: {line}"));
        }
    }

    fn compare_id(&mut self, line: &str, expected: &str) -> Result<(), String> {
        let forge =
            |lenient| Batch::new(Defaults { namespace: Namespace::DNS, salt: None, lenient }).answer(line.as_bytes());
        let lenient = forge(true).map_err(|error| format!("refused leniently: {error}"))?;
        let strict = forge(false);
        self.strict += usize::from(strict.is_ok());
        match (lenient == expected, strict) {
            (false, _) => Err(format!("made {lenient}")),
            (true, Ok(strict)) if strict != expected => Err(format!("the default forge made {strict}")),
            (true, _) => Ok(()),
        }
    }
}

fn compare_extraction(input: &str, separator: &str, expected: Option<&str>) -> Result<(), String> {
    let lenient = prefixed::extract_lenient(input, separator).ok().map(|id| id.to_string());
    let strict = prefixed::extract(input, separator).ok().map(|id| id.to_string());
    match (lenient.as_deref() == expected, strict.is_none() || strict == lenient) {
        (false, _) => Err(format!("extracted {lenient:?}")),
        (true, false) => Err(format!("extracted {strict:?} by default")),
        (true, true) => Ok(()),
    }
}

fn compare_canonical(text: &str, lower: &str, upper: &str) -> Result<(), String> {
    match (canonical::email(text), canonical::sku(text)) {
        (Ok(email), Ok(sku)) if email == lower && sku == upper => Ok(()),
        (email, sku) => Err(format!("canonical forms {email:?} and {sku:?}")),
    }
}

/// A Python with the package, made once and kept in the target directory.
fn install() -> Result<PathBuf, String> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uuid-forge");
    let python = environment.join("bin/python");
    let has_package = |python: &Path| {
        run(Command::new(python).args(["-c", "import uuid_forge; assert uuid_forge.__version__ == '0.1.1'"]))
    };
    if has_package(&python).is_ok() {
        return Ok(python);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(|error| error.to_string())?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]))?;
    has_package(&python).map(|()| python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Says it past the test harness, which keeps back what a passing test prints.
fn report_that_nothing_was_compared(reason: &str) {
    let message = format!(
        "\n*** NOT COMPARED with the real uuid-forge: {PACKAGE} could not be installed. ***\n\
         *** test ids_and_extractions_are_those_of_the_python_package in idforge/tests/uuid_forge.rs; {REQUIRED}=1 makes this a failure ***\n\
         {reason}\n"
    );
    assert!(std::env::var_os(REQUIRED).is_none(), "{message}");
    io::stderr().write_all(message.as_bytes()).unwrap();
    // `./dev test` names at its end what stands in this file.
    if let Some(file) = std::env::var_os("TEST_NOT_RUN_FILE") {
        let line = format!("ids_and_extractions_are_those_of_the_python_package: {PACKAGE} could not be installed\n");
        fs::OpenOptions::new().append(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
