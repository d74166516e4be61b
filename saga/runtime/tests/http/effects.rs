//! What was done for a step is done once, though nobody looks for a step that is asked for the first time.

use std::sync::{Arc, Mutex};

use saga_core::effect::{EffectState, OnDo};
use saga_core::{Body, Message, Time};
use saga_runtime::broker::Incoming;
use saga_runtime::store::no_migrations;
use saga_runtime::testing::{Deliveries, Servers};
use saga_runtime::{Decided, Effects, Handler, Handling, StepRequest, Transaction, Verdict};
use serde_json::json;
use uuid::Uuid;

use crate::failures::note;
use crate::process::TOPOLOGY;

/// Does one step of whatever saga asks for it, in the way that the subject says, and remembers what it was told.
#[derive(Default)]
struct Desk(Arc<Mutex<Vec<(String, OnDo)>>>);

impl Handler for Desk {
    fn handle<'a>(&'a self, transaction: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(async move {
            let requests = batch.iter().map(|note| StepRequest::to_do(note, "file").unwrap());
            let mut effects = Effects::lock(transaction, requests.clone()).await?;
            let decide = |request: StepRequest<'_>| {
                let (told, way) = (effects.on_do(request), request.message.subject.as_str());
                self.0.lock().unwrap().push((way.to_owned(), told));
                match (told, way) {
                    (OnDo::AnswerAgain(answer), _) => Verdict::answer_again(answer),
                    (_, "forgets") => Verdict::send(Vec::new()),
                    (_, "puts off") => Verdict::PutOff { reason: "not now".to_owned() },
                    (_, "parks") => Verdict::Park { reason: "never", detail: "it is told so".to_owned() },
                    _ => {
                        let body = Body { kind: "NOTE_FILED", version: 1, data: json!({}) };
                        let id = Uuid::from_u128(request.message.id.as_u128() + 1000);
                        let answer = Message::caused_by(request.message, id, "desk", way.to_owned(), body, now);
                        effects.settle(request, EffectState::Done, answer)
                    }
                }
            };
            let verdicts = requests.map(decide).collect();
            Ok(Decided::new(verdicts, effects.writes(now)))
        })
    }
}

/// The same step of the same saga is asked for again, twice, each time under an id of its own, and not answered as usual.
async fn asked_for_again(way: &str) {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let desk = Desk::default();
    let told = Arc::clone(&desk.0);
    let desk = Deliveries::to("notes.taken", Arc::new(desk), &TOPOLOGY, &database, &no_migrations()).await;
    for (id, way) in [(1, "files"), (2, way), (3, way)] {
        let mut note = note(id, way);
        note.saga_id = Some(Uuid::from_u128(7));
        desk.deliver(vec![Incoming::of_bytes(note.to_bytes())]).await;
    }
    let told = std::mem::take(&mut *told.lock().unwrap());
    let [first, blind, seen, next] = &told[..] else { panic!("{told:?}") };
    assert_eq!((first, &blind.1), (&("files".to_owned(), OnDo::Perform), &OnDo::Perform), "nobody looks");
    assert!(matches!(seen.1, OnDo::AnswerAgain(answer) if answer.id == Uuid::from_u128(1001)), "{seen:?}");
    assert_eq!(next, seen, "the queue looks first, once something was there before");
    let client = database.connect().await;
    let count = async |table: &str| {
        client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!((count("effects").await, count("journal").await, count("inbox").await), (1, 1, 3), "done once");
    assert_eq!((count("deferred").await, count("parked").await), (0, 0), "and set aside never");
}

#[tokio::test]
async fn a_step_that_is_asked_for_under_another_id_is_answered_again() {
    asked_for_again("files").await;
}

#[tokio::test]
async fn a_handler_that_writes_no_effect_is_told_of_the_one_that_is_there() {
    asked_for_again("forgets").await;
}

#[tokio::test]
async fn nothing_is_put_off_or_parked_for_want_of_a_look() {
    asked_for_again("puts off").await;
    asked_for_again("parks").await;
}
