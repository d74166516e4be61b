//! The example's saga, run on real servers: it is the smallest system that can be built on this crate.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../examples/trip.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod trip;

use std::sync::Arc;
use std::time::Duration;

use saga_core::{Backoff, Body, Definition, Message, Step, Time, Timings};
use saga_runtime::handler::{Handler, Output, Verdict};
use saga_runtime::orchestrator::api::{self, Api, Taps};
use saga_runtime::orchestrator::{self, Orchestrator, Peers, Processes, Replays, wake_due};
use saga_runtime::testing::{Database, Servers, eventually, process_config};
use saga_runtime::{Process, ProcessError, StoreError, Writer, clock};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

fn requested(ids: &saga_core::Ids, traveller: &str) -> Message {
    let id = ids.event_at(traveller, 1, "TRIP_REQUESTED");
    let body = Body { kind: "TRIP_REQUESTED", version: 1, data: serde_json::json!({ "traveller": traveller }) };
    Message::new(id, "trips", traveller, body, clock::now())
}

async fn request(writer: &Writer, ids: &saga_core::Ids, traveller: &str) {
    let message = requested(ids, traveller);
    writer.write::<_, StoreError>(async |_| Ok(((), vec![message.into()]))).await.unwrap();
}

/// Trips being served.
struct Trips {
    // Gone when it is dropped.
    _database: Database,
    client: Client,
    writer: Writer,
    ids: saga_core::Ids,
    orchestrator: Arc<Orchestrator>,
    url: String,
    token: String,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ProcessError>>,
}

impl Trips {
    async fn start(servers: &Servers) -> Self {
        let database = servers.database("trips").await;
        let process = trip::trips(process_config(&database, servers)).unwrap();
        let (writer, ids, shutdown) = (process.writer(), process.ids(), CancellationToken::new());
        let saga = trip::trip(ids.clone()).unwrap();
        let orchestrator = Arc::new(Orchestrator::new(vec![saga], &ids, Timings::default(), process.metrics()));
        let (operators, _) = api::routes(operators(&process, &orchestrator, &shutdown));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(process.serve(listener, operators, shutdown.clone()));
        let client = database.connect().await;
        eventually("the process is ready", PATIENCE, async || {
            reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        let token = servers.token().to_owned();
        Self { _database: database, client, writer, ids, orchestrator, url, token, shutdown, served }
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

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(reqwest::Client::new().get(format!("{}{path}", self.url))).await
    }

    /// Posts as an operator.
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(reqwest::Client::new().post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body)).await
    }

    /// How many pages of the tables whose names begin so were read, for how many searches; each has to answer this.
    async fn pages_read(&self, tables: &str, search: &str, answers: impl Fn(&Value)) -> (i64, i64) {
        self.client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        let pages = "SELECT sum(heap_blks_read + heap_blks_hit)::int8 FROM pg_statio_user_tables WHERE relname ^@ ";
        let pages = format!("{pages} '{tables}'");
        let (before, mut asked) = (self.count(&pages).await, 0);
        // Sessions tell what they read a little later.
        let read = eventually("what was read is counted", PATIENCE, async || {
            let (status, found) = self.get(search).await;
            assert_eq!(status, 200, "{found}");
            answers(&found);
            asked += 1;
            Some(self.count(&pages).await - before).filter(|read| *read > 0)
        })
        .await;
        (read, asked)
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// What operators work with at a process that has no peers.
fn operators(process: &Process, orchestrator: &Arc<Orchestrator>, stop: &CancellationToken) -> Api {
    let peers = Peers::new(Vec::new(), None).unwrap();
    let processes = Processes::new(process.admin(), peers.clone(), &trip::TOPOLOGY);
    let (writer, relay) = (process.writer(), process.relay());
    let (pool, broker, retention) = (writer.pool().clone(), process.broker(), process.retention());
    Api {
        orchestrator: Arc::clone(orchestrator),
        replays: Replays::new(pool, relay.clone(), broker, processes, &trip::TOPOLOGY, retention),
        taps: Taps::default(),
        writer,
        relay,
        tokens: process.tokens(),
        peers,
        management: None,
        topology: &trip::TOPOLOGY,
        stop: stop.clone(),
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
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

/// What 60,000 others left, some 7,000 pages in each table, and sent when the saga was not there yet.
const OTHERS: &str = "
    INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
    SELECT (sent AT TIME ZONE 'UTC')::date, sent, ARRAY[gen_random_uuid()], ARRAY['ROOM_BOOKED'], ARRAY[gen_random_uuid()],
           ARRAY[convert_to(repeat('x', 800), 'UTF8')]
    FROM generate_series(1, 60000), LATERAL (SELECT now() - interval '1 hour' AS sent) AS before;
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
    trips.client.batch_execute("VACUUM (ANALYZE) journal_entries, inbox").await.unwrap();
    let since = clock::now() - time::Duration::minutes(10);
    let since = format!("&from={}", since.format(&Rfc3339).unwrap());
    for (table, span) in [("journal", since.as_str()), ("inbox", "")] {
        let search = format!("/admin/{table}?saga={saga}{span}");
        let answers = |found: &Value| {
            assert!(found["messages"].as_array().is_some_and(|messages| messages.len() >= 5), "{found}");
        };
        let (read, asked) = trips.pages_read(table, &search, answers).await;
        // The inbox: a range that has it, and the last one, of which no filter is made yet.
        assert!(read <= asked * 2 * 256, "{table}: {read} pages were read in {asked} searches");
    }
    trips.stop().await;
}

/// Sagas that have ended, and among the first of them one that lives and is to be looked at.
const HISTORY: &str = "
    INSERT INTO sagas (id, definition, definition_version, subject, phase, reason, needs_intervention, version, started_at,
                       updated_at, ended_at, state)
    SELECT gen_random_uuid(), 'trip', 1, n::text, phase, CASE WHEN phase <> 'completed' THEN 'no_room' END, phase = 'compensating', 1,
           now() - n * interval '1 s', now(), CASE WHEN phase <> 'compensating' THEN now() END, '{}'
    FROM generate_series(1, 40000) AS n,
         LATERAL (SELECT CASE n WHEN 39000 THEN 'compensating' ELSE 'completed' END AS phase) AS of";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_to_be_looked_at_are_found_without_reading_history() {
    let servers = Servers::claim().await;
    let trips = Trips::start(&servers).await;
    trips.client.batch_execute(HISTORY).await.unwrap();
    trips.client.batch_execute("VACUUM (ANALYZE) sagas").await.unwrap();
    for query in ["needs_intervention=true", "state=compensating"] {
        let answers = |list: &Value| {
            assert_eq!(list["sagas"].as_array().map(Vec::len), Some(1), "{list}");
            assert_eq!(text(&list["sagas"][0], "subject"), "39000");
        };
        let (read, asked) = trips.pages_read("sagas", &format!("/admin/sagas?{query}"), answers).await;
        assert!(read <= asked * 10, "{query}: {read} pages were read in {asked} searches");
    }
    trips.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_that_began_at_one_time_are_listed_page_by_page_and_each_of_them_once() {
    let servers = Servers::claim().await;
    let trips = Trips::start(&servers).await;
    let batches = [(["ada", "bob", "eve", "max", "zoe"].as_slice(), 2), (&["kim", "lee"], 1)];
    let mut began = Vec::new();
    for (travellers, minutes_ago) in batches {
        let requests: Vec<Message> = travellers.iter().map(|name| requested(&trips.ids, name)).collect();
        let now = clock::now() - time::Duration::minutes(minutes_ago);
        handle(&trips.orchestrator, &trips.writer, &requests, now).await;
        began.push(now.format(&Rfc3339).unwrap());
    }
    let list = async |query: &str| {
        let (status, list) = trips.get(&format!("/admin/sagas?{query}")).await;
        assert_eq!(status, 200, "{list}");
        list["sagas"].as_array().unwrap().clone()
    };
    let (mut query, mut pages) = ("limit=3".to_owned(), Vec::new());
    loop {
        let page = list(&query).await;
        let Some(last) = page.last() else { break };
        query = format!("limit=3&started_before={}&before_id={}", text(last, "started_at"), text(last, "id"));
        pages.push(page);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let listed: Vec<(String, Uuid)> = pages
        .concat()
        .iter()
        .map(|saga| (text(saga, "started_at").to_owned(), text(saga, "id").parse().unwrap()))
        .collect();
    assert!(listed.is_sorted_by(|one, next| one > next), "newest first, and none of them twice: {listed:?}");
    let at = |time: &String| listed.iter().filter(|(began, _)| began == time).count();
    assert_eq!(began.iter().map(at).collect::<Vec<_>>(), [5, 2]);
    assert_eq!(list(&format!("started_before={}", began[1])).await.len(), 5, "a time alone is one");
    let (status, problem) = trips.get(&format!("/admin/sagas?before_id={}", listed[0].1)).await;
    assert_eq!((status, text(&problem, "type")), (400, "urn:sagaforge:problem:invalid_parameter"), "{problem}");
    trips.stop().await;
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_utc_has_not_is_the_clients_to_correct_wherever_operators_may_write_one() {
    let servers = Servers::claim().await;
    let trips = Trips::start(&servers).await;
    for time in ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00%2B01:00", "0000-06-01T00:00:00Z"] {
        let (status, problem) = trips.get(&format!("/admin/sagas?started_before={time}")).await;
        assert_eq!((status, text(&problem, "type")), (400, "urn:sagaforge:problem:invalid_parameter"), "{time}");
        assert!(text(&problem, "detail").contains("the years 1 to 9999"), "{problem}");
        for source in ["stream", "journals"] {
            for end in ["from", "until"] {
                let plan = json!({ "source": source, end: time.replace("%2B", "+"), "to": "agency" });
                let (status, problem) = trips.post("/admin/replays", &plan).await;
                assert_eq!((status, text(&problem, "type")), (422, "urn:sagaforge:problem:invalid_body"), "{plan}");
                assert!(text(&problem, "detail").contains("the years 1 to 9999"), "{problem}");
            }
        }
    }
    let (status, list) = trips.get("/admin/sagas?started_before=9999-12-31T23:59:59.999999999Z").await;
    assert_eq!((status, &list["sagas"]), (200, &json!([])), "the last time that there is");
    trips.stop().await;
}

/// Handles messages as a delivery would, and says what goes out for each.
async fn handle(trips: &Orchestrator, writer: &Writer, messages: &[Message], now: Time) -> Vec<Vec<Message>> {
    let handled = writer.transact::<_, StoreError>(async |transaction| {
        let batch: Vec<&Message> = messages.iter().collect();
        let decided = trips.handle(transaction, &batch, now).await?;
        decided.writes.send(transaction).await?;
        let outputs = decided.verdicts.into_iter().map(|verdict| {
            let Verdict::Done(output) = verdict else { panic!("{verdict:?}") };
            output.send
        });
        let outputs: Vec<_> = outputs.collect();
        let messages = outputs.iter().map(|sent| sent.iter().map(|outgoing| outgoing.message.clone()).collect());
        Ok((messages.collect(), Output { send: outputs.concat(), ..Output::default() }))
    });
    handled.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_go_on_by_the_version_that_they_began_with_and_begin_by_the_newest() {
    // No seat any more.
    static NEWER: [Step; 3] = [trip::STEPS[0], trip::STEPS[2], trip::STEPS[3]];
    let servers = Servers::claim().await;
    let database = servers.database("trips").await;
    let client = database.migrate(&orchestrator::migrations()).await;
    let process = trip::trips(process_config(&database, &servers)).unwrap();
    let (writer, ids) = (process.writer(), process.ids());
    let first = || trip::trip(ids.clone()).unwrap();
    let newer = Definition::new("trip", 2, "TRIP_REQUESTED", &NEWER, {
        let ids = ids.clone();
        move |start| Ok(idforge::id!(ids.sagas(), "trip", subject = start.subject.as_str()))
    });
    let newer = newer.unwrap().pass_pivot_when(|_| Ok(true));
    let run = |definitions| Orchestrator::new(definitions, &ids, Timings::default(), process.metrics());
    let (before, after) = (run(vec![first()]), run(vec![first(), newer]));

    let ada = handle(&before, &writer, &[requested(&ids, "ada")], clock::now()).await.concat();
    let bob = handle(&after, &writer, &[requested(&ids, "bob")], clock::now()).await.concat();
    let versions = client.query("SELECT subject, definition_version FROM sagas ORDER BY subject", &[]).await.unwrap();
    let versions: Vec<(String, i32)> = versions.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(versions, [("ada".to_owned(), 1), ("bob".to_owned(), 2)]);

    let booked = [&ada[0], &bob[0]].map(|command| {
        assert_eq!(command.kind, "BOOK_ROOM");
        let body = Body { kind: "ROOM_BOOKED", version: 1, data: serde_json::json!({}) };
        let id = ids.event_caused(command.id, body.kind);
        Message::caused_by(command, id, "trips", &command.subject, body, clock::now()).for_step("room", 0)
    });
    let next = handle(&after, &writer, &booked, clock::now()).await;
    let kinds = |sent: &[Message]| sent.iter().map(|message| message.kind.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&next[0]), ["BOOK_SEAT"]);
    assert_eq!(kinds(&next[1]), ["SAGA_PREPARED", "SEND_TICKETS"]);

    // A program that does not know the version, as after a step back.
    let unknown = writer.transact::<_, StoreError>(async |transaction| {
        Ok((before.handle(transaction, &[&booked[1]], clock::now()).await?.verdicts, Output::default()))
    });
    let unknown = unknown.await.unwrap();
    assert!(matches!(unknown[..], [Verdict::Park { reason: "unknown_definition", .. }]), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_that_two_orchestrators_hear_at_once_rings_once() {
    const SAGAS: i64 = 400;
    const AT_ONCE: i64 = 10;
    let servers = Servers::claim().await;
    let database = servers.database("trips").await;
    let client = database.migrate(&orchestrator::migrations()).await;
    // Never served: what it has to send stays in its outbox, and nobody answers.
    let process = trip::trips(process_config(&database, &servers)).unwrap();
    let (writer, ids) = (process.writer(), process.ids());
    // The second time comes much later than anything here takes.
    let resend = Backoff { first: time::Duration::HOUR, cap: time::Duration::HOUR };
    let timings = Timings { resend, step_timeout: time::Duration::DAY, ..Timings::default() };
    let saga = trip::trip(ids.clone()).unwrap();
    let trips = Orchestrator::new(vec![saga], &ids, timings, process.metrics());
    let requests: Vec<Message> = (0..SAGAS).map(|n| requested(&ids, &format!("traveller {n}"))).collect();
    handle(&trips, &writer, &requests, clock::now() - time::Duration::hours(2)).await;

    // Both have a connection from the start.
    drop(tokio::try_join!(writer.pool().get(), writer.pool().get()).unwrap());
    let begun = tokio::sync::Barrier::new(2);
    let wake = async || {
        let mut all = wake_due(&trips, &writer, AT_ONCE).await.unwrap();
        // Neither hears all before the other hears any.
        begun.wait().await;
        loop {
            match wake_due(&trips, &writer, AT_ONCE).await.unwrap() {
                0 => return all,
                woken => all += woken,
            }
        }
    };
    let (one, other) = tokio::join!(wake(), wake());
    assert_eq!(one + other, SAGAS);
    assert!(one > 0 && other > 0, "both were at it: {one}, {other}");
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("SELECT count(*) FROM sagas WHERE (state::json #>> '{steps,0,resends}')::int = 1").await, SAGAS);
    assert_eq!(count("SELECT count(*) FROM journal WHERE type = 'BOOK_ROOM'").await, SAGAS);
    let marked = "SELECT count(*) FROM outbox CROSS JOIN unnest(message_ids)";
    assert_eq!(count(marked).await, 2 * SAGAS, "each request once, and once more");
}
