//! What the database's errors mean, and what is deleted there.

use axum::Router;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use saga_runtime::config::ProcessConfig;
use saga_runtime::error::Remedy;
use saga_runtime::store::{self, Param};
use saga_runtime::testing::{Servers, eventually, process_config};
use saga_runtime::{Process, Secret, Spec, StoreError, clock};
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::failures::{listener, process};
use crate::process::{Running, SOON, TOPOLOGY, saga_of};

#[tokio::test]
async fn a_lost_connection_is_waited_for_and_a_value_that_cannot_be_written_or_read_is_for_a_person() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let pool = store::connect("DATABASE_URL", &Secret::new(&database.app_url), "desk", 2).unwrap();
    let client = pool.get().await.unwrap();
    let fails = async |sql: &str, params: &[Param<'_>]| store::query(&client, sql, params).await.unwrap_err();
    let unwritable = fails("SELECT $1::text", &[&7_i64]).await;
    assert_eq!(unwritable.remedy(), Remedy::Person);
    assert!(unwritable.to_string().contains("i64"), "it says what is wrong: {unwritable}");
    assert_eq!(fails("SELECT '\0'", &[]).await.remedy(), Remedy::Person);
    let row = store::query_opt(&client, "SELECT 'x'", &[]).await.unwrap().unwrap();
    assert_eq!(StoreError::from(row.try_get::<_, i64>(0).unwrap_err()).remedy(), Remedy::Person);
    for _ in 0..2 {
        let lost = fails("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await;
        assert_eq!(lost.remedy(), Remedy::Wait, "{lost}");
    }
    let nowhere = store::connect("DATABASE_URL", &Secret::new("postgres://me:x@127.0.0.1:1/x"), "desk", 2).unwrap();
    assert_eq!(StoreError::from(nowhere.get().await.unwrap_err()).remedy(), Remedy::Wait);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_lets_nobody_in_messages_go_back_and_requests_are_told_and_then_all_goes_on() {
    let desk = Running::start().await;
    let (owner, name) = (desk.database.connect().await, &desk.database.name);
    let (app, session) = tokio_postgres::connect(&desk.database.app_url, NoTls).await.unwrap();
    tokio::spawn(session);
    owner.batch_execute(&format!("REVOKE CONNECT ON DATABASE {name} FROM {name}_app")).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()";
    app.batch_execute(others).await.unwrap();
    desk.publish_note("late").await;
    assert_eq!(desk.get("/admin/parked").await.0, 503);
    eventually("the note is back in its queue, where another copy would have it", 2 * SOON, async || {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = desk.channel.queue_declare("notes.taken".into(), passive, FieldTable::default()).await.unwrap();
        (queue.message_count(), queue.consumer_count()) == (1, 0)
    })
    .await;
    owner.batch_execute(&format!("GRANT CONNECT ON DATABASE {name} TO {name}_app")).await.unwrap();
    assert_eq!(desk.sent_for(saga_of("late")).await.len(), 1);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_makes_no_schema_waits_until_it_is_the_one_that_it_works_with() {
    let (servers, stop) = (Servers::claim().await, CancellationToken::new());
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    // As the version before left it.
    let last = "UPDATE runtime_migrations SET version = -version WHERE version = (SELECT max(version) FROM runtime_migrations)";
    owner.batch_execute(last).await.unwrap();
    let spec = Spec { name: "desk", version: "1.2.3", topology: &TOPOLOGY, migrations: store::no_migrations() };
    let config = ProcessConfig { database_owner_url: None, ..process_config(&database, &servers) };
    let listener = listener().await;
    let ready = format!("http://{}/readyz", listener.local_addr().unwrap());
    let served = tokio::spawn(Process::new(spec, config).unwrap().serve(listener, Router::new(), stop.clone()));
    let (app, session) = tokio_postgres::connect(&database.app_url, NoTls).await.unwrap();
    tokio::spawn(session);
    let looked = "
        SELECT count(*) FROM pg_stat_activity
        WHERE usename = current_user AND pid <> pg_backend_pid() AND query LIKE '%runtime_migrations%'";
    let has_looked = async || app.query_one(looked, &[]).await.unwrap().get::<_, i64>(0) > 0;
    eventually("it has looked at the schema", SOON, has_looked).await;
    let status = async || reqwest::get(&ready).await.unwrap().status();
    assert_eq!(status().await, 503);
    owner.batch_execute("UPDATE runtime_migrations SET version = -version WHERE version < 0").await.unwrap();
    eventually("it is ready", SOON, async || status().await == 200).await;
    stop.cancel();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn days_to_come_get_their_partitions_even_if_an_old_one_cannot_be_dropped() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let until = async |table: &str| {
        let sql =
            "SELECT max(right(inhrelid::regclass::text, 8)) FROM pg_inherits WHERE inhparent = $1::text::regclass";
        owner.query_one(sql, &[&table]).await.unwrap().get::<_, String>(0)
    };
    let (before, month) = (until("inbox").await, time::Duration::days(30));
    let first = "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'journal_entries'::regclass";
    let first: String = owner.query_one(first, &[]).await.unwrap().get(0);
    owner.batch_execute(&format!("CREATE VIEW of_somebody AS SELECT * FROM {first}")).await.unwrap();
    let later = clock::now().date() + time::Duration::days(40);
    let error = store::partitions(&owner, later, month).await.unwrap_err();
    assert!(error.to_string().contains("depend"), "{error}");
    assert!(until("inbox").await > before && until("journal_entries").await > before);
    let dropped = "SELECT to_regclass(replace($1, 'journal_entries', 'inbox')) IS NULL";
    assert!(owner.query_one(dropped, &[&first]).await.unwrap().get::<_, bool>(0), "the others are dropped");
    owner.batch_execute("DROP VIEW of_somebody").await.unwrap();
    store::partitions(&owner, later, month).await.unwrap();
    let gone = "SELECT to_regclass($1) IS NULL";
    assert!(owner.query_one(gone, &[&first]).await.unwrap().get::<_, bool>(0), "it is dropped once it can be");
}

#[tokio::test]
async fn while_days_are_made_and_dropped_nobody_waits_who_reads_or_writes() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let write = "
        INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
        VALUES (current_date, now(), ARRAY[gen_random_uuid()], '{NOTE}', '{NULL}', '{note}')";
    let (busy, other) = (database.connect().await, database.connect().await);
    // Whoever is in the middle of something with the tables has what it began with until it ends.
    busy.batch_execute(&format!("BEGIN; {write}; SELECT count(*) FROM inbox")).await.unwrap();
    let later = clock::now().date() + time::Duration::days(40);
    let keeping = tokio::spawn(async move { store::partitions(&owner, later, time::Duration::days(30)).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let is_waiting = async || other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1;
    eventually("it waits for who was there before", SOON, is_waiting).await;
    let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'journal_entries'::regclass";
    assert!(other.query_one(days, &[]).await.unwrap().get::<_, i64>(0) > 40, "the days to come are made");
    other.batch_execute(&format!("SET lock_timeout = '1ms'; {write}; SELECT count(*) FROM journal")).await.unwrap();
    busy.batch_execute(&format!("{write}; COMMIT")).await.unwrap();
    keeping.await.unwrap().unwrap();
    let old = "SELECT count(*) FROM pg_class WHERE relname ~ '^(journal_entries|inbox)_' AND relkind = 'r' AND right(relname, 8) < to_char(current_date, 'YYYYMMDD')";
    assert_eq!(other.query_one(old, &[]).await.unwrap().get::<_, i64>(0), 0, "what is past retention is gone");
}

#[tokio::test]
async fn a_day_whose_dropping_was_interrupted_is_dropped_the_next_time() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let (busy, other) = (database.connect().await, database.connect().await);
    busy.batch_execute("BEGIN; SELECT count(*) FROM journal").await.unwrap();
    let later = clock::now().date() + time::Duration::days(40);
    let month = time::Duration::days(30);
    let stop = owner.cancel_token();
    let keeping = tokio::spawn(async move { store::partitions(&owner, later, month).await });
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    let begun = async || other.query_one(pending, &[]).await.unwrap().get::<_, i64>(0) > 0;
    eventually("the dropping has begun", SOON, begun).await;
    let ended = async || {
        stop.cancel_query(NoTls).await.unwrap();
        keeping.is_finished()
    };
    eventually("it is interrupted", SOON, ended).await;
    keeping.await.unwrap().unwrap_err();
    assert!(begun().await);
    busy.batch_execute("COMMIT").await.unwrap();
    store::partitions(&other, later, month).await.unwrap();
    let old = "SELECT count(*) FROM pg_class WHERE relname ~ '^journal_entries_' AND relkind = 'r' AND right(relname, 8) < to_char(current_date, 'YYYYMMDD')";
    assert_eq!(other.query_one(old, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn nothing_is_thrown_away_by_a_clock_that_is_far_from_the_databases() {
    let servers = Servers::claim().await;
    let owner = servers.database("desk").await.connect().await;
    for apart in [-6, 6] {
        let wrong = clock::now() + time::Duration::minutes(apart);
        let error = store::check_clock(&owner, wrong).await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Person, "{error}");
    }
    store::check_clock(&owner, clock::now() + time::Duration::minutes(4)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tombstones_and_refusals_are_forgotten_a_day_past_retention_and_what_was_done_is_not() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let sql = "
        INSERT INTO effects
        SELECT gen_random_uuid(), 'step', 0, state, gen_random_uuid(), now(), now() - age
        FROM unnest(ARRAY['done', 'refused', 'undone']) AS state,
             unnest(ARRAY[interval '31 days 1 hour', interval '30 days 23 hours']) AS age, generate_series(1, 700)";
    owner.batch_execute(sql).await.unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(process(&servers, &database).serve(listener().await, Router::new(), stop.clone()));
    let old = async |state: &str| {
        let sql = "SELECT count(*) FROM effects WHERE state = $1 AND updated_at < now() - interval '31 days'";
        owner.query_one(sql, &[&state]).await.unwrap().get::<_, i64>(0)
    };
    eventually("the old ones are forgotten", SOON, async || old("refused").await + old("undone").await == 0).await;
    stop.cancel();
    served.await.unwrap().unwrap();
    assert_eq!(old("done").await, 700);
    let left = owner.query_one("SELECT count(*) FROM effects", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 4 * 700);
}
