//! The example's saga, run on real servers: it is the smallest system that can be built on this crate.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../examples/trip.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod trip;

use std::time::Duration;

use saga_core::{Body, Message};
use saga_runtime::testing::{Servers, eventually, process_config};
use saga_runtime::{StoreError, Writer, clock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn request(writer: &Writer, ids: &saga_core::Ids, traveller: &str) {
    let now = clock::now();
    let id = ids.event_at(traveller, 1, "TRIP_REQUESTED");
    let body = Body { kind: "TRIP_REQUESTED", version: 1, data: serde_json::json!({ "traveller": traveller }) };
    let message = Message::new(id, "trips", traveller, body, now);
    writer.write::<_, StoreError>(async |_| Ok(((), vec![message.into()]))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_is_booked_whole_or_not_at_all() {
    let servers = Servers::claim().await;
    let database = servers.database("trips").await;
    let process = trip::trips(process_config(&database, &servers)).unwrap();
    let (writer, ids) = (process.writer(), process.ids());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ready = format!("http://{}/readyz", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(process.serve(listener, axum::Router::new(), shutdown.clone()));
    let client = database.connect().await;
    eventually("the process is ready", Duration::from_secs(20), async || {
        reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    request(&writer, &ids, "ada").await;
    request(&writer, &ids, "bob on a full flight").await;
    let ended = eventually("both sagas to end", Duration::from_secs(20), async || {
        let rows = client
            .query("SELECT subject, phase FROM sagas WHERE ended_at IS NOT NULL ORDER BY subject", &[])
            .await
            .unwrap();
        let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        (rows.len() == 2).then_some(rows)
    })
    .await;
    let expected = [("ada", "completed"), ("bob on a full flight", "rejected")];
    assert_eq!(ended, expected.map(|(subject, phase)| (subject.to_owned(), phase.to_owned())));
    let booked: i64 = client.query_one("SELECT count(*) FROM effects WHERE state = 'done'", &[]).await.unwrap().get(0);
    assert_eq!(booked, 3, "room, seat and tickets of the trip that went through, nothing of the other");
    eventually("everything to be published", Duration::from_secs(20), async || {
        client.query_one("SELECT count(*) FROM outbox", &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    shutdown.cancel();
    served.await.unwrap().unwrap();
}
