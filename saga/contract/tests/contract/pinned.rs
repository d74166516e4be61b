//! Files that are made from the code and kept beside it.

use std::path::PathBuf;

/// A path from the root of the workspace.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

pub(crate) fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Compares a file with what the code makes of it; with `UPDATE_DOCS=1` it is written instead.
pub(crate) fn assert_made_from_code(relative: &str, made: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(relative), made).unwrap();
    }
    let found = std::fs::read_to_string(path(relative)).unwrap_or_default();
    if let Some((at, (found, made))) =
        found.lines().zip(made.lines()).enumerate().find(|(_, (found, made))| found != made)
    {
        panic!("{relative}:{}: found {found:?}, the code says {made:?}; UPDATE_DOCS=1 writes it anew", at + 1);
    }
    assert!(found == made, "{relative} is longer or shorter than the code says; UPDATE_DOCS=1 writes it anew");
}
