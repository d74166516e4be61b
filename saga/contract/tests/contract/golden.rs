//! Golden files: how each type and version looks on the wire, kept for ever.
//!
//! A new type or version gets its file with `NEW_GOLDEN=1`. A file that exists is never written
//! again, and the list of their hashes says if somebody did.

use std::collections::{BTreeMap, BTreeSet};

use saga_contract::TOPOLOGY;
use saga_core::Message;
use sha2::{Digest, Sha256};

use crate::pinned;
use crate::samples::{self, Sample};

const FOLDER: &str = "saga/contract/golden";
const SUMS: &str = "saga/contract/golden/SHA256SUMS";

/// The golden file of a type, in the newest version.
pub(crate) fn newest(kind: &str) -> Message {
    let version = TOPOLOGY.message_type(kind).unwrap().version;
    Message::parse(pinned::read(&format!("{FOLDER}/{}", file_name(kind, version))).as_bytes()).unwrap()
}

pub(crate) fn file_name(kind: &str, version: u16) -> String {
    format!("{kind}.v{version}.json")
}

fn files() -> BTreeMap<String, String> {
    let names = std::fs::read_dir(pinned::path(FOLDER)).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".json"));
    names.map(|name| (name.clone(), pinned::read(&format!("{FOLDER}/{name}")))).collect()
}

fn sum_line(name: &str, text: &str) -> String {
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}  {name}")
}

/// Writes the files that are missing, and their hashes; touches none that exists.
fn write_missing(samples: &[Sample]) {
    let mut sums = std::fs::read_to_string(pinned::path(SUMS)).unwrap_or_default();
    for sample in samples {
        let name = file_name(&sample.message.kind, sample.message.schema_version);
        let path = pinned::path(&format!("{FOLDER}/{name}"));
        if !path.exists() {
            let text = format!("{}\n", String::from_utf8(sample.message.to_bytes()).unwrap());
            std::fs::write(path, &text).unwrap();
            sums.push_str(&format!("{}\n", sum_line(&name, &text)));
        }
    }
    std::fs::write(pinned::path(SUMS), sums).unwrap();
}

#[test]
fn every_type_has_a_golden_file_with_the_bytes_that_the_code_writes() {
    let samples = samples::all();
    if std::env::var_os("NEW_GOLDEN").is_some() {
        write_missing(&samples);
    }
    let files = files();
    for sample in &samples {
        let name = file_name(&sample.message.kind, sample.message.schema_version);
        let golden = files.get(&name).unwrap_or_else(|| panic!("{name} is missing; NEW_GOLDEN=1 writes it"));
        let written = String::from_utf8(sample.message.to_bytes()).unwrap();
        assert_eq!(golden.trim_end_matches('\n'), written, "{name}");
    }
}

#[test]
fn every_golden_file_of_every_version_is_read_and_written_again_byte_for_byte() {
    let samples: BTreeMap<_, _> = samples::all().into_iter().map(|s| (s.message.kind.clone(), s)).collect();
    let files = files();
    assert!(files.len() >= TOPOLOGY.types.len(), "files are missing; NEW_GOLDEN=1 writes them");
    for (name, text) in files {
        let mut message = Message::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(name, file_name(&message.kind, message.schema_version));
        let body = (samples[&message.kind].rewrite)(&message).unwrap_or_else(|error| panic!("{name}: {error}"));
        if body.version == message.schema_version {
            message.data = body.data;
            assert_eq!(String::from_utf8(message.to_bytes()).unwrap(), text.trim_end_matches('\n'), "{name}");
        }
    }
}

#[test]
fn no_golden_file_was_ever_changed_removed_or_added_unlisted() {
    let listed: BTreeSet<String> = pinned::read(SUMS).lines().map(str::to_owned).collect();
    let found: BTreeSet<String> = files().iter().map(|(name, text)| sum_line(name, text)).collect();
    assert_eq!(found, listed, "a golden file is kept for ever: make a new version instead of changing one");
}

#[test]
fn the_samples_are_the_types_of_the_topology() {
    let samples: Vec<_> = samples::all().iter().map(|s| (s.message.kind.clone(), s.message.schema_version)).collect();
    let types: Vec<_> = TOPOLOGY.types.iter().map(|t| (t.name.to_owned(), t.version)).collect();
    assert_eq!(samples, types);
}

#[test]
fn each_sample_comes_from_the_source_that_the_topology_names() {
    for sample in samples::all() {
        let kind = TOPOLOGY.message_type(&sample.message.kind).unwrap();
        assert_eq!(sample.message.source, kind.source, "{}", kind.name);
    }
}

#[test]
fn no_message_holds_an_address() {
    for (name, text) in files() {
        assert!(!text.contains('@'), "{name} holds an e-mail address");
    }
}
