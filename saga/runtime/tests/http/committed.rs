//! Who is told, once it is committed.

use std::sync::{Arc, Mutex};

use saga_core::{Message, Time};
use saga_runtime::broker::Incoming;
use saga_runtime::store::no_migrations;
use saga_runtime::testing::{Deliveries, Servers};
use saga_runtime::{Decided, Handler, Handling, StoreError, Transaction, Verdict};
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
            let save = async move {
                let bad = batch.iter().any(|note| note.subject == "bad");
                let unwritable = || StoreError::Corrupt { what: "a note".to_owned(), why: "it is bad".to_owned() };
                if bad { Err(unwritable()) } else { Ok(()) }
            };
            let (told, ids): (_, Vec<Uuid>) = (Arc::clone(&self.0), batch.iter().map(|note| note.id).collect());
            Ok(Decided::new(verdicts, save).then(move || told.lock().unwrap().extend(ids)))
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
