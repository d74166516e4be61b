//! Statements of one transaction, sent without waiting for each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use saga_runtime::secret::Secret;
use saga_runtime::store::{Connection, Transaction, connect, execute, query, together};
use saga_runtime::testing::{Servers, eventually};

const ADD: &str = "INSERT INTO things VALUES (1)";
const COUNT: &str = "SELECT count(*) FROM things";
const LONG: &str = "SELECT pg_sleep(25)";
const IS_AT_IT: &str = "SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
const SLEEPS: &str = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
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

/// The process of PostgreSQL's that answers.
async fn server_of(connection: &Connection) -> i32 {
    query(connection, "SELECT pg_backend_pid()", &[]).await.unwrap()[0].get(0)
}
