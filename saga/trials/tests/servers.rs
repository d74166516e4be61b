//! Private servers, started for real: they come back after a crash, and go when told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use saga_trials::servers::{
    Given, Place, Stack, apt::Suite, databases, place::make_dir, programs::Programs, secrets::Secrets,
    vhosts::Management,
};

/// A checkout of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("sagaforge-{name}-{}", std::process::id()));
        make_dir(&root, 0o755).unwrap();
        Self(root)
    }

    fn stack(&self) -> Stack {
        Stack::open(Place::of(&self.0).unwrap(), "up").unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let stack = self.stack();
        stack.started().for_each(|started| started.signal(Signal::KILL));
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Those that `./dev` itself runs, so that nothing is fetched twice.
fn programs() -> Programs {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Programs::find(&Place::of(checkout).unwrap(), Suite::Machine, &Given::default()).unwrap()
}

async fn kill(stack: &Stack, server: &str) {
    let started = stack.running(server).unwrap().clone();
    started.stop(Signal::KILL, Duration::from_secs(10)).await;
    assert!(!started.is_alive());
}

#[tokio::test]
async fn killed_servers_come_back_with_their_data_and_down_stops_both() {
    let scratch = Scratch::new("killed");
    let programs = programs();
    let mut stack = scratch.stack();
    stack.start(&programs).await.unwrap();
    let servers = Given::default().or_of(&mut stack).unwrap();
    let postgres = format!("{}/postgres", servers.postgres);
    databases::connect(&postgres).await.unwrap().batch_execute("CREATE TABLE kept (n int)").await.unwrap();
    let management = Management::at(&servers.broker.management).unwrap();
    management.make_vhosts(&["kept".to_owned()]).await.unwrap();

    kill(&stack, "postgres").await;
    kill(&stack, "rabbitmq").await;
    let thief = TcpListener::bind((Ipv4Addr::LOCALHOST, stack.ports.of("postgres").unwrap())).unwrap();
    // As a later `./dev up` would find it.
    let mut stack = scratch.stack();
    assert!(stack.running("postgres").is_none() && stack.running("rabbitmq").is_none());
    stack.start(&programs).await.unwrap();

    let again = Given::default().or_of(&mut stack).unwrap();
    assert_ne!(again.postgres, servers.postgres, "its port was taken in between");
    assert_eq!(again.broker, servers.broker);
    let client = databases::connect(&format!("{}/postgres", again.postgres)).await.unwrap();
    assert!(client.query("SELECT n FROM kept", &[]).await.unwrap().is_empty());
    assert!(management.vhosts().await.unwrap().contains("kept"));
    drop(thief);

    let pids = ["postgres", "rabbitmq", "epmd"].map(|server| stack.running(server).unwrap().clone());
    assert!(stack.stop_servers().await.unwrap());
    assert!(pids.iter().all(|started| !started.is_alive()));
    assert!(!stack.stop_servers().await.unwrap(), "nothing is left to stop");
}

#[tokio::test]
async fn no_role_reads_another_database_and_the_application_makes_no_tables() {
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        panic!("tests need servers: run ./dev test, or eval \"$(./dev test-env)\" first");
    };
    let server = server.rsplit_once('/').unwrap().0;
    let scratch = Scratch::new("roles");
    let mut secrets = Secrets::open(scratch.0.join("secrets.json")).unwrap();
    let suffix = std::process::id();
    let (ours, theirs) = (format!("ours_{suffix}"), format!("theirs_{suffix}"));
    let urls = databases::make(server, &ours, &mut secrets).await.unwrap();
    let others = databases::make(server, &theirs, &mut secrets).await.unwrap();
    assert_eq!(databases::make(server, &ours, &mut secrets).await.unwrap(), urls, "made once, the same ever after");

    let owner = databases::connect(&urls.owner).await.unwrap();
    let app = databases::connect(&urls.app).await.unwrap();
    owner.batch_execute("CREATE TABLE journal (n int)").await.unwrap();
    assert!(app.batch_execute("CREATE TABLE mine (n int)").await.is_err());
    assert!(app.query("SELECT n FROM journal", &[]).await.is_err(), "nothing was granted yet");
    owner.batch_execute(&format!("GRANT INSERT, SELECT ON journal TO {ours}_app")).await.unwrap();
    assert!(app.query("SELECT n FROM journal", &[]).await.unwrap().is_empty());
    for login in [&others.owner, &others.app] {
        let across = login.replace(&format!("/{theirs}"), &format!("/{ours}"));
        assert_ne!(&across, login);
        assert!(databases::connect(&across).await.is_err(), "{theirs} got into {ours}");
    }

    drop((owner, app));
    let admin = databases::connect(&format!("{server}/postgres")).await.unwrap();
    for name in [&ours, &theirs] {
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        admin.batch_execute(&format!("DROP ROLE {name}_owner")).await.unwrap();
        admin.batch_execute(&format!("DROP ROLE {name}_app")).await.unwrap();
    }
}
