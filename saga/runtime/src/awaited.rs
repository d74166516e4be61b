//! What sagas wait for, as far as a process remembers: which of their answers are only taken note of.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use crate::broker::{Company, Incoming, Waits};

/// Of so many sagas it is remembered; one more, and all are forgotten.
const MOST: usize = 20_000;
/// How long an answer may wait for the others of its saga: longer than it takes under load from the first of them to the
/// last. It is for those that never come.
const PATIENCE: Duration = Duration::from_millis(100);

/// For each saga the answers of which nothing comes until all of them are there, but that note is taken of each. They wait
/// for one another before they are handled, so that the saga is read and written once for all.
///
/// A memory, and no truth: what is wrong or missing in it costs a transaction, or a moment. Whoever decides for the sagas
/// keeps it; each copy of the process has its own, and forgets none that another copy went on with before it is full.
#[derive(Debug, Default)]
pub struct Awaited(Mutex<HashMap<Uuid, Arc<[&'static str]>>>);

/// As much of a message as it takes.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "sagaid")]
    saga: Option<Uuid>,
}

impl Awaited {
    /// Remembers what a saga waits for now. A single answer waits for none.
    pub fn remember(&self, saga: Uuid, answers: Vec<&'static str>) {
        let mut sagas = self.sagas();
        if answers.len() < 2 {
            sagas.remove(&saga);
            return;
        }
        if sagas.len() >= MOST && !sagas.contains_key(&saga) {
            sagas.clear();
        }
        sagas.insert(saga, answers.into());
    }

    /// What a message may wait for.
    pub(crate) fn company(&self, message: &Incoming) -> Company {
        // What cannot be read is parked at once.
        let Ok(Head { kind, saga: Some(saga) }) = serde_json::from_slice(&message.body) else {
            return Company::default();
        };
        Company { saga: Some(saga), waits: self.waits(saga, &kind).unwrap_or_default() }
    }

    fn waits(&self, saga: Uuid, kind: &str) -> Option<Waits> {
        let all = Arc::clone(self.sagas().get(&saga)?);
        let kind = *all.iter().find(|awaited| **awaited == kind)?;
        Some(Waits::ForAll { kind, all, patience: PATIENCE })
    }

    fn sagas(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<[&'static str]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAGA: Uuid = Uuid::from_u128(7);

    fn company(awaited: &Awaited, saga: Uuid, kind: &str) -> Company {
        let message = json!({ "specversion": "1.0", "type": kind, "sagaid": saga, "data": { "type": "other" } });
        awaited.company(&Incoming::of_bytes(message.to_string()))
    }

    #[test]
    fn an_answer_waits_for_those_that_its_saga_waits_for_as_well() {
        let awaited = Awaited::default();
        awaited.remember(SAGA, vec!["A", "B"]);
        let rest = Waits::ForAll { kind: "B", all: vec!["A", "B"].into(), patience: PATIENCE };
        assert_eq!(company(&awaited, SAGA, "B"), Company { saga: Some(SAGA), waits: rest });
        let hurries = Company { saga: Some(SAGA), waits: Waits::No };
        assert_eq!(company(&awaited, SAGA, "REFUSED"), hurries);
        awaited.remember(SAGA, vec!["B"]);
        assert_eq!(company(&awaited, SAGA, "B"), hurries, "it is the last");
    }

    #[test]
    fn what_is_not_known_hurries() {
        let awaited = Awaited::default();
        assert_eq!(company(&awaited, SAGA, "A"), Company { saga: Some(SAGA), waits: Waits::No });
        let no_saga = Incoming::of_bytes(r#"{"type":"A"}"#);
        assert_eq!(awaited.company(&no_saga), Company::default());
        assert_eq!(awaited.company(&Incoming::of_bytes("no JSON")), Company::default());
    }

    #[test]
    fn of_too_many_sagas_all_are_forgotten() {
        let awaited = Awaited::default();
        for saga in 1..=MOST {
            awaited.remember(Uuid::from_u128(saga as u128), vec!["A", "B"]);
        }
        assert_ne!(company(&awaited, Uuid::from_u128(1), "A").waits, Waits::No);
        awaited.remember(SAGA, vec!["A", "B"]);
        awaited.remember(Uuid::nil(), vec!["A", "B"]);
        assert_eq!(company(&awaited, Uuid::from_u128(1), "A").waits, Waits::No);
        assert_ne!(company(&awaited, Uuid::nil(), "A").waits, Waits::No);
    }
}
