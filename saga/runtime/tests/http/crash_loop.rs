//! What no handler sees, since it came too often or too late, may have been handled before.

use std::sync::Arc;

use saga_core::Message;
use saga_runtime::broker::Incoming;
use saga_runtime::store::no_migrations;
use saga_runtime::testing::{Deliveries, Servers};
use saga_runtime::{Decided, Handler, Handling, Transaction, Verdict};
use time::Duration;
use tokio_postgres::Client;

use crate::failures::note;
use crate::process::TOPOLOGY;

/// Takes every note.
struct Calm;

impl Handler for Calm {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, batch: &'a [&'a Message], _: saga_core::Time) -> Handling<'a> {
        Box::pin(
            async move { Ok(Decided::nothing_to_write(batch.iter().map(|_| Verdict::send(Vec::new())).collect())) },
        )
    }
}

#[tokio::test]
async fn of_those_that_came_too_often_what_was_handled_is_a_duplicate_and_the_rest_is_parked() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let desk = Deliveries::to("notes.taken", Arc::new(Calm), &TOPOLOGY, &database, &no_migrations()).await;
    let came = |message: &Message, times| {
        let mut incoming = Incoming::of_bytes(message.to_bytes());
        incoming.delivery_count = times;
        incoming
    };
    let (before, after) = (note(1, "before"), note(2, "after"));
    desk.deliver(vec![came(&before, 0)]).await;
    desk.deliver(vec![came(&before, 10), came(&after, 10)]).await;
    let client = database.connect().await;
    let rows = client.query("SELECT reason, message_id FROM parked", &[]).await.unwrap();
    let parked: Vec<(String, uuid::Uuid)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(parked, [("crash_loop".to_owned(), after.id)]);
    let handled: i64 = client.query_one("SELECT count(*) FROM inbox", &[]).await.unwrap().get(0);
    assert_eq!(handled, 1);
}

/// A note from before retention.
pub(crate) fn old(id: u128, subject: &str) -> Message {
    let mut note = note(id, subject);
    note.time -= Duration::days(31);
    note
}

/// Puts a note into the inbox, as it has been there since the note was handled.
pub(crate) async fn was_handled(client: &Client, note: &Message) {
    let sql = "INSERT INTO inbox (consumer, day, id, hash, type, received_at)
               VALUES ('notes.taken', $1, $2, $3, 'NOTE_TAKEN', $4)";
    let hash = note.content_hash();
    client.execute(sql, &[&note.time.date(), &note.id, &hash.as_slice(), &note.time]).await.unwrap();
}

#[tokio::test]
async fn of_those_that_are_too_old_what_was_handled_is_a_duplicate_and_the_rest_is_parked() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let desk = Deliveries::to("notes.taken", Arc::new(Calm), &TOPOLOGY, &database, &no_migrations()).await;
    let client = database.connect().await;
    let (handled, new) = (old(1, "handled"), old(2, "new"));
    let mut other = handled.clone();
    other.subject = "another under the same id".to_owned();
    was_handled(&client, &handled).await;
    let came = [&handled, &new, &other].map(|note| Incoming::of_bytes(note.to_bytes()));
    desk.deliver(came.to_vec()).await;
    let rows = client.query("SELECT reason, body FROM parked ORDER BY id", &[]).await.unwrap();
    let parked: Vec<(String, Vec<u8>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(parked, [&new, &other].map(|note| ("too_old".to_owned(), note.to_bytes())));
}
