//! The law of every HTTP body: any bytes are taken, and then they can be stored; or they are the client's to correct.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::delivery::without_nul;
use crate::http::{Problem, admin};
use crate::orchestrator::api;

/// Reads a body and checks it as its route does. What will be stored of it is its result.
pub type Body = fn(&[u8]) -> Result<Value, Problem>;

/// Every body of the operator's API, by the path below `/admin` that it is sent to.
pub fn operators_bodies() -> impl Iterator<Item = (&'static str, Body)> {
    admin::BODIES.into_iter().chain(api::BODIES)
}

/// Whether a body is taken.
///
/// # Panics
/// When it is refused as if that were our fault, and when it is taken though PostgreSQL cannot hold it.
#[must_use]
pub fn is_taken(read: Result<Value, Problem>) -> bool {
    match read {
        Ok(stored) => {
            assert_eq!(without_nul(stored.clone()), stored, "PostgreSQL keeps no U+0000");
            true
        }
        Err(problem) => {
            assert!(problem.status().is_client_error(), "{problem:?}");
            false
        }
    }
}

/// What a fuzz target found worth keeping.
///
/// # Panics
/// When it is gone.
#[must_use]
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trials/fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).map(|files| files.map(|file| fs::read(file?.path())).collect());
    let inputs: Vec<_> =
        files.and_then(|inputs| inputs).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(inputs.len() >= 10, "the corpus of {target} is gone");
    inputs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_operators_send_is_read_or_theirs_to_correct() {
        let mut taken = BTreeSet::new();
        for bytes in corpus("operator") {
            taken.extend(operators_bodies().filter(|(_, read)| is_taken(read(&bytes))).map(|(path, _)| path));
        }
        assert_eq!(taken.len(), operators_bodies().count(), "some are never taken; these are: {taken:?}");
    }
}
