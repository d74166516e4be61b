//! What the file promises about its containers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::file::{PROCESSES, raw, required_variables, root};

fn service(name: &str) -> Value {
    raw()["services"][name].clone()
}

#[test]
fn it_holds_the_servers_the_processes_and_one_declaration() {
    let file = raw();
    let names: BTreeSet<&str> = file["services"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = PROCESSES.into_iter().chain(["postgres", "rabbitmq", "topology"]).collect();
    assert_eq!(names, expected);
    assert_eq!(service("rabbitmq")["image"], "rabbitmq:4-management");
    assert_eq!(service("postgres")["image"], "postgres:17");
    assert_eq!(service("topology")["command"], serde_json::json!(["topology", "declare"]));
}

#[test]
fn each_process_starts_when_servers_are_healthy_and_the_topology_is_there() {
    for name in PROCESSES {
        let service = service(name);
        let after = &service["depends_on"];
        assert_eq!(after["postgres"]["condition"], "service_healthy", "{name}");
        assert_eq!(after["rabbitmq"]["condition"], "service_healthy", "{name}");
        assert_eq!(after["topology"]["condition"], "service_completed_successfully", "{name}");
        assert_eq!(service["environment"]["SAGA_TOPOLOGY_PASSIVE"], "true", "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
    }
}

#[test]
fn each_process_listens_is_published_and_is_asked_on_one_port() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    for (name, port) in PROCESSES.into_iter().zip(["8081", "8082", "8083", "8080"]) {
        let stage = dockerfile.split(&format!("FROM process AS {name}\n")).nth(1).unwrap();
        let stage = stage.split("\nFROM").next().unwrap();
        assert!(stage.contains(&format!("LISTEN=0.0.0.0:{port}")) && stage.contains(&format!("EXPOSE {port}")));
        let service = service(name);
        assert_eq!(service["build"]["target"], name);
        assert_eq!(service["ports"][0], format!("127.0.0.1:{port}:{port}"));
        assert_eq!(service["healthcheck"]["test"][5], format!("http://127.0.0.1:{port}/readyz"));
    }
    assert!(dockerfile.contains("\nUSER 10001:10001\n"), "no process runs as root");
}

#[test]
fn everything_is_checked_for_health_and_nothing_is_published_beyond_the_loopback() {
    let file = raw();
    for (name, service) in file["services"].as_object().unwrap() {
        assert!(name == "topology" || service["healthcheck"]["test"].is_array(), "{name}");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn no_secret_is_in_the_file_and_the_documented_line_makes_all_of_them() {
    let file = raw();
    for (name, service) in file["services"].as_object().unwrap() {
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            // A URL of a server carries a password, that of another process none.
            let url = key.ends_with("_URL") && key != "PET_SERVICE_URL";
            let secret = key.contains("PASSWORD") || key.contains("SALT") || url;
            assert!(!secret || value.as_str().unwrap().contains(":?}"), "{name}: {key}");
        }
    }
    assert_eq!(file["secrets"]["tokens"]["environment"], "SAGA_TOKENS");
    let page = std::fs::read_to_string(root().join("docs/deploying.md")).unwrap();
    let line = page.split("for name in").nth(1).unwrap().split("; do").next().unwrap();
    let documented: BTreeSet<String> =
        line.split_whitespace().filter(|word| *word != "\\").map(str::to_owned).collect();
    assert_eq!(documented, required_variables());
}
