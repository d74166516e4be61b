//! Reading the documents.

use std::fs;
use std::path::{Path, PathBuf};

/// A path from the root of the workspace.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The README and every page below docs.
pub(crate) fn all() -> Vec<PathBuf> {
    let mut pages = vec![path("README.md")];
    pages.extend(below(&path("docs"), "md"));
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// Every file with this extension below a folder, what is built aside.
pub(crate) fn below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "target";
        if entry.file_type().unwrap().is_dir() && !hidden {
            found.extend(below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The fenced blocks of a page in one language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.trim_start().strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            if found == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// What stands between backticks outside of fenced blocks.
pub(crate) fn code(page: &str) -> Vec<String> {
    prose(page).iter().flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// The lines outside of fenced blocks.
pub(crate) fn prose(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    page.lines().filter(outside).collect()
}

/// The cells of the rows of every table of a page, heads and rules aside.
pub(crate) fn rows(page: &str) -> Vec<Vec<String>> {
    let lines = prose(page);
    let is_row = |line: &str| line.starts_with('|');
    let is_rule = |line: &str| line.starts_with("|-");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let head = lines.get(at + 1).is_some_and(|next| is_rule(next));
        if is_row(line) && !is_rule(line) && !head {
            let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
            rows.push(inner.split(" | ").map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}
