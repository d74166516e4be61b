//! The example's saga, run on real servers: it is the smallest system that can be built on this crate.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../examples/trip.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod trip;

use std::time::Duration;

use saga_core::{Body, Message};
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_runtime::{ProcessError, StoreError, Writer, clock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

async fn request(writer: &Writer, ids: &saga_core::Ids, traveller: &str) {
    let now = clock::now();
    let id = ids.event_at(traveller, 1, "TRIP_REQUESTED");
    let body = Body { kind: "TRIP_REQUESTED", version: 1, data: serde_json::json!({ "traveller": traveller }) };
    let message = Message::new(id, "trips", traveller, body, now);
    writer.write::<_, StoreError>(async |_| Ok(((), vec![message.into()]))).await.unwrap();
}

/// Trips being served.
struct Trips {
    // Gone when it is dropped.
    _database: Database,
    client: Client,
    writer: Writer,
    ids: saga_core::Ids,
    url: String,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ProcessError>>,
}

impl Trips {
    async fn start(servers: &Servers) -> Self {
        let database = servers.database("trips").await;
        let process = trip::trips(process_config(&database, servers)).unwrap();
        let (writer, ids, shutdown) = (process.writer(), process.ids(), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(process.serve(listener, axum::Router::new(), shutdown.clone()));
        let client = database.connect().await;
        eventually("the process is ready", PATIENCE, async || {
            reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Self { _database: database, client, writer, ids, url, shutdown, served }
    }

    /// The sagas, once so many have ended: what each is about, how it ended, and its id.
    async fn ended(&self, count: usize) -> Vec<(String, String, Uuid)> {
        eventually("the sagas to end", PATIENCE, async || {
            let sql = "SELECT subject, phase, id FROM sagas WHERE ended_at IS NOT NULL ORDER BY subject";
            let rows = self.client.query(sql, &[]).await.unwrap();
            (rows.len() == count).then(|| rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
        })
        .await
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_is_booked_whole_or_not_at_all() {
    let servers = Servers::claim().await;
    let trips = Trips::start(&servers).await;
    request(&trips.writer, &trips.ids, "ada").await;
    request(&trips.writer, &trips.ids, "bob on a full flight").await;
    let ended = trips.ended(2).await;
    let ended = ended.iter().map(|(subject, phase, _)| (subject.as_str(), phase.as_str()));
    assert_eq!(Vec::from_iter(ended), [("ada", "completed"), ("bob on a full flight", "rejected")]);
    let booked = trips.count("SELECT count(*) FROM effects WHERE state = 'done'").await;
    assert_eq!(booked, 3, "room, seat and tickets of the trip that went through, nothing of the other");
    eventually("everything to be published", PATIENCE, async || trips.count("SELECT count(*) FROM outbox").await == 0)
        .await;
    trips.stop().await;
}

/// What 60,000 others left, some 7,000 pages in each table.
const OTHERS: &str = "
    INSERT INTO journal (day, time, id, type, saga_id, body)
    SELECT current_date, now(), gen_random_uuid(), 'ROOM_BOOKED', gen_random_uuid(), convert_to(repeat('x', 800), 'UTF8')
    FROM generate_series(1, 60000);
    INSERT INTO inbox (consumer, day, id, hash, type, saga_id, received_at, body)
    SELECT 'trips', current_date, gen_random_uuid(), decode(repeat('00', 32), 'hex'), 'ROOM_BOOKED', gen_random_uuid(),
           now(), convert_to(repeat('x', 800), 'UTF8')
    FROM generate_series(1, 60000)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_saga_left_is_found_without_reading_what_others_did() {
    let servers = Servers::claim().await;
    let trips = Trips::start(&servers).await;
    request(&trips.writer, &trips.ids, "ada").await;
    let (_, _, saga) = trips.ended(1).await.remove(0);
    trips.client.batch_execute(OTHERS).await.unwrap();
    trips.client.batch_execute("VACUUM (ANALYZE) journal, inbox").await.unwrap();
    trips.client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    for table in ["journal", "inbox"] {
        let pages = "SELECT sum(heap_blks_read + heap_blks_hit)::int8 FROM pg_statio_user_tables WHERE relname ^@ ";
        let pages = format!("{pages} '{table}'");
        let (before, mut asked) = (trips.count(&pages).await, 0);
        // Sessions tell what they read a little later.
        let read = eventually("what was read is counted", PATIENCE, async || {
            let answer = reqwest::get(format!("{}/admin/{table}?saga={saga}", trips.url)).await.unwrap();
            let found: serde_json::Value = answer.json().await.unwrap();
            assert!(found["messages"].as_array().is_some_and(|messages| messages.len() >= 5), "{found}");
            asked += 1;
            Some(trips.count(&pages).await - before).filter(|read| *read > 0)
        })
        .await;
        // A range that has it, and the last one, of which no filter is made yet.
        assert!(read <= asked * 2 * 256, "{table}: {read} pages were read in {asked} searches");
    }
    trips.stop().await;
}
