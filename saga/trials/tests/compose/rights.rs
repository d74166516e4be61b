//! The rights of each RabbitMQ user, against the table of the topology.

use std::collections::BTreeSet;

use saga_contract::{TOPOLOGY, processes, queues};
use serde_json::Value;

use crate::file::{PROCESSES, definitions, secret_of};

/// The resource by which RabbitMQ guards the exchange without a name, which reaches every queue.
const DEFAULT_EXCHANGE: &str = "amq.default";

fn rights(user: &str) -> Value {
    let definitions = definitions();
    let all: Vec<&Value> =
        definitions["permissions"].as_array().unwrap().iter().filter(|entry| entry["user"] == user).collect();
    assert_eq!(all.len(), 1, "{user}");
    assert_eq!(all[0]["vhost"], "sagaforge");
    all[0].clone()
}

/// The names that a pattern like `^(a|b\.c)$` stands for; of any other shape is none of ours.
fn names(pattern: &Value) -> BTreeSet<String> {
    let pattern = pattern.as_str().unwrap();
    let inside = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$")).unwrap();
    let plain = |name: &str| {
        let name = name.replace("\\.", "\n");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || "-\n".contains(c)), "{pattern}");
        name.replace('\n', ".")
    };
    inside.split('|').map(plain).collect()
}

#[test]
fn there_is_a_user_for_each_process_one_that_declares_and_one_for_people() {
    let definitions = definitions();
    let users = definitions["users"].as_array().unwrap();
    let found: BTreeSet<&str> = users.iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(found, PROCESSES.into_iter().chain(["admin", "topology"]).collect());
    for user in users {
        let name = user["name"].as_str().unwrap();
        // The orchestrator looks at bindings, which AMQP does not tell.
        let tags = match name {
            "admin" => serde_json::json!(["administrator"]),
            processes::SAGA => serde_json::json!(["management"]),
            _ => serde_json::json!([]),
        };
        assert_eq!(user["tags"], tags, "{name}");
        let variable = match name {
            "admin" => "RABBITMQ_ADMIN_PASSWORD".to_owned(),
            process => format!("{}_AMQP_PASSWORD", process.to_uppercase().replace('-', "_")),
        };
        assert_eq!(user["password"], secret_of(&variable), "{name}");
    }
    assert_eq!(definitions["permissions"].as_array().unwrap().len(), users.len());
}

#[test]
fn each_process_writes_where_its_messages_go_and_back_into_its_own_queues_and_the_operators_anywhere() {
    for process in PROCESSES {
        let own = TOPOLOGY.types.iter().filter(|kind| kind.source == process).map(|kind| kind.exchange.to_owned());
        // A parked message is replayed by the process that parked it, straight into the queue.
        let mut expected: BTreeSet<String> = own.chain([DEFAULT_EXCHANGE.to_owned()]).collect();
        if process == processes::SAGA {
            // `saga publish` goes through the orchestrator, to any exchange that events and commands go to.
            expected.extend(TOPOLOGY.types.iter().map(|kind| kind.exchange.to_owned()));
        }
        assert_eq!(names(&rights(process)["write"]), expected, "{process}");
    }
}

#[test]
fn each_process_reads_its_queues_and_no_other_and_makes_nothing() {
    for process in PROCESSES {
        let own = TOPOLOGY.queues.iter().filter(|queue| queue.consumer == process).map(|queue| queue.name.to_owned());
        let mut expected: BTreeSet<String> = own.collect();
        if process == processes::SAGA {
            expected.insert(queues::EVENT_LOG.to_owned());
        }
        assert_eq!(names(&rights(process)["read"]), expected, "{process}");
        assert_eq!(rights(process)["configure"], "^$", "{process}");
    }
}

#[test]
fn the_event_log_is_bounded_in_age_and_bytes() {
    let policy = definitions()["policies"][0].clone();
    assert_eq!(policy["pattern"], format!("^{}$", queues::EVENT_LOG));
    assert_eq!(policy["definition"]["max-age"], "30D");
    assert!(policy["definition"]["max-length-bytes"].as_u64().unwrap() > 0);
}
