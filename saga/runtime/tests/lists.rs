//! Lists that anybody may ask for, and the connections that they leave to others.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use saga_runtime::http::Problem;
use saga_runtime::store::{Lists, Pool, connect, query};
use saga_runtime::testing::{Servers, TRAPPED, eventually};
use saga_runtime::{Secret, StoreError};

const SOON: Duration = Duration::from_secs(20);
/// A list that waits until the test lets it go.
const HELD: &str = "SELECT pg_advisory_xact_lock_shared(7)";

async fn read(lists: &Lists, sql: &str) -> Result<usize, StoreError> {
    lists.read(async |on| Ok(query(on, sql, &[]).await?.len())).await
}

fn pool(url: &str, connections: usize) -> Pool {
    connect("DATABASE_URL", &Secret::new(url), "test", connections).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_lists_are_asked_for_most_connections_are_left_to_others_and_each_list_has_its_turn() {
    let servers = Servers::claim().await;
    let database = servers.database("lists").await;
    let (pool, owner) = (pool(&database.app_url, 8), database.connect().await);
    owner.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    let lists = Lists::new(pool.clone());
    let asked: Vec<_> =
        (0..20).map(|_| lists.clone()).map(|lists| tokio::spawn(async move { read(&lists, HELD).await })).collect();
    let waiting = async || owner.query_one(TRAPPED, &[]).await.unwrap().get::<_, i64>(0);
    eventually("as many are read as may be", SOON, async || waiting().await == 2).await;

    let others = try_join_all((0..6).map(|_| pool.get())).await.unwrap();
    assert_eq!(others.len(), 6, "three quarters of them");
    assert_eq!(waiting().await, 2);
    owner.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    let read: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(read.iter().all(|list| matches!(list, Ok(1))), "{read:?}");
}

#[tokio::test]
async fn a_list_that_takes_too_long_is_given_up_and_neither_its_turn_nor_its_connection_is_lost() {
    let servers = Servers::claim().await;
    let database = servers.database("lists").await;
    // Never fewer than one of them.
    let pool = pool(&database.app_url, 2);
    let lists = Lists::new(pool.clone());
    let error = read(&lists, "SELECT pg_sleep(25)").await.unwrap_err();
    assert!(matches!(error, StoreError::TooLong(_)), "{error}");
    let problem = Problem::from(error);
    assert_eq!((problem.status().as_u16(), problem.kind()), (503, "urn:sagaforge:problem:timeout"), "{problem:?}");
    assert_eq!(read(&lists, "SELECT 1").await.unwrap(), 1);
    let limit = query(&pool.get().await.unwrap(), "SHOW statement_timeout", &[]).await.unwrap();
    assert_eq!(limit[0].get::<_, &str>(0), "30s", "the next one has all the time that there is");
}
