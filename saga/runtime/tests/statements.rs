//! Statements of one transaction, sent without waiting for each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use saga_runtime::secret::Secret;
use saga_runtime::store::{Connection, Param, Place, Transaction, connect, execute, query, together};
use saga_runtime::testing::{Servers, eventually};
use tokio_postgres::Row;

const ADD: &str = "INSERT INTO things VALUES (1)";
const COUNT: &str = "SELECT count(*) FROM things";
const LONG: &str = "SELECT pg_sleep(25)";
const IS_AT_IT: &str = "SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
const SLEEPS: &str = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
const LOCK: &str = "SELECT n, ctid FROM things WHERE id = ANY($1) ORDER BY id FOR UPDATE";
const MOVE_ON: &str = "
    UPDATE things SET n = moved.n FROM unnest($1::tid[], $2::integer[], $3::integer[]) AS moved(place, id, n)
    WHERE things.ctid = moved.place AND things.id IS NOT DISTINCT FROM moved.id";
const IS_LOCKED_OUT: &str = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_a_connection_has_not_prepared_yet_is_not_overtaken_by_what_it_has() {
    let servers = Servers::claim().await;
    let database = servers.database("things").await;
    let pool = connect("DATABASE_URL", &Secret::new(&database.owner_url), "test", 2).unwrap();
    let mut client = pool.get().await.unwrap();
    client.batch_execute("CREATE TABLE things (n integer)").await.unwrap();
    query(&client, COUNT, &[]).await.unwrap();

    let transaction = Transaction::begin(&mut client).await.unwrap();
    let (added, counted) = together(execute(&transaction, ADD, &[]), query(&transaction, COUNT, &[])).await.unwrap();
    assert_eq!((added, counted[0].get::<_, i64>(0)), (1, 1));
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_connection_whose_statement_was_given_up_is_used_no_more_and_the_statement_is_cancelled() {
    let servers = Servers::claim().await;
    let database = servers.database("given_up").await;
    let pool = connect("DATABASE_URL", &Secret::new(&database.owner_url), "test", 2).unwrap();
    let connection = pool.get().await.unwrap();
    let at_it = server_of(&connection).await;
    connection.prepare_cached(LONG).await.unwrap();
    let other = database.connect().await;
    let begun = eventually("the server is at it", PATIENCE, async || {
        other.query_opt(SLEEPS, &[&at_it]).await.unwrap().is_some()
    });
    tokio::select! {
        found = query(&connection, LONG, &[]) => panic!("it was not given up: {found:?}"),
        () = begun => {}
    }
    drop(connection);

    let next = pool.get().await.unwrap();
    assert_ne!(server_of(&next).await, at_it, "whoever comes next does not wait behind it");
    eventually("nobody is at it any more", PATIENCE, async || {
        query(&next, IS_AT_IT, &[&at_it]).await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_locked_row_is_written_where_it_lies_also_when_somebody_moved_it_meanwhile() {
    let servers = Servers::claim().await;
    let database = servers.database("things").await;
    let mut other = database.connect().await;
    other.batch_execute("CREATE TABLE things (id integer PRIMARY KEY, n integer)").await.unwrap();
    let pool = connect("DATABASE_URL", &Secret::new(&database.owner_url), "test", 2).unwrap();
    let mut connection = pool.get().await.unwrap();
    // What is planned while a table is empty stays planned.
    connection.batch_execute(&format!("PREPARE move_on AS {MOVE_ON}")).await.unwrap();
    let plan = query(&connection, "EXPLAIN EXECUTE move_on('{}', '{}', '{}')", &[]).await.unwrap();
    assert!(plan.iter().any(|line| line.get::<_, &str>(0).contains("Tid Scan on things")), "{plan:?}");

    other.batch_execute("INSERT INTO things SELECT id, 10 * id FROM generate_series(1, 1000) AS id").await.unwrap();
    let first = other.transaction().await.unwrap();
    first.batch_execute("UPDATE things SET n = n + 1 WHERE id = 500").await.unwrap();
    let at_it = server_of(&connection).await;
    let transaction = Transaction::begin(&mut connection).await.unwrap();
    let ids = vec![1, 500, 1000];
    let asked: [Param<'_>; 1] = [&ids];
    let locked = query(&transaction, LOCK, &asked);
    let moved = async {
        eventually("it is locked out", PATIENCE, async || {
            first.query_opt(IS_LOCKED_OUT, &[&at_it]).await.unwrap().is_some()
        })
        .await;
        first.commit().await.unwrap();
    };
    let (locked, ()) = tokio::join!(locked, moved);
    let locked = locked.unwrap();
    let numbers = |rows: &[Row]| rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>();
    assert_eq!(numbers(&locked), [10, 5001, 10_000], "as the other one left them");
    let places: Vec<Place> = locked.iter().map(|row| row.get(1)).collect();
    let others = vec![500, 1000, 1];
    assert_eq!(execute(&transaction, MOVE_ON, &[&places, &others, &ids]).await.unwrap(), 0, "others lie there");
    assert_eq!(execute(&transaction, MOVE_ON, &[&places, &ids, &vec![1, 2, 3]]).await.unwrap(), 3);
    assert_eq!(execute(&transaction, MOVE_ON, &[&places, &ids, &ids]).await.unwrap(), 0, "they lie elsewhere now");
    transaction.commit().await.unwrap();
    let stored = other.query("SELECT n FROM things WHERE id = ANY($1) ORDER BY id", &[&ids]).await.unwrap();
    assert_eq!(numbers(&stored), [1, 2, 3]);
}

/// The process of PostgreSQL's that answers.
async fn server_of(connection: &Connection) -> i32 {
    query(connection, "SELECT pg_backend_pid()", &[]).await.unwrap()[0].get(0)
}
