//! What a system costs that has nothing to do.

use std::time::Duration;

use saga_runtime::testing::eventually;
use tokio_postgres::{Client, NoTls};

use crate::shop::{PATIENCE, Settings, Shop};

/// How long is counted at a time.
const FOR: Duration = Duration::from_secs(20);
/// How many times it is counted at most, until each database had one such while of its own: what a session did before is
/// counted ten seconds after it came to rest, on a busy server later still.
const TIMES: usize = 6;
/// How many transactions a process may cost each second.
const MOST: f64 = 5.0;

/// Seconds of the server's clock, and transactions in the four databases.
async fn look(admin: &Client, databases: &str) -> (f64, Vec<i64>) {
    const LOOK: &str = "
        SELECT extract(epoch FROM clock_timestamp())::float8, xact_commit + xact_rollback FROM pg_stat_database
        WHERE starts_with(datname, $1) ORDER BY datname";
    let rows = admin.query(LOOK, &[&databases]).await.unwrap();
    (rows[0].get(0), rows.iter().map(|row| row.get(1)).collect())
}

/// Leaves autovacuum nothing to do: it looks into each database once a minute, and what it finds in one whose tables have
/// just been made costs some forty transactions.
async fn tidy(admin: &Client, databases: &str) {
    let names = admin.query("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", &[&databases]).await;
    for row in names.unwrap() {
        let mut url: tokio_postgres::Config = std::env::var("TEST_POSTGRES_URL").unwrap().parse().unwrap();
        let (inside, connection) = url.dbname(row.get::<_, &str>(0)).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        inside.batch_execute("VACUUM (ANALYZE)").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_process_costs_its_database_five_transactions_a_second_at_most() {
    let shop = Shop::open(Settings::default()).await;
    shop.settled().await;
    let (admin, connection) =
        tokio_postgres::connect(&std::env::var("TEST_POSTGRES_URL").unwrap(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let databases = format!("test_{}_", shop.servers.vhost());
    tidy(&admin, &databases).await;
    let since = async |then: f64| look(&admin, &databases).await.0 - then;
    let (mut begun, mut before) = look(&admin, &databases).await;
    let (mut least, mut all) = ([f64::INFINITY; 4], Vec::new());
    for _ in 0..TIMES {
        eventually("they were idle for a while", PATIENCE, async || since(begun).await > FOR.as_secs_f64()).await;
        let (ended, after) = look(&admin, &databases).await;
        assert_eq!(after.len(), least.len());
        all.push(after.clone());
        for (least, (before, after)) in least.iter_mut().zip(before.iter().zip(&after)) {
            let rate = f64::from(u32::try_from(after - before).unwrap()) / (ended - begun);
            // None at all only says that its sessions have not told yet.
            if rate > 0.0 {
                *least = least.min(rate);
            }
        }
        if least.iter().all(|rate| *rate <= MOST) {
            break;
        }
        (begun, before) = (ended, after);
    }
    assert!(least.iter().all(|rate| *rate <= MOST), "transactions a second in each database: {least:?} of {all:?}");
    shop.close().await;
}
