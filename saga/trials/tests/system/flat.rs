//! What a message costs does not grow with what is stored: every statement of a delivery searches.

use futures_util::StreamExt;
use saga_runtime::testing::eventually;
use tokio_postgres::Client;

use crate::shop::{PATIENCE, Settings, Shop, order};

const ORDERS: i64 = 400;
/// How many orders are on their way at the same time.
const TOGETHER: usize = 16;
/// How many entries of an index a search may read, on the average. A statement that reads all of a table, or of a
/// generation, a day or a queue in it, reads hundreds here.
const MOST: i64 = 10;

/// The indexes that were searched often, with searches and entries read. Left out are two that hold what waits, and no history:
/// what rings alarms reads all that are due, and the sweep reads the marks that are there. (Of marks that are removed, PostgreSQL 17
/// counts one search for all that lie side by side, where 15 counts one for each.)
const SEARCHED: &str = "
    SELECT indexrelname::text, idx_scan, idx_tup_read FROM pg_stat_user_indexes
    WHERE idx_scan >= 50 AND indexrelname NOT IN ('sagas_alarm', 'outbox_pkey')";

/// As `SEARCHED`, of the tables that are read from their beginning to their end.
const READ: &str = "
    SELECT relname::text, seq_scan, seq_tup_read FROM pg_stat_user_tables WHERE seq_scan >= 50 AND seq_tup_read > 0";

async fn counts(client: &Client, sql: &str) -> Vec<(String, i64, i64)> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_were_planned_on_empty_tables_go_on_searching_as_these_grow() {
    let shop = Shop::open(Settings::default()).await;
    shop.set_stock("ball", ORDERS).await;
    let placing = futures_util::stream::iter(1..=ORDERS).map(|pet| {
        let shop = &shop;
        async move {
            shop.add_pet(pet, 1_000).await;
            let answer = shop.place(&format!("order-{pet}"), &order(pet, "zoe", &[("ball", 1)])).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    });
    placing.buffer_unordered(TOGETHER).collect::<Vec<()>>().await;
    shop.settled().await;
    let databases = &shop.databases;
    // Sessions tell what they read a little later.
    eventually("the read model's searches are counted", PATIENCE, async || {
        counts(&databases.inventory, SEARCHED)
            .await
            .iter()
            .any(|(name, scans, _)| name == "pets_pkey" && *scans > ORDERS)
    })
    .await;
    for client in [&databases.pets, &databases.orders, &databases.inventory, &databases.sagas] {
        let mut all = counts(client, SEARCHED).await;
        all.extend(counts(client, READ).await);
        let wide: Vec<_> = all.iter().filter(|(_, searches, entries)| *entries > MOST * searches).collect();
        assert!(wide.is_empty(), "searches and what they read: {wide:?}");
    }
    shop.close().await;
}
