//! What is told of a transaction once it is committed.

use idforge::Salt;
use saga_core::{Body, FactsError, Kind, Message, Start, Step, Undo};
use serde_json::json;

use super::*;
use crate::broker::{Incoming, Waits};
use crate::clock;

const NOTHING: saga_core::DataFn = |_| Err(FactsError::Invalid("nothing to say".to_owned()));

const STEPS: &[Step] = &[
    Step {
        name: "first",
        kind: Kind::Compensatable,
        condition: None,
        start: Start::Command {
            kind: "DO",
            queue: "work",
            data: |_| Ok(Body { kind: "DO", version: 1, data: json!({}) }),
        },
        done: "FIRST_DONE",
        refused: None,
        undo: Some(Undo { kind: "UNDO", queue: "work", data: NOTHING, undone: &["FIRST_UNDONE"] }),
    },
    Step {
        name: "second",
        kind: Kind::Compensatable,
        condition: None,
        start: Start::Event { of: "first", queue: "work" },
        done: "SECOND_DONE",
        refused: None,
        undo: Some(Undo { kind: "UNDO_SECOND", queue: "work", data: NOTHING, undone: &["SECOND_UNDONE"] }),
    },
    Step {
        name: "word",
        kind: Kind::Pivot,
        condition: None,
        start: Start::Wait,
        done: "WORD_GIVEN",
        refused: None,
        undo: None,
    },
];

fn orchestrator() -> Orchestrator {
    let ids = Ids::new(&Salt::new("a salt for tests alone").unwrap(), "test.example");
    let definition = Definition::new("test", 1, "ASKED", STEPS, |message| Ok(message.id)).unwrap();
    Orchestrator::new(vec![definition], &ids, Timings::default(), Arc::default())
}

#[test]
fn what_a_saga_awaits_is_remembered_once_it_is_committed_and_not_before() {
    let (orchestrator, now) = (orchestrator(), clock::now());
    let body = Body { kind: "ASKED", version: 1, data: json!({}) };
    let start = Message::new(Uuid::from_u128(1), "somebody", "something", body, now);
    let engine = orchestrator.engine_for_start("ASKED").unwrap();
    let (started, _) = output(engine.decide(None, Input::Message(&start), now).unwrap());
    let answer = json!({ "type": "FIRST_DONE", "sagaid": started.id }).to_string();
    let waits = || orchestrator.awaited.company(&Incoming::of_bytes(answer.clone())).waits;
    let news = || {
        let mut sagas = Sagas::default();
        sagas.set(started.clone());
        orchestrator.writes(sagas, now).1
    };
    drop(news());
    assert_eq!(waits(), Waits::No, "a batch that failed, or a dry run");
    news().tell();
    assert!(
        matches!(waits(), Waits::ForAll { kind: "FIRST_DONE", all, .. } if all[..] == ["FIRST_DONE", "SECOND_DONE"])
    );
}
