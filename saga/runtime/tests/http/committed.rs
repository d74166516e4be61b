//! Who is told, once it is committed.

use std::sync::{Arc, Mutex};

use saga_core::{Message, Time};
use saga_runtime::broker::Incoming;
use saga_runtime::store::{Writes, no_migrations};
use saga_runtime::testing::{Deliveries, Servers};
use saga_runtime::{Decided, Handler, Handling, Transaction, Verdict, values};
use uuid::Uuid;

use crate::failures::note;
use crate::process::TOPOLOGY;

/// Takes every note, and tells of it; fails to write bad ones.
#[derive(Default)]
struct Teller(Arc<Mutex<Vec<Uuid>>>);

impl Handler for Teller {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async move {
            let verdicts = batch.iter().map(|_| Verdict::send(Vec::new())).collect();
            let mut writes = Writes::default();
            if batch.iter().any(|note| note.subject == "bad") {
                writes.add("SELECT 1 / 0", values![]);
            }
            let (told, ids): (_, Vec<Uuid>) = (Arc::clone(&self.0), batch.iter().map(|note| note.id).collect());
            Ok(Decided::new(verdicts, writes).then(move || told.lock().unwrap().extend(ids)))
        })
    }
}

#[tokio::test]
async fn what_is_committed_is_told_once_and_what_is_not_is_not() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let teller = Teller::default();
    let told = Arc::clone(&teller.0);
    let desk = Deliveries::to("notes.taken", Arc::new(teller), &TOPOLOGY, &database, &no_migrations()).await;
    let (good, bad) = (note(1, "good"), note(2, "bad"));
    let came = |message: &Message| Incoming::of_bytes(message.to_bytes());
    desk.deliver(vec![came(&good), came(&bad)]).await;
    desk.deliver(vec![came(&good)]).await;
    assert_eq!(*told.lock().unwrap(), [good.id]);
    let client = database.connect().await;
    let put_off: i64 = client.query_one("SELECT count(*) FROM deferred", &[]).await.unwrap().get(0);
    assert_eq!(put_off, 1, "the bad one comes back");
}

/// Writes a row for every note, and beside it what its subject says, which fails.
struct Clumsy;

impl Handler for Clumsy {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(async move {
            let mut writes = Writes::default();
            for note in batch {
                let row = "INSERT INTO audit (at, who, action, target) VALUES ($1, 'clumsy', 'noted', $2)";
                writes.add(row, values![now, note.subject.clone()]);
                match note.subject.as_str() {
                    "fails" => writes.add("SELECT 1 / 0", values![]),
                    "cannot be prepared" => writes.add("SELECT FROM nowhere", values![]),
                    "cannot be sent" => writes.add("SELECT $1::int8", values!["no number"]),
                    "finds too few rows" => writes.add_exactly(1, "DELETE FROM effects WHERE false", values![]),
                    _ => {}
                }
            }
            let answer = |note: &&Message| {
                let mut answer = Message::clone(note);
                answer.kind = "NO_TYPE".to_owned();
                Verdict::send(if note.subject == "goes nowhere" { vec![answer] } else { Vec::new() })
            };
            Ok(Decided::new(batch.iter().map(answer).collect(), writes))
        })
    }
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_behind_although_commit_follows_it_at_once() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let desk = Deliveries::to("notes.taken", Arc::new(Clumsy), &TOPOLOGY, &database, &no_migrations()).await;
    let bad = ["fails", "cannot be prepared", "cannot be sent", "finds too few rows", "goes nowhere"];
    let subjects = bad.into_iter().chain(["good"]);
    for (n, subject) in (1..).zip(subjects) {
        desk.deliver(vec![Incoming::of_bytes(note(n, subject).to_bytes())]).await;
    }
    let client = database.connect().await;
    let text = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, Option<String>>(0);
    assert_eq!(text("SELECT string_agg(target, ', ') FROM audit").await.as_deref(), Some("good"));
    assert_eq!(text("SELECT count(*)::text FROM inbox").await.as_deref(), Some("1"));
    assert_eq!(text("SELECT count(*)::text FROM deferred").await.as_deref(), Some("5"), "they come back");
}
