//! What the database's errors mean, and what is deleted there.

use axum::Router;
use saga_runtime::error::Remedy;
use saga_runtime::store::{self, Param};
use saga_runtime::testing::{Servers, eventually};
use saga_runtime::{Secret, StoreError};
use tokio_util::sync::CancellationToken;

use crate::failures::{listener, process};
use crate::process::SOON;

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
