//! `.dev/state.json`: what is up and where, for people, scripts and tests.

use serde_json::{Map, Value, json};

use crate::processes::{self, System};
use crate::servers::{Endpoints, Stack, Trouble, secrets::write_private};

/// Writes `.dev/state.json`, readable by its owner alone, since its URLs carry passwords.
///
/// A server that was given rather than started has `null` for its pid.
///
/// # Errors
/// When it cannot be written.
pub fn write(stack: &mut Stack, servers: &Endpoints, system: &System) -> Result<(), Trouble> {
    let mut state = Map::new();
    for process in &processes::ALL {
        let url = processes::url(stack, process.name)?;
        state.insert(process.name.into(), entry(&url, pid(stack, process.name)));
    }
    state.insert("amqp".into(), entry(&system.amqp, pid(stack, "rabbitmq")));
    let mut postgres = entry(&servers.postgres, pid(stack, "postgres"));
    postgres["databases"] = system.databases.iter().map(|(name, urls)| ((*name).to_owned(), json!(urls))).collect();
    state.insert("postgres".into(), postgres);
    let text = serde_json::to_vec_pretty(&state).map_err(|error| Trouble::Unmet(error.to_string()))?;
    write_private(&stack.place.dev.join("state.json"), &text)
}

/// Removes it: nothing is up.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(stack: &Stack) -> Result<(), Trouble> {
    let path = stack.place.dev.join("state.json");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Trouble::at("removing", &path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn pid(stack: &Stack, process: &str) -> Option<u32> {
    stack.running(process).map(|started| started.pid)
}

fn entry(url: &str, pid: Option<u32>) -> Value {
    let port = url.parse::<reqwest::Url>().ok().and_then(|url| url.port());
    json!({"url": url, "port": port, "pid": pid})
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::servers::{Place, databases::DatabaseUrls, given::Broker};

    #[test]
    fn it_names_every_process_and_server_with_url_port_and_pid() {
        let root = std::env::temp_dir().join(format!("sagaforge-state-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let mut stack = Stack::open(Place::of(&root).unwrap(), "up").unwrap();
        let us = crate::servers::process::Started::now(std::process::id()).unwrap();
        stack.note("rabbitmq", us).unwrap();
        let broker = Broker { amqp: "amqp://u:p@127.0.0.1:21001".into(), management: "http://127.0.0.1:21002".into() };
        let servers = Endpoints { broker, postgres: "postgres://u:p@127.0.0.1:21003".into() };
        let urls = DatabaseUrls { owner: "postgres://owner".into(), app: "postgres://app".into() };
        let amqp = "amqp://u:p@127.0.0.1:21001/sagaforge";
        let system = System::for_tests(amqp, vec![("pets", urls)]);
        write(&mut stack, &servers, &system).unwrap();

        let path = root.join(".dev/state.json");
        let state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let keys: Vec<&str> = state.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["pet-service", "order-service", "inventory-service", "saga", "amqp", "postgres"]);
        assert_eq!(state["amqp"], json!({"url": amqp, "port": 21001, "pid": std::process::id()}));
        assert_eq!(state["postgres"]["port"], 21003);
        assert_eq!(state["postgres"]["pid"], Value::Null, "it was given, or does not run");
        let pets = json!({"owner": "postgres://owner", "app": "postgres://app"});
        assert_eq!(state["postgres"]["databases"], json!({"pets": pets}));
        let port = processes::url(&mut stack, "saga").unwrap().rsplit_once(':').unwrap().1.to_owned();
        assert_eq!(state["saga"]["port"].to_string(), port);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        remove(&stack).unwrap();
        assert!(!path.exists());
        std::fs::remove_dir_all(root).unwrap();
    }
}
