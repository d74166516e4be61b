//! The file itself, read as compose reads it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) const PROCESSES: [&str; 4] = ["pet-service", "order-service", "inventory-service", "saga"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(crate) fn text() -> String {
    std::fs::read_to_string(root().join("compose.yaml")).unwrap()
}

/// The whole file, variables not yet replaced.
pub(crate) fn raw() -> Value {
    serde_saphyr::from_str(&text()).unwrap()
}

/// An inline config, each required variable replaced by [`secret_of`] it.
pub(crate) fn config(name: &str) -> String {
    replaced(raw()["configs"][name]["content"].as_str().unwrap())
}

pub(crate) fn definitions() -> Value {
    serde_json::from_str(&config("definitions")).unwrap()
}

/// What the variable of that name holds in these tests.
pub(crate) fn secret_of(variable: &str) -> String {
    format!("secret-of-{}", variable.to_lowercase())
}

/// The names of all variables without which compose refuses to start.
pub(crate) fn required_variables() -> BTreeSet<String> {
    let text = text();
    let required = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(inside, _)| inside);
    required.filter_map(|inside| inside.strip_suffix(":?")).map(str::to_owned).collect()
}

fn replaced(text: &str) -> String {
    let named = required_variables()
        .iter()
        .fold(text.to_owned(), |text, name| text.replace(&format!("${{{name}:?}}"), &secret_of(name)));
    assert!(!named.contains("${"), "a variable that may be missing: {named}");
    named.replace("$$", "$")
}
