//! The database refuses nonsense, whoever writes it.

use order_service::store::migrations;
use refinery::Target;
use saga_runtime::testing::Servers;
use tokio_postgres::error::SqlState;

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn no_row_can_contradict_itself() {
    let shop = Shop::open().await;
    let (_, placed) = shop.placed(12).await;
    assert_eq!(placed.body["state"], "placed");
    let db = shop.database.connect().await;
    for nonsense in [
        "UPDATE requests SET state = 'placed'",
        "UPDATE requests SET state = 'rejected'",
        "UPDATE requests SET reason = 'pet_taken'",
        "UPDATE requests SET number = 0",
        "UPDATE requests SET number = 9007199254740992",
        "UPDATE requests SET request_hash = 'short'",
        "UPDATE requests SET order_state = 'requested'",
        "UPDATE requests SET order_state = 'cancelled'",
        "UPDATE requests SET order_state = NULL",
        "UPDATE requests SET order_reason = 'pet_taken'",
        "UPDATE requests SET total = NULL, currency = NULL",
        "UPDATE requests SET currency = NULL",
        "UPDATE requests SET total = NULL",
        "UPDATE requests SET currency = 'euro'",
        "UPDATE requests SET total = -1",
    ] {
        let error = db.execute(nonsense, &[]).await.expect_err(nonsense);
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{nonsense}");
    }
}

/// Requests and orders of two tables: one that nothing came of yet, one that was placed, one that was closed.
const OLD: &str = "
    INSERT INTO requests (order_id, number, user_id, idempotency_key, request_hash, pet, pet_id, items, saga_id,
                          created_at, version, state, reason)
    SELECT id, number, gen_random_uuid(), number::text, sha256('asked'), gen_random_uuid(), number, '[]', gen_random_uuid(),
           now(), 3, state, reason
    FROM (VALUES ('00000000-0000-0000-0000-000000000001'::uuid, 1, 'requested', NULL),
                 ('00000000-0000-0000-0000-000000000002'::uuid, 2, 'requested', NULL),
                 ('00000000-0000-0000-0000-000000000003'::uuid, 3, 'rejected', 'out_of_stock')) AS t(id, number, state, reason);
    INSERT INTO orders (order_id, state, reason, total, currency, version, created_at, updated_at) VALUES
        ('00000000-0000-0000-0000-000000000002', 'placed', NULL, 4999, 'EUR', 2, now(), now()),
        ('00000000-0000-0000-0000-000000000003', 'cancelled', 'out_of_stock', NULL, NULL, 2, now(), now());";

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_an_older_version_are_there_after_the_migrations() {
    let servers = Servers::claim().await;
    let database = servers.database("orders").await;
    let mut owner = database.connect().await;
    let mut runner = migrations().set_target(Target::Version(1));
    runner.set_migration_table_name("process_migrations").run_async(&mut owner).await.unwrap();
    owner.batch_execute(OLD).await.unwrap();

    let owner = database.migrate(&migrations()).await;

    let all = "SELECT concat_ws(' ', number, state, order_state, order_reason, total, currency) FROM requests ORDER BY number";
    let all: Vec<String> = owner.query(all, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(all, ["1 requested", "2 requested placed 4999 EUR", "3 rejected cancelled out_of_stock"]);
    let orders = owner.query_one("SELECT string_agg(state, ' ' ORDER BY order_id) FROM orders", &[]).await.unwrap();
    assert_eq!(orders.get::<_, &str>(0), "placed cancelled");
}
