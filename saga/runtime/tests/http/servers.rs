//! What [`Servers`] promises to every integration test.

use std::collections::BTreeSet;

use saga_runtime::testing::{Servers, process_config};
use saga_runtime::{clock, store};
use tokio_postgres::{NoTls, error::SqlState};

async fn can_connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// `url` with its database replaced.
fn at_database(url: &str, database: &str) -> String {
    format!("{}/{database}", url.rsplit_once('/').unwrap().0)
}

#[tokio::test]
async fn a_database_has_an_owner_who_may_all_and_an_application_that_may_only_connect() {
    let servers = Servers::claim().await;
    let pets = servers.database("pets").await;
    let owner = pets.connect().await;
    owner.batch_execute("CREATE TABLE pet (id int)").await.unwrap();
    let app = can_connect(&pets.app_url).await.unwrap();
    let refused = app.batch_execute("SELECT * FROM pet").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    let refused = app.batch_execute("CREATE TABLE mine (id int)").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    owner.batch_execute("GRANT SELECT ON pet TO public").await.unwrap();
    app.batch_execute("SELECT * FROM pet").await.unwrap();
}

#[tokio::test]
async fn no_role_reads_the_database_of_another_process() {
    let servers = Servers::claim().await;
    let (pets, orders) = (servers.database("pets").await, servers.database("orders").await);
    for url in [&pets.app_url, &pets.owner_url] {
        let refused = can_connect(&at_database(url, &orders.name)).await.err().unwrap();
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    }
}

#[tokio::test]
async fn the_application_adds_to_its_journal_and_its_audit_and_changes_neither() {
    let servers = Servers::claim().await;
    let database = servers.database("desk").await;
    let owner = database.migrate(&store::no_migrations()).await;
    let later = clock::now().date() + time::Duration::days(3);
    store::partitions(&owner, later, time::Duration::days(30)).await.unwrap();
    let app = can_connect(&database.app_url).await.unwrap();
    let allowed = "
        INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
        VALUES (current_date, now(), ARRAY[gen_random_uuid()], '{NOTE}', '{NULL}', '{note}');
        INSERT INTO audit (at, who, action, target) VALUES (now(), 'ada', 'look', 'all');
        SELECT * FROM journal; SELECT * FROM audit";
    app.batch_execute(allowed).await.unwrap();

    let refused = async |sql: &str| {
        let error = app.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error}");
    };
    for (table, change) in [("journal_entries", "types = '{OTHER}'"), ("audit", "who = 'other'")] {
        refused(&format!("UPDATE {table} SET {change}")).await;
        for sql in ["DELETE FROM", "TRUNCATE", "DROP TABLE"] {
            refused(&format!("{sql} {table}")).await;
        }
    }
    refused("INSERT INTO runtime_migrations DEFAULT VALUES").await;
    let days = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal_entries'::regclass";
    let days: Vec<String> = owner.query(days, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(days.len() > 8, "those that were made later, too: {days:?}");
    for day in days {
        refused(&format!("SELECT * FROM {day}")).await;
        refused(&format!("UPDATE {day} SET types = types")).await;
    }
}

#[tokio::test]
async fn everything_is_gone_after_the_test() {
    let servers = Servers::claim().await;
    let pets = servers.database("pets").await;
    let still_there = can_connect(&pets.app_url).await.unwrap();
    let (vhost, tokens) = (servers.vhost().to_owned(), servers.tokens_file());
    let (amqp_url, token) = (servers.amqp_url().to_owned(), servers.token().to_owned());
    let management = Management::of(&servers);
    management.put(&format!("queues/{vhost}/left.behind"), r#"{"durable": true}"#).await;
    management.put(&format!("exchanges/{vhost}/left"), r#"{"type": "topic"}"#).await;
    management.put(&format!("policies/{vhost}/left"), r#"{"pattern": "x", "definition": {"max-length": 1}}"#).await;
    assert_eq!(management.names(&format!("queues/{vhost}")).await, ["left.behind"]);
    drop(servers);

    assert!(can_connect(&pets.app_url).await.is_err(), "the role is gone");
    assert!(still_there.batch_execute("SELECT 1").await.is_err(), "who was connected was cut off");
    // Another test may have claimed the vhost by now, but not with this token, this password and these names.
    assert!(!std::fs::read_to_string(tokens).is_ok_and(|tokens| tokens.contains(&token)), "the token is gone");
    let refused = lapin::Connection::connect(&amqp_url, lapin::ConnectionProperties::default()).await;
    assert!(refused.is_err(), "the broker's user is gone");
    for kind in ["queues", "exchanges", "policies"] {
        let left = management.names(&format!("{kind}/{vhost}")).await;
        assert!(!left.iter().any(|name| name.starts_with("left")), "{kind}: {left:?}");
    }
}

/// Runs itself twice as another process: one that is killed, and one that comes after it.
#[tokio::test]
async fn what_a_killed_test_left_behind_is_gone_at_the_next_claim_of_its_vhost() {
    if let Ok(part) = std::env::var("PART_OF_THE_TEST") {
        let servers = Servers::claim().await;
        // Making it again would fail if anything of the first were left.
        servers.database("pets").await;
        if part == "killed" {
            std::process::abort();
        }
        return;
    }
    let vhosts = std::env::var("TEST_AMQP_VHOSTS").unwrap();
    let last = vhosts.rsplit(',').next().unwrap();
    let run = |part| {
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "servers::what_a_killed_test_left_behind_is_gone_at_the_next_claim_of_its_vhost"]);
        test.env("PART_OF_THE_TEST", part).env("TEST_AMQP_VHOSTS", last).output().unwrap().status
    };
    assert_eq!(run("killed").code(), None, "it ended by a signal");
    assert!(run("next").success());
}

#[tokio::test]
async fn claims_at_the_same_time_never_meet() {
    let claims = futures_util::future::join_all((0..6).map(|_| Servers::claim())).await;
    let vhosts: BTreeSet<_> = claims.iter().map(|servers| servers.vhost().to_owned()).collect();
    assert_eq!(vhosts.len(), 6);
    let locked = vhosts.iter().all(|vhost| {
        let path = claims[0].tokens_file().with_file_name(format!("{vhost}.lock"));
        std::fs::File::open(path).unwrap().try_lock().is_err()
    });
    assert!(locked, "another process is kept out by the lock file");
}

#[tokio::test]
async fn the_broker_lets_a_test_into_its_own_vhost_alone() {
    let (mine, other) = (Servers::claim().await, Servers::claim().await);
    let connect = async |url: String| lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await;
    let connection = connect(mine.amqp_url().to_owned()).await.unwrap();
    connection.create_channel().await.unwrap();
    assert!(connect(at_database(mine.amqp_url(), other.vhost())).await.is_err());
}

#[tokio::test]
async fn settings_for_a_process_carry_its_own_urls() {
    let servers = Servers::claim().await;
    let pets = servers.database("pets").await;
    let config = process_config(&pets, &servers);
    assert_eq!(config.database_url.expose(), pets.app_url);
    assert_eq!(config.amqp_url.expose(), servers.amqp_url());
    let tokens = std::fs::read_to_string(config.tokens_file.unwrap()).unwrap();
    assert_eq!(tokens, format!("tester:{}\n", servers.token()));
}

struct Management {
    client: reqwest::Client,
    url: String,
}

impl Management {
    fn of(servers: &Servers) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, url: format!("{}/api", servers.management_url().trim_end_matches('/')) }
    }

    async fn put(&self, path: &str, body: &'static str) {
        let request = self.client.put(format!("{}/{path}", self.url)).header("content-type", "application/json");
        request.body(body).send().await.unwrap().error_for_status().unwrap();
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let answer = self.client.get(format!("{}/{path}?columns=name", self.url)).send().await.unwrap();
        let named: Vec<serde_json::Value> = answer.json().await.unwrap();
        named.iter().map(|value| value["name"].as_str().unwrap().to_owned()).collect()
    }
}
