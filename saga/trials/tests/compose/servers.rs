//! The inline definitions and the inline script, on real servers.

#![expect(clippy::disallowed_methods, reason = "whether a user may publish is what is tried here")]

use std::process::Command;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use saga_contract::TOPOLOGY;
use saga_core::MessageType;
use saga_runtime::broker::topology::{declare, declare_streams};
use saga_trials::servers::{Given, Place, apt::Suite, databases, programs::Programs, vhosts::Management};

use crate::file::{PROCESSES, config, definitions, root, secret_of};

fn server(variable: &str) -> String {
    std::env::var(variable).expect("tests need servers: run ./dev test, or eval \"$(./dev test-env)\" first")
}

/// The definitions of the file, imported under names of this test's own.
struct Imported {
    management: String,
    suffix: String,
}

impl Imported {
    async fn new() -> Self {
        let suffix = format!("-compose-{}", std::process::id());
        let own = |text: &str| serde_json::Value::from(format!("{text}{suffix}"));
        let mut definitions = definitions();
        for list in ["vhosts", "users", "permissions", "policies"] {
            for entry in definitions[list].as_array_mut().unwrap() {
                for key in ["vhost", "user"] {
                    if let Some(name) = entry[key].as_str().map(own) {
                        entry[key] = name;
                    } else {
                        entry.as_object_mut().unwrap().remove(key);
                    }
                }
                if list == "vhosts" || list == "users" {
                    entry["name"] = own(entry["name"].as_str().unwrap());
                }
            }
        }
        let management = server("TEST_RABBITMQ_MANAGEMENT_URL");
        Management::at(&management).unwrap().import(&definitions, "importing").await.unwrap();
        Self { management, suffix }
    }

    /// A channel of that user, whose password is the one in the file.
    async fn channel(&self, user: &str) -> Channel {
        let variable = format!("{}_AMQP_PASSWORD", user.to_uppercase().replace('-', "_"));
        let amqp = server("TEST_AMQP_URL");
        let host = amqp.rsplit_once('@').unwrap().1;
        let suffix = &self.suffix;
        let url = format!("amqp://{user}{suffix}:{}@{host}/sagaforge{suffix}", secret_of(&variable));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    async fn remove(self) {
        let client = reqwest::Client::new();
        let mut paths = vec![format!("api/vhosts/sagaforge{}", self.suffix)];
        let users = PROCESSES.into_iter().chain(["admin", "topology"]);
        paths.extend(users.map(|user| format!("api/users/{user}{}", self.suffix)));
        for path in paths {
            let answer = client.delete(format!("{}/{path}", self.management)).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        }
    }
}

async fn may_publish(channel: &Channel, exchange: &str) -> bool {
    let (options, nothing) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.confirm_select(Default::default()).await.unwrap();
    match channel.basic_publish(exchange.into(), "nowhere".into(), options, b"{}", nothing).await {
        Ok(confirm) => confirm.await.is_ok(),
        Err(_) => false,
    }
}

async fn may_read(channel: &Channel, queue: &str) -> bool {
    channel.basic_get(queue.into(), BasicGetOptions::default()).await.is_ok()
}

#[tokio::test]
async fn the_rights_are_enough_for_each_process_and_not_more() {
    let imported = Imported::new().await;
    let channel = imported.channel("topology").await;
    declare(&channel, &TOPOLOGY, false).await.unwrap();
    declare_streams(&channel, &TOPOLOGY, false).await.unwrap();

    for process in PROCESSES {
        let channel = imported.channel(process).await;
        declare(&channel, &TOPOLOGY, true).await.unwrap();
        declare_streams(&channel, &TOPOLOGY, true).await.unwrap();
        for exchange in TOPOLOGY.exchanges {
            // Operators publish through the orchestrator, wherever anybody's messages go.
            let goes =
                |kind: &MessageType| (kind.source == process || process == "saga") && kind.exchange == exchange.name;
            let may = may_publish(&imported.channel(process).await, exchange.name).await;
            assert_eq!(may, TOPOLOGY.types.iter().any(goes), "{process} publishing to {}", exchange.name);
        }
        let straight = may_publish(&imported.channel(process).await, "").await;
        assert!(straight, "{process} replaying a parked message straight into its queue");
        // A stream is read by consuming alone; its right is compared with the table elsewhere.
        for queue in TOPOLOGY.queues.iter().filter(|queue| !queue.consumer.is_empty()) {
            let may = may_read(&imported.channel(process).await, queue.name).await;
            assert_eq!(may, queue.consumer == process, "{process} reading {}", queue.name);
        }
        let (kind, options) = (ExchangeKind::Topic, ExchangeDeclareOptions::default());
        let channel = imported.channel(process).await;
        let made = channel.exchange_declare("new".into(), kind, options, FieldTable::default());
        assert!(made.await.is_err(), "{process} making an exchange");
    }
    imported.remove().await;
}

#[tokio::test]
async fn the_script_makes_databases_that_only_their_own_roles_enter() {
    let server = server("TEST_POSTGRES_URL");
    let url: reqwest::Url = server.parse().unwrap();
    let prefix = format!("c{}", std::process::id());
    let names = databases::NAMES.map(|name| format!("{prefix}_{name}"));
    let script = databases::NAMES.iter().fold(config("databases"), |script, name| {
        script.replace(&format!("make_database {name} "), &format!("make_database {prefix}_{name} "))
    });

    let programs = Programs::find(&Place::of(&root()).unwrap(), Suite::Machine, &Given::default()).unwrap();
    let psql = programs.postgres.unwrap().command("psql");
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script]).env_clear();
    shell.envs(psql.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PGHOST", url.host_str().unwrap()).env("PGPORT", url.port().unwrap().to_string());
    shell.env("PGPASSWORD", url.password().unwrap());
    for name in databases::NAMES {
        for role in ["OWNER", "APP"] {
            let variable = format!("{}_{role}_PASSWORD", name.to_uppercase());
            shell.env(&variable, secret_of(&variable));
        }
    }
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let login = |role: &str, name: &str, database: &str| {
        let password = secret_of(&format!("{}_{role}_PASSWORD", name.to_uppercase()));
        let user = format!("{prefix}_{name}_{}", role.to_lowercase());
        format!("postgres://{user}:{password}@127.0.0.1:{}/{prefix}_{database}", url.port().unwrap())
    };
    for name in databases::NAMES {
        let owner = databases::connect(&login("OWNER", name, name)).await.unwrap();
        owner.batch_execute("CREATE TABLE t (n int)").await.unwrap();
        let app = databases::connect(&login("APP", name, name)).await.unwrap();
        assert!(app.batch_execute("CREATE TABLE u (n int)").await.is_err(), "{name}");
        for other in databases::NAMES.into_iter().filter(|other| *other != name) {
            assert!(databases::connect(&login("APP", name, other)).await.is_err(), "{name} in {other}");
            assert!(databases::connect(&login("OWNER", name, other)).await.is_err(), "{name} in {other}");
        }
    }
    let admin = databases::connect(&server).await.unwrap();
    for name in names {
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        admin.batch_execute(&format!("DROP ROLE {name}_owner")).await.unwrap();
        admin.batch_execute(&format!("DROP ROLE {name}_app")).await.unwrap();
    }
}
