//! Clients at any copy are answered, whichever copy consumed the outcome.

use std::time::Duration;

use order_service::config::Config;
use order_service::store::{changed, find};
use order_service::waiters::{self, Waiters};
use reqwest::StatusCode;
use saga_runtime::testing::{Servers, eventually, process_config};
use saga_runtime::{Secret, store};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{PATIENCE, Shop, told};

const KEY: &str = "0fc74411-5f1b-4c2a-8d3e-00112233aabb";

/// The backends that listen for notifications. Only their own role may see what they do.
const LISTENING: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = 'order-service waiters'
    AND datname = current_database() AND (query LIKE '%LISTEN%' OR query LIKE '%pg_notify%') ORDER BY pid";

/// Waits until so many listen, none of them one of `gone`.
async fn listening(app: &Client, count: usize, gone: &[i32]) -> Vec<i32> {
    eventually("all copies listen", PATIENCE, async || {
        let pids: Vec<i32> = app.query(LISTENING, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        (pids.len() == count && !pids.iter().any(|pid| gone.contains(pid))).then_some(pids)
    })
    .await
}

async fn as_application(shop: &Shop) -> Client {
    let (client, connection) = tokio_postgres::connect(&shop.database.app_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_wait_at_either_copy() {
    let shop = Shop::with(2, PATIENCE).await;
    let body = json!({"petId": 12});
    let at = |copy: usize| {
        let url = shop.copies[copy].at("/store/order");
        shop.placing(shop.client.post(url).header("Idempotency-Key", KEY).json(&body))
    };
    let (one, two) = (at(0), at(1));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.sends("ORDER_CREATED").await;
    shop.hand_over(&saga.prepared()).await;
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!((one.status, &one), (StatusCode::OK, &two));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_copy_hears_of_an_outcome_and_need_not_look_for_it() {
    let shop = Shop::with(1, PATIENCE).await;
    let stop = CancellationToken::new();
    let _stop_at_the_end = stop.clone().drop_guard();
    let database = Secret::new(&shop.database.app_url);
    let pool = store::connect("DATABASE_URL", &database, "test", 2).unwrap();
    let (here, there) = (Waiters::new(10), Waiters::new(10));
    tokio::spawn(waiters::ring(here.clone(), database.clone(), stop.clone()));
    tokio::spawn(waiters::ring(there.clone(), database, stop.clone()));
    let never = Duration::from_secs(24 * 3600);
    tokio::spawn(waiters::look(there.clone(), pool.clone(), never, stop));
    listening(&as_application(&shop).await, 3, &[]).await;

    let answer = told(shop.post(&json!({"petId": 12})).header("Prefer", "respond-async")).await;
    let order: Uuid = answer.body["uuid"].as_str().unwrap().parse().unwrap();
    let mut seat = there.sit(order).unwrap();
    let unasked = seat.until(Instant::now() + Duration::from_millis(50), |request| Some(request.number)).await;
    assert_eq!(unasked, None, "nobody rang yet");
    let (decided, _) = find(&pool.get().await.unwrap(), order).await.unwrap().unwrap();
    here.tell(vec![decided]);
    let heard = seat.until(Instant::now() + PATIENCE, |request| Some(request.number.get())).await;
    assert_eq!(heard, answer.body["id"].as_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_an_order_is_not_read_again() {
    let shop = Shop::with(1, PATIENCE).await;
    let pool = store::connect("DATABASE_URL", &Secret::new(&shop.database.app_url), "test", 2).unwrap();
    let on = pool.get().await.unwrap();
    let mut orders = Vec::new();
    for pet in [12, 13] {
        let answer = told(shop.post(&json!({"petId": pet})).header("Prefer", "respond-async")).await;
        orders.push(answer.body["uuid"].as_str().unwrap().parse::<Uuid>().unwrap());
    }
    let read = async |known: &[(Uuid, u64)]| {
        let mut read: Vec<Uuid> = changed(&on, known).await.unwrap().iter().map(|request| request.order).collect();
        read.sort();
        read
    };
    let mut both = orders.clone();
    both.sort();
    assert_eq!(read(&[(orders[0], 0), (orders[1], 0), (Uuid::nil(), 0)]).await, both);
    assert_eq!(read(&[(orders[0], 1), (orders[1], 0)]).await, [orders[1]]);
    shop.database
        .connect()
        .await
        .execute("UPDATE requests SET version = 2 WHERE order_id = $1", &[&orders[0]])
        .await
        .unwrap();
    assert_eq!(read(&[(orders[0], 1), (orders[1], 1)]).await, [orders[0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_waiters_are_found_by_looking() {
    let shop = Shop::with(1, PATIENCE).await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    shop.sends("ORDER_REQUESTED").await;
    // Somebody else's transaction, of which nobody is told.
    let db = shop.database.connect().await;
    db.batch_execute("UPDATE requests SET state = 'rejected', reason = 'pet_taken', version = 2").await.unwrap();
    assert_eq!(placing.await.unwrap().status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_for_notifications_is_made_again() {
    let shop = Shop::with(2, PATIENCE).await;
    let app = as_application(&shop).await;
    let before = listening(&app, 2, &[]).await;
    for pid in &before {
        app.execute("SELECT pg_terminate_backend($1)", &[pid]).await.unwrap();
    }
    listening(&app, 2, &before).await;
    let (_, told) = shop.placed(12).await;
    assert_eq!(told.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_clients_than_may_wait_are_told_to_come_again() {
    let shop = Shop::with(1, PATIENCE).await;
    let waiting: Vec<_> = (1..=200).map(|pet| shop.placing(shop.post(&json!({"petId": pet})))).collect();
    shop.counts("SELECT count(*) FROM requests", 200).await;
    let answer = shop.post(&json!({"petId": 999})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(shop.count("SELECT count(*) FROM requests").await, 200, "nothing was taken that cannot be waited for");
    let is_async = told(shop.post(&json!({"petId": 999})).header("Prefer", "respond-async")).await;
    assert_eq!(is_async.status, StatusCode::ACCEPTED);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_its_answer_gets_it_while_as_many_wait_as_may() {
    let shop = Shop::with(1, PATIENCE).await;
    let asked = |pet: i64| shop.post(&json!({"petId": pet})).header("Idempotency-Key", KEY);
    let placing = shop.placing(asked(12));
    let saga = shop.saga(&shop.sends("ORDER_REQUESTED").await);
    shop.hand_over(&saga.pet_reserved()).await;
    shop.hand_over(&saga.prepared()).await;
    let placed = placing.await.unwrap();
    let waiting: Vec<_> = (101..=300).map(|pet| shop.placing(shop.post(&json!({"petId": pet})))).collect();
    shop.counts("SELECT count(*) FROM requests", 201).await;
    let again = told(asked(12)).await;
    assert_eq!((again.status, &again), (StatusCode::OK, &placed));
    assert_eq!(told(asked(13)).await.status, StatusCode::UNPROCESSABLE_ENTITY, "the key is another order's");
    assert_eq!(told(shop.post(&json!({"petId": 13}))).await.status, StatusCode::SERVICE_UNAVAILABLE);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_process_that_would_have_clients_wait_longer_than_a_request_may_take_does_not_start() {
    let servers = Servers::claim().await;
    let database = servers.database("orders").await;
    let process = process_config(&database, &servers);
    for over in [Duration::ZERO, Duration::from_secs(10)] {
        let config = Config {
            order_wait: process.http_timeout + over,
            process: process.clone(),
            order_waiters: 1,
            order_waves: true,
        };
        let wait = config.order_wait;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = order_service::serve(listener, config, CancellationToken::new());
        let refused = timeout(PATIENCE, serving).await.expect("it does not start").unwrap_err().to_string();
        let expected = format!("ORDER_WAIT is {wait:?} and must be less than HTTP_TIMEOUT, which is 30s");
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_waits_when_the_process_stops_is_told_where_to_look() {
    let mut shop = Shop::open().await;
    let placing = shop.placing(shop.post(&json!({"petId": 12})));
    shop.sends("ORDER_REQUESTED").await;
    shop.copies.clear();
    let answer = placing.await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}
