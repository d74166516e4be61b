//! What the fuzz targets found worth keeping, run again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use idforge::batch::Batch;
use idforge::prefixed::{extract, extract_lenient};
use idforge::{Defaults, Namespace};

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() >= 10, "the corpus of {target} is gone");
    inputs
}

#[test]
fn no_line_panics_and_the_default_forge_agrees_with_the_lenient_one() {
    let answer = |line: &[u8], lenient| {
        Batch::new(Defaults { namespace: Namespace::DNS, salt: Some("salt".into()), lenient }).answer(line)
    };
    let mut answered = 0;
    for line in corpus("batch") {
        let (strict, lenient) = (answer(&line, false), answer(&line, true));
        assert!(strict.is_err() || strict == lenient, "{}", String::from_utf8_lossy(&line));
        answered += usize::from(lenient.is_ok());
    }
    assert!(answered > 0);
}

#[test]
fn no_text_panics_and_both_extractions_agree() {
    let mut found = 0;
    for bytes in corpus("extract") {
        let text = String::from_utf8_lossy(&bytes);
        let (separator, text) = text.split_once('\n').unwrap_or(("-", &text));
        let (strict, lenient) = (extract(text, separator), extract_lenient(text, separator));
        assert!(strict.is_err() || strict == lenient, "{text:?} {separator:?}");
        found += usize::from(lenient.is_ok());
    }
    assert!(found > 0);
}
