//! Connections cut, processes killed and frozen while orders run: all of it comes to its end.

use std::pin::pin;

use futures_util::{StreamExt, stream};
use reqwest::{Method, Url};
use saga_runtime::testing::eventually;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::real::Real;
use crate::shop::{ALL, Answer, PATIENCE, Settings, Shop, count, order};

/// How many messages go out between one trouble and the next.
const EVERY: i64 = 15;
/// How many customers there are at a time. All at once would be a few large batches, and soon over.
const AT_ONCE: usize = 6;

/// Pets for half of the orders, and supplies for three quarters of those.
async fn stocked(shop: &Shop, orders: usize) {
    let pets = i64::try_from(orders / 2).unwrap();
    for pet in 1..=pets {
        shop.add_pet(pet, 1000).await;
    }
    shop.set_stock("FOOD", pets * 3 / 4).await;
}

/// Two customers want each pet.
fn wish(n: usize) -> Value {
    order(i64::try_from(n / 2 + 1).unwrap(), &format!("customer{n}"), &[("FOOD", 1)])
}

/// Asks until there is an answer, as a client with a key does.
async fn insist(shop: &Shop, n: usize) -> Answer {
    let wish = wish(n);
    eventually(&format!("order {n} is answered"), PATIENCE * 2, async || {
        let answer = shop.place(&format!("order-{n}"), &wish).await;
        assert!([200, 202, 409, 422, 503].contains(&answer.status.as_u16()), "{answer:?}");
        [200, 409, 422].contains(&answer.status.as_u16()).then_some(answer)
    })
    .await
}

async fn sent(shop: &Shop) -> i64 {
    let mut sent = 0;
    for client in shop.databases.each() {
        sent += count(client, "SELECT count(*) FROM journal").await;
    }
    sent
}

/// Runs orders, with trouble each time that some more messages were sent; gives the answers, and
/// how often there was trouble.
async fn in_trouble(shop: &Shop, orders: usize, mut trouble: impl AsyncFnMut(usize)) -> (Vec<Answer>, usize) {
    let all = stream::iter(0..orders).map(|n| insist(shop, n)).buffered(AT_ONCE);
    let mut all = pin!(all.collect::<Vec<Answer>>());
    let mut times = 0;
    loop {
        let next = sent(shop).await + EVERY;
        tokio::select! {
            answers = &mut all => return (answers, times),
            () = eventually("more was sent", PATIENCE * 3, async || sent(shop).await >= next) => {}
        }
        trouble(times).await;
        times += 1;
    }
}

/// Every order came to the end that its client was told of, and nothing needs a person.
async fn all_came_to_an_end(shop: &Shop, answers: &[Answer]) {
    let findings = shop.settled().await;
    let won = i64::try_from(answers.iter().filter(|answer| answer.status == 200).count()).unwrap();
    let lost = i64::try_from(answers.len()).unwrap() - won;
    assert_eq!((findings.in_phase("completed"), findings.in_phase("rejected")), (won, lost), "{findings:?}");
    assert!(won > 0 && lost > 0, "{findings:?}");
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM pets WHERE status = 'sold'").await, won);
    assert_eq!(findings.units_taken, won, "one unit for each order");
    for client in shop.databases.each() {
        let parked = client.query("SELECT queue, reason, detail FROM parked", &[]).await.unwrap();
        assert!(parked.is_empty(), "{parked:?}");
    }
}

async fn superuser() -> Client {
    let url = std::env::var("TEST_POSTGRES_URL").unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Cuts the processes' connections to this test's databases, and says how many.
async fn cut_databases(admin: &Client, shop: &Shop) -> i64 {
    const CUT: &str = "
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE starts_with(datname, $1) AND split_part(application_name, ' ', 1) = ANY($2)";
    let ours = format!("test_{}_", shop.servers.vhost());
    admin.query_one(CUT, &[&ours, &ALL.as_slice()]).await.unwrap().get(0)
}

/// Cuts the connections to this test's vhost, and says how many.
async fn cut_broker(http: &reqwest::Client, shop: &Shop) -> i64 {
    let at = |path: &[&str]| {
        let mut url: Url = shop.servers.management_url().parse().unwrap();
        url.path_segments_mut().unwrap().clear().push("api").extend(path);
        url
    };
    let list = http.get(at(&["vhosts", shop.servers.vhost(), "connections"])).send().await.unwrap();
    let list: Vec<Value> = list.error_for_status().unwrap().json().await.unwrap();
    let mut cut = 0;
    for name in list.iter().filter_map(|connection| connection["name"].as_str()) {
        let answer = http.delete(at(&["connections", name])).send().await.unwrap();
        cut += i64::from(answer.status().is_success());
    }
    cut
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_whose_database_connections_are_cut_again_and_again_all_come_to_their_end() {
    let shop = Shop::open(Settings::default()).await;
    stocked(&shop, 40).await;
    let (admin, mut cut) = (superuser().await, 0);
    let (answers, times) = in_trouble(&shop, 40, async |_| cut += cut_databases(&admin, &shop).await).await;
    assert!(times >= 5 && cut >= 20, "{cut} connections were cut, in {times} rounds");
    all_came_to_an_end(&shop, &answers).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_whose_broker_connections_are_cut_again_and_again_all_come_to_their_end() {
    let shop = Shop::open(Settings::default()).await;
    stocked(&shop, 40).await;
    // One request each: the server ends connections that idle, and a DELETE that meets that end is not sent again.
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut cut = 0;
    let (answers, times) = in_trouble(&shop, 40, async |_| {
        // The broker lists a new connection a little late.
        cut += eventually("a connection is cut", PATIENCE, async || {
            let cut = cut_broker(&http, &shop).await;
            (cut > 0).then_some(cut)
        })
        .await;
    })
    .await;
    assert!(times >= 3 && cut >= 8, "{cut} connections were cut, in {times} rounds");
    all_came_to_an_end(&shop, &answers).await;
    shop.close().await;
}

/// Sends order n without waiting for what comes of it.
async fn send(shop: &Shop, n: usize) {
    let headers = [("Prefer", "respond-async".to_owned()), ("Idempotency-Key", format!("order-{n}"))];
    let url = format!("{}/api/v3/store/order", shop.url("order-service", 0));
    let taken = shop.send(Method::POST, &url, &headers, Some(&wish(n))).await;
    assert_eq!(taken.status, 202, "{taken:?}");
}

/// While this is in force, no transaction with a message in it can be committed.
const BEFORE_COMMIT: [&str; 3] = [
    "BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE",
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'inbox'::regclass",
    "COMMIT",
];
/// While this is in force, what was committed keeps its marks, published or not.
const BEFORE_UNMARKING: [&str; 3] = [
    "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'on purpose'; END $$;
     CREATE TRIGGER stuck BEFORE DELETE ON outbox EXECUTE FUNCTION stuck()",
    "SELECT count(*) FROM outbox",
    "DROP TRIGGER stuck ON outbox; DROP FUNCTION stuck()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pet_service_and_the_orchestrator_killed_before_and_after_they_commit_lose_and_double_nothing() {
    let mut shop = Shop::closed(Settings::default()).await;
    for name in ["pet-service", "order-service", "inventory-service"] {
        shop.start(name).await;
    }
    stocked(&shop, 20).await;
    shop.stop("pet-service").await;
    let mut pets = Real::start(&shop, "pet-service").await;
    let mut saga = Real::start(&shop, "saga").await;
    for (round, [hold, caught, let_go]) in [BEFORE_COMMIT, BEFORE_UNMARKING].into_iter().enumerate() {
        for (half, name) in ["pet-service", "saga"].into_iter().enumerate() {
            // At rest, so that the orchestrator is caught with what starts a saga: nobody would send that again.
            shop.settled().await;
            let (process, database) = match name {
                "saga" => (&mut saga, &shop.databases.sagas),
                _ => (&mut pets, &shop.databases.pets),
            };
            database.batch_execute(hold).await.unwrap();
            let first = (round * 2 + half) * 5;
            for n in first..first + 5 {
                send(&shop, n).await;
            }
            eventually(&format!("{name} is caught"), PATIENCE, async || count(database, caught).await > 0).await;
            process.kill();
            database.batch_execute(let_go).await.unwrap();
            *process = Real::start(&shop, name).await;
        }
    }
    let mut answers = Vec::new();
    for n in 0..20 {
        answers.push(insist(&shop, n).await);
    }
    all_came_to_an_end(&shop, &answers).await;
    assert!(pets.is_running() && saga.is_running());
    pets.kill();
    saga.kill();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_frozen_copy_holds_is_done_by_another_and_the_frozen_one_comes_back_without_harm() {
    let mut shop = Shop::open(Settings::default()).await;
    for pet in 1..=4 {
        shop.add_pet(pet, 1000).await;
    }
    shop.stop("pet-service").await;
    let mut frozen = Real::start(&shop, "pet-service").await;
    // Its transaction waits for our lock; so it is frozen with the message and, once we give way, with locks in hand.
    let pets = &shop.databases.pets;
    pets.batch_execute("BEGIN; LOCK TABLE pets IN EXCLUSIVE MODE").await.unwrap();
    let headers = [("Prefer", "respond-async".to_owned()), ("Idempotency-Key", "frozen".to_owned())];
    let url = format!("{}/api/v3/store/order", shop.url("order-service", 0));
    let taken = shop.send(Method::POST, &url, &headers, Some(&order(1, "ada", &[]))).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pets'::regclass";
    eventually("pet-service holds the message", PATIENCE, async || count(pets, waiting).await > 0).await;
    frozen.freeze();
    pets.batch_execute("COMMIT").await.unwrap();
    shop.start("pet-service").await;
    let completed = "SELECT count(*) FROM sagas WHERE phase = 'completed'";
    for pet in 2..=3 {
        let key = format!("meanwhile-{pet}");
        let wish = order(pet, "bob", &[]);
        eventually("the other copy goes on", PATIENCE * 2, async || shop.place(&key, &wish).await.status == 200).await;
    }
    eventually("what the frozen copy held is done", PATIENCE * 2, async || {
        count(&shop.databases.sagas, completed).await == 3
    })
    .await;
    frozen.thaw();
    frozen.ready().await;
    assert_eq!(shop.place("afterwards", &order(4, "cleo", &[])).await.status, 200);
    let findings = shop.settled().await;
    assert_eq!((findings.in_phase("completed"), frozen.is_running()), (4, true), "{findings:?}");
    assert_eq!(count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await, 4);
    frozen.kill();
    shop.close().await;
}
