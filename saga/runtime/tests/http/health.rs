//! Alive, ready, degraded: on the way up, and after a loss.

use saga_runtime::http::{Limits, app};
use saga_runtime::testing::eventually;
use serde_json::json;
use tokio::sync::watch;

use super::alone::{fetch, parts, routes};
use super::process::{Running, SOON};

#[tokio::test]
async fn without_servers_a_process_is_alive_and_not_ready() {
    let app = super::alone::application();
    assert_eq!(fetch(&app, "/healthz").await.status, 200);
    let answer = fetch(&app, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json(), json!({"status": "starting", "database": "lost", "broker": "never_reached"}));
}

#[tokio::test]
async fn until_the_schema_is_there_routes_ask_to_come_again() {
    let (schema, watching) = watch::channel(false);
    let mut parts = parts(Limits::default());
    parts.schema = watching;
    let app = app(parts, routes(std::sync::Arc::default()));
    let answer = fetch(&app, "/notes/7").await;
    answer.assert_problem(503, "starting");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(fetch(&app, "/info").await.status, 200);
    schema.send_replace(true);
    assert_eq!(fetch(&app, "/notes/7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_lost_the_broker_is_degraded_and_one_that_lost_the_database_is_not_ready() {
    let desk = Running::start().await;
    let (status, health) = desk.get("/readyz").await;
    assert_eq!((status, health), (200, json!({"status": "ready", "database": "up", "broker": "up"})));

    remove_user(&desk).await;
    let health = eventually("the loss of the broker shows", SOON, async || {
        let (status, health) = desk.get("/readyz").await;
        (health["broker"] == "lost").then_some((status, health))
    })
    .await;
    assert_eq!(health, (200, json!({"status": "degraded", "database": "up", "broker": "lost"})));

    lock_out(&desk).await;
    let health = eventually("the loss of the database shows", SOON, async || {
        let (status, health) = desk.get("/readyz").await;
        (health["database"] == "lost").then_some((status, health))
    })
    .await;
    assert_eq!(health, (503, json!({"status": "unavailable", "database": "lost", "broker": "lost"})));
    let (status, problem) = desk.get("/admin/parked").await;
    assert_eq!((status, &problem["type"]), (503, &json!("urn:sagaforge:problem:database_unavailable")));
    assert_eq!(desk.get("/healthz").await.0, 200);
    desk.stop().await;
}

/// Takes the broker away from this test alone.
async fn remove_user(desk: &Running) {
    let url = format!("{}/api/users/{}", desk.servers.management_url().trim_end_matches('/'), desk.servers.vhost());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.delete(url).send().await.unwrap().error_for_status().unwrap();
}

/// Takes the database away from this test alone: no connection is left and none is let in.
async fn lock_out(desk: &Running) {
    let name = &desk.database.name;
    let admin = tokio_postgres::connect(&std::env::var("TEST_POSTGRES_URL").unwrap(), tokio_postgres::NoTls).await;
    let (admin, connection) = admin.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(&format!("ALTER DATABASE {name} CONNECTION LIMIT 0")).await.unwrap();
    admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[name]).await.unwrap();
}
