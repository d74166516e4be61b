//! What the database's errors mean, and what is deleted there.

use axum::Router;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use saga_runtime::error::Remedy;
use saga_runtime::store::{self, Param};
use saga_runtime::testing::{Servers, eventually};
use saga_runtime::{Secret, StoreError, clock};
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::failures::{listener, process};
use crate::process::{Running, SOON, saga_of};

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

#[tokio::test]
async fn days_to_come_get_their_partitions_even_if_an_old_one_cannot_be_dropped_or_a_reader_is_in_the_way_for_long() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let until = async |table: &str| {
        let sql =
            "SELECT max(right(inhrelid::regclass::text, 8)) FROM pg_inherits WHERE inhparent = $1::text::regclass";
        owner.query_one(sql, &[&table]).await.unwrap().get::<_, String>(0)
    };
    let (before, month) = (until("inbox").await, time::Duration::days(30));
    let first = "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'journal'::regclass";
    let first: String = owner.query_one(first, &[]).await.unwrap().get(0);
    owner.batch_execute(&format!("CREATE VIEW of_somebody AS SELECT * FROM {first}")).await.unwrap();
    let later = clock::now().date() + time::Duration::days(40);
    let error = store::partitions(&owner, later, month).await.unwrap_err();
    assert!(error.to_string().contains("depend"), "{error}");
    assert!(until("inbox").await > before && until("journal").await > before);
    let dropped = "SELECT to_regclass(replace($1, 'journal', 'inbox')) IS NULL";
    assert!(owner.query_one(dropped, &[&first]).await.unwrap().get::<_, bool>(0), "the others are dropped");
    database.migrate(&store::no_migrations()).await;

    let (reader, before) = (database.connect().await, (until("journal").await, until("inbox").await));
    reader.batch_execute("BEGIN; LOCK TABLE journal IN ACCESS SHARE MODE").await.unwrap();
    let error = store::partitions(&owner, later + time::Duration::DAY, month).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Again, "it does not wait, with all others behind it: {error}");
    assert!(until("journal").await == before.0 && until("inbox").await > before.1, "the other table gets its day");
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
