//! The topology: declared once or many times, checked, refused with a reason.

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use saga_runtime::broker::topology::Options;
use saga_runtime::broker::{Broker, BrokerError};
use saga_runtime::secret::Secret;
use saga_runtime::testing::Servers;
use serde_json::{Value, json};

use crate::parts::{DECLARED, TOPOLOGY, WORK, broker, connect, declared, restrict};

const PASSIVE: Options = Options { passive: true, event_stream: false };
const STREAM: Options = Options { passive: false, event_stream: true };

async fn queues(servers: &Servers) -> Value {
    let url = format!("{}api/definitions/{}", servers.management_url(), servers.vhost());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn declaring_twice_changes_nothing() {
    let servers = Servers::claim().await;
    let broker = broker(&servers, STREAM);
    broker.declare().await.unwrap();
    let once = queues(&servers).await;
    broker.declare().await.unwrap();
    assert_eq!(queues(&servers).await, once);
    let work = once["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == WORK).unwrap();
    let arguments = json!({
        "x-queue-type": "quorum", "x-delivery-limit": 50, "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "dead-letters", "x-dead-letter-routing-key": "work",
        "x-dead-letter-strategy": "at-least-once",
    });
    assert_eq!((&work["arguments"], &work["durable"]), (&arguments, &json!(true)));
    assert_eq!(once["bindings"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn checking_passes_when_all_is_there_and_names_what_is_missing() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    broker(&servers, PASSIVE).declare().await.unwrap();

    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(WORK.into(), QueueDeleteOptions::default()).await.unwrap();
    let error = broker(&servers, PASSIVE).declare().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Missing { what } if what == "the queue work"), "{error}");
    assert!(error.to_string().contains("saga topology declare"), "{error}");
}

#[tokio::test]
async fn without_the_stream_everything_else_is_declared() {
    let servers = Servers::claim().await;
    broker(&servers, DECLARED).declare().await.unwrap();
    broker(&servers, PASSIVE).declare().await.unwrap();
    let error = broker(&servers, Options { passive: true, ..STREAM }).declare().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Missing { what } if what == "the queue event-log"), "{error}");
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_left_alone_and_the_error_says_what_to_do() {
    let servers = Servers::claim().await;
    let connection = connect(&servers).await;
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(WORK.into(), durable, FieldTable::default()).await.unwrap();
    let error = broker(&servers, DECLARED).declare().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Conflict { what, .. } if what == "the queue work"), "{error}");
    let said = error.to_string();
    assert!(said.contains("x-") && said.contains("delete it, and start again"), "{said}");
    channel.queue_declare(WORK.into(), durable, FieldTable::default()).await.unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_declare_is_told_so_and_may_still_check() {
    let servers = Servers::claim().await;
    declared(&servers).await;
    restrict(&servers, "^$", ".*").await;
    let error = broker(&servers, DECLARED).declare().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Forbidden { what, .. } if what == "the exchange things"), "{error}");
    broker(&servers, PASSIVE).declare().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named_without_the_password() {
    let url = Secret::new("amqp://me:pass-word@127.0.0.1:9/somewhere");
    let error = Broker::new(&url, "test", &TOPOLOGY, DECLARED).unwrap().declare().await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("127.0.0.1:9, vhost somewhere") && !said.contains("pass-word"), "{said}");
}
