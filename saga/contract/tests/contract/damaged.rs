//! Damaged messages, and what the fuzz targets found worth keeping: nothing panics, and what is read is read again.

use std::fs;

use saga_core::Message;

use crate::again::check;
use crate::pinned::path;

/// What is put in the place of each byte.
const DAMAGE: [&[u8]; 6] = [b"", b"\"", b"9", b"-", b"[", b"\xff"];

fn folder(name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(path(name)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| !file.ends_with("SHA256SUMS")).map(|file| fs::read(file).unwrap()).collect()
}

/// Whether it is a message, and whether its data are those of its type.
fn read(bytes: &[u8]) -> (bool, bool) {
    let Ok(message) = Message::parse(bytes) else { return (false, false) };
    assert_eq!(Message::parse(&message.to_bytes()).ok().as_ref(), Some(&message));
    (true, check(&message))
}

#[test]
fn a_message_with_damage_anywhere_is_read_as_another_one_or_not_at_all() {
    let (mut messages, mut payloads, mut all) = (0, 0, 0);
    for good in folder("saga/contract/golden") {
        assert!(read(&good).0, "{}", String::from_utf8_lossy(&good));
        for (at, damage) in (0..good.len()).flat_map(|at| DAMAGE.map(|damage| (at, damage))) {
            let (message, payload) = read(&[&good[..at], damage, &good[at + 1..]].concat());
            (messages, payloads, all) = (messages + usize::from(message), payloads + usize::from(payload), all + 1);
        }
    }
    assert!(payloads > 1_000 && messages > payloads && all > 2 * messages, "{payloads} {messages} {all}");
}

#[test]
fn what_the_fuzz_targets_kept_is_read_without_harm() {
    let kept: Vec<_> =
        ["envelope", "message"].map(|target| folder(&format!("saga/contract/fuzz/corpus/{target}"))).concat();
    assert!(kept.len() >= 10, "the corpus is gone");
    assert!(kept.iter().any(|bytes| read(bytes).0));
}
