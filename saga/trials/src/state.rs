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
