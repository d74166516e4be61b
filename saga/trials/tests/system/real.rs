//! Processes as an operator runs them, so that they can be killed and frozen like ones.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use saga_runtime::testing::eventually;

use crate::shop::{PATIENCE, Shop};

/// A process of its own. Killed when dropped.
pub(crate) struct Real {
    child: Child,
    pub(crate) url: String,
}

impl Real {
    /// Starts a process beside those of the shop and waits until it is ready.
    pub(crate) async fn start(shop: &Shop, name: &'static str) -> Self {
        let config = shop.config(name);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // `cargo test --workspace` builds it beside the folder that tests lie in.
        let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(name);
        let peers = shop.peers();
        let peers: Vec<String> = peers.iter().map(|peer| format!("{}={}", peer.name, peer.url)).collect();
        let mut command = Command::new(program);
        if name == "saga" {
            command.env("SAGA_PROCESSES", peers.join(","));
        }
        let child = command
            .args((name == "saga").then_some("serve"))
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("DATABASE_URL", config.database_url.expose())
            .env("DATABASE_OWNER_URL", config.database_owner_url.unwrap().expose())
            .env("DATABASE_CONNECTIONS", config.database_connections.to_string())
            .env("AMQP_URL", config.amqp_url.expose())
            .env("UUID_FORGE_SALT", config.salt.expose())
            .env("SAGA_TOKENS_FILE", config.tokens_file.unwrap())
            .env("PET_SERVICE_URL", shop.pet_service().as_str())
            .env("SAGA_EVENT_STREAM", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let real = Self { child, url: format!("http://127.0.0.1:{port}") };
        real.ready().await;
        real
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) {
        eventually("a real process is ready", PATIENCE, async || {
            reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}
