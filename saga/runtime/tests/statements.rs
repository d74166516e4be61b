//! Statements of one transaction, sent without waiting for each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use saga_runtime::secret::Secret;
use saga_runtime::store::{Transaction, connect, execute, query, together};
use saga_runtime::testing::Servers;

const ADD: &str = "INSERT INTO things VALUES (1)";
const COUNT: &str = "SELECT count(*) FROM things";

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
