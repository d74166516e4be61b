//! The four processes: what each is given, how it is started, found ready and stopped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::screen::say;
use crate::servers::{
    Endpoints, Stack, Trouble,
    databases::{self, DatabaseUrls},
    process::{Started, not_ready},
    secrets::write_private,
    vhosts::Management,
};

/// The vhost of the whole system.
pub const VHOST: &str = "sagaforge";

/// The name of the operator whose token `up` makes.
pub const OPERATOR: &str = "operator";

/// How long a process may take until it is ready, migrations included.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its name, and its key in `.dev/state.json`.
    pub name: &'static str,
    /// Its program.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// Its database.
    pub database: &'static str,
}

/// All four, services first.
pub const ALL: [Process; 4] = [
    Process { name: "pet-service", program: "pet-service", arguments: &[], database: "pets" },
    Process { name: "order-service", program: "order-service", arguments: &[], database: "orders" },
    Process { name: "inventory-service", program: "inventory-service", arguments: &[], database: "inventory" },
    Process { name: ORCHESTRATOR, program: "saga", arguments: &["serve"], database: "sagas" },
];

/// The name of the orchestrator among them, and of its program.
pub const ORCHESTRATOR: &str = "saga";

/// How many copies of each process may run in one stack.
pub const MOST_COPIES: usize = 8;

impl Process {
    /// The name of its `n`th copy in a stack; the first goes by the process's own.
    #[must_use]
    pub fn copy(&self, n: usize) -> String {
        if n == 1 { self.name.to_owned() } else { format!("{}-{n}", self.name) }
    }
}

/// The first `copies` of each process, with the names they have in a stack.
pub fn copies(copies: usize) -> impl Iterator<Item = (Process, String)> {
    (1..=copies).flat_map(|n| ALL.map(|process| (process, process.copy(n))))
}

/// What the processes of one stack run with.
#[derive(Debug, Clone)]
pub struct System {
    /// The broker's URL, vhost included.
    pub amqp: String,
    /// Its management interface.
    pub management: String,
    /// The databases' URLs, by name.
    pub databases: Vec<(&'static str, DatabaseUrls)>,
    /// The salt of all ids.
    pub salt: String,
    /// The operator's token.
    pub token: String,
    /// How many copies of each process run.
    pub copies: usize,
    /// What the processes are told beyond that, over what is in our own environment.
    pub settings: Vec<(&'static str, String)>,
    tokens: PathBuf,
}

impl System {
    /// Makes vhost, databases, roles, salt and token, as far as they are not there.
    ///
    /// # Errors
    /// When a server refuses or a file cannot be written.
    pub async fn prepare(stack: &mut Stack, servers: &Endpoints) -> Result<Self, Trouble> {
        let management = Management::at(&servers.broker.management)?;
        management.make_vhosts(&[VHOST.to_owned()]).await?;
        management.import(&event_log_policy(), "bounding the event log").await?;
        let mut made = Vec::new();
        for name in databases::NAMES {
            made.push((name, databases::make(&servers.postgres, name, &mut stack.secrets).await?));
        }
        let (tokens, token) = (tokens(stack), stack.secrets.get("token")?);
        write_private(&tokens, format!("{OPERATOR}:{token}\n").as_bytes())?;
        let amqp = format!("{}/{VHOST}", servers.broker.amqp);
        let salt = stack.secrets.get("salt")?;
        let management = servers.broker.management.clone();
        Ok(Self { amqp, management, databases: made, salt, token, copies: 1, settings: Vec::new(), tokens })
    }

    /// The same, for a process that reaches the servers through these ports of the loopback.
    ///
    /// # Errors
    /// When a URL is none.
    pub(crate) fn through(&self, amqp: u16, postgres: u16) -> Result<Self, Trouble> {
        let databases = self.databases_at(|url| at_port(url, postgres))?;
        Ok(Self { amqp: at_port(&self.amqp, amqp)?, databases, ..self.clone() })
    }

    /// The same, for processes on PostgreSQL's own machine: they reach it through its socket in that directory.
    ///
    /// # Errors
    /// When a URL is none.
    pub(crate) fn through_socket(&self, dir: &str) -> Result<Self, Trouble> {
        Ok(Self { databases: self.databases_at(|url| at_socket(url, dir))?, ..self.clone() })
    }

    fn databases_at(
        &self,
        at: impl Fn(&str) -> Result<String, Trouble>,
    ) -> Result<Vec<(&'static str, DatabaseUrls)>, Trouble> {
        let moved = |urls: &DatabaseUrls| Ok(DatabaseUrls { owner: at(&urls.owner)?, app: at(&urls.app)? });
        self.databases.iter().map(|(name, urls)| Ok((*name, moved(urls)?))).collect()
    }

    fn environment(
        &self,
        process: &Process,
        name: &str,
        stack: &mut Stack,
    ) -> Result<Vec<(&'static str, String)>, Trouble> {
        let port = stack.ports.of(name)?;
        let urls = self.databases.iter().find(|(name, _)| *name == process.database).map(|(_, urls)| urls.clone());
        let urls = urls.ok_or_else(|| Trouble::Unmet(format!("there is no database {}", process.database)))?;
        let mut environment = vec![
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("DATABASE_OWNER_URL", urls.owner),
            ("DATABASE_URL", urls.app),
            ("AMQP_URL", self.amqp.clone()),
            ("UUID_FORGE_SALT", self.salt.clone()),
            ("SAGA_TOKENS_FILE", self.tokens.display().to_string()),
        ];
        if process.program == ORCHESTRATOR {
            let others = ALL.iter().filter(|other| other.name != ORCHESTRATOR);
            let others: Result<Vec<_>, _> =
                others.map(|other| Ok(format!("{}={}", other.name, url(stack, other.name)?))).collect();
            environment.push(("SAGA_PROCESSES", others?.join(",")));
            environment.push(("RABBITMQ_MANAGEMENT_URL", self.management.clone()));
        }
        if process.program == "inventory-service" {
            environment.push(("PET_SERVICE_URL", url(stack, "pet-service")?));
        }
        environment.extend(self.settings.iter().cloned());
        Ok(environment)
    }
}

fn at_port(url: &str, port: u16) -> Result<String, Trouble> {
    let url = url.parse::<reqwest::Url>().ok().and_then(|mut url| url.set_port(Some(port)).ok().map(|()| url));
    url.map(String::from).ok_or_else(|| Trouble::Unmet("a server's URL names no host and port".into()))
}

/// The URL of the same database by a socket in a directory, which stands in place of the host, percent-encoded.
fn at_socket(url: &str, dir: &str) -> Result<String, Trouble> {
    let host: String = dir.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = url.parse::<reqwest::Url>().ok().and_then(|mut url| url.set_host(Some(&host)).ok().map(|()| url));
    url.map(String::from).ok_or_else(|| Trouble::Unmet("a server's URL names no host".into()))
}

/// What bounds the stream of all events, in age and bytes: a policy, since a stream's own arguments cannot change.
fn event_log_policy() -> Value {
    let definition = json!({"max-age": "30D", "max-length-bytes": 2_000_000_000_u64});
    let policy = json!({
        "vhost": VHOST, "name": "event-log", "pattern": "^event-log$", "apply-to": "queues", "priority": 0,
        "definition": definition,
    });
    json!({"policies": [policy]})
}

/// The file of tokens: lines of `name:token`.
fn tokens(stack: &Stack) -> PathBuf {
    if stack.name == "up" { stack.place.dev.join("tokens") } else { stack.dir().join("tokens") }
}

/// Where the process of that name listens, or will.
///
/// # Errors
/// When a port cannot be written down.
pub fn url(stack: &mut Stack, process: &str) -> Result<String, Trouble> {
    Ok(format!("http://127.0.0.1:{}", stack.ports.of(process)?))
}

/// Starts what is missing of the four, and again what was built anew; waits until all are ready. Says which it started.
///
/// Settings in our own environment (`RUST_LOG`, `SAGA_RESEND_AFTER`, ...) are theirs too.
///
/// # Errors
/// When a program is missing or does not get ready; what was started until then stays noted.
pub async fn start(stack: &mut Stack, system: &System) -> Result<Vec<String>, Trouble> {
    let all: Vec<(Process, String)> = copies(system.copies).collect();
    for (_, name) in &all {
        if stack.running(name).is_some_and(Started::is_outdated) {
            say("processes", &format!("{name} was built anew and is started again"));
            stack.stop(name, Signal::TERM).await?;
        }
    }
    let missing: Vec<_> = all.iter().filter(|(_, name)| stack.running(name).is_none()).collect();
    for (_, name) in &missing {
        stack.ports.free(name)?;
    }
    for (process, name) in &missing {
        launch(process, name, stack, system)?;
    }
    for (_, name) in &all {
        wait(name, stack).await?;
    }
    Ok(missing.iter().map(|(_, name)| name.clone()).collect())
}

/// Starts one process, under that name of the stack's.
///
/// # Errors
/// When its program is missing.
pub(crate) fn launch(process: &Process, name: &str, stack: &mut Stack, system: &System) -> Result<(), Trouble> {
    let program = beside_us(process.program)?;
    let mut command = Command::new(program);
    command.args(process.arguments).current_dir(&stack.place.root);
    command.envs(system.environment(process, name, stack)?);
    let started = Started::spawn(command, &stack.log(name), None)?;
    stack.note(name, started)
}

/// Waits until the process of that name is ready.
///
/// # Errors
/// When it ends instead, or takes too long.
pub(crate) async fn wait(name: &str, stack: &mut Stack) -> Result<(), Trouble> {
    let log = stack.log(name);
    let url = url(stack, name)?;
    let Some(started) = stack.running(name) else {
        return Err(not_ready(name, "ended instead of getting ready", &log));
    };
    started.until(name, &log, PATIENCE, async || is_ready(&url).await).await
}

/// Whether the process at `url` says that it is ready.
pub async fn is_ready(url: &str) -> bool {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    let Ok(client) = client else { return false };
    client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Stops all copies of all four, asking all before waiting for any. Says whether any ran.
///
/// # Errors
/// When what runs cannot be written down.
pub async fn stop(stack: &mut Stack) -> Result<bool, Trouble> {
    let mut any = false;
    for (_, name) in copies(MOST_COPIES) {
        if let Some(started) = stack.running(&name) {
            started.signal(Signal::TERM);
            any = true;
        }
    }
    for (_, name) in copies(MOST_COPIES) {
        stack.stop(&name, Signal::TERM).await?;
    }
    Ok(any)
}

/// The program of that name that was built together with us.
///
/// # Errors
/// When there is none.
pub fn beside_us(program: &str) -> Result<PathBuf, Trouble> {
    let us = std::env::current_exe().map_err(Trouble::at("looking for", Path::new(program)))?;
    // Tests lie in a folder of their own beside the programs.
    let mut above = us.ancestors().skip(1);
    let dir = above.find(|dir| !dir.ends_with("deps")).unwrap_or(&us);
    let path = dir.join(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(Trouble::Unmet(format!("{} is not built; ./dev builds it before it starts it", path.display())))
}

#[cfg(test)]
mod tests {
    use crate::servers::Place;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("sagaforge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    impl System {
        /// One that runs nowhere.
        pub(crate) fn for_tests(amqp: &str, databases: Vec<(&'static str, DatabaseUrls)>) -> Self {
            let (salt, token) = ("salt".into(), "token".into());
            let (amqp, management, tokens) = (amqp.into(), "http://a:b@broker:15672".into(), "/tokens".into());
            Self { amqp, management, databases, salt, token, copies: 1, settings: Vec::new(), tokens }
        }
    }

    fn system() -> System {
        let urls = |name: &str| DatabaseUrls { owner: format!("owner of {name}"), app: format!("app of {name}") };
        System::for_tests("amqp://broker/sagaforge", databases::NAMES.map(|name| (name, urls(name))).to_vec())
    }

    #[test]
    fn a_process_behind_proxies_has_their_ports_and_else_the_same_urls() {
        let urls = DatabaseUrls {
            owner: "postgres://o:p@127.0.0.1:1/pets".into(),
            app: "postgres://a:p@127.0.0.1:1/pets".into(),
        };
        let system = System::for_tests("amqp://u:p@127.0.0.1:2/sagaforge", vec![("pets", urls)]);
        let through = system.through(22, 11).unwrap();
        assert_eq!(through.amqp, "amqp://u:p@127.0.0.1:22/sagaforge");
        let urls = DatabaseUrls {
            owner: "postgres://o:p@127.0.0.1:11/pets".into(),
            app: "postgres://a:p@127.0.0.1:11/pets".into(),
        };
        assert_eq!(through.databases, [("pets", urls)]);
    }

    #[test]
    fn a_process_beside_postgresql_reaches_the_same_database_through_its_socket() {
        let url = at_socket("postgres://o:p@127.0.0.1:15432/pets", "/var/lib/x y").unwrap();
        let config: tokio_postgres::Config = url.parse().unwrap();
        assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Unix("/var/lib/x y".into())]);
        assert_eq!(
            (config.get_ports(), config.get_dbname(), config.get_user()),
            (&[15432][..], Some("pets"), Some("o"))
        );
    }

    #[test]
    fn each_process_gets_its_own_database_and_the_orchestrator_the_others_addresses() {
        let root = scratch("processes");
        let mut stack = Stack::open(Place::of(&root).unwrap(), "up").unwrap();
        for process in &ALL {
            let environment = system().environment(process, process.name, &mut stack).unwrap();
            let get = |key| environment.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
            assert_eq!(get("DATABASE_URL"), Some(format!("app of {}", process.database).as_str()));
            assert_eq!(get("DATABASE_OWNER_URL"), Some(format!("owner of {}", process.database).as_str()));
            assert_eq!(get("UUID_FORGE_SALT"), Some("salt"));
            let listen = format!("http://{}", get("LISTEN").unwrap());
            assert_eq!(url(&mut stack, process.name).unwrap(), listen);
            let others = get("SAGA_PROCESSES").map(|others| others.split(',').count());
            assert_eq!(others, (process.name == ORCHESTRATOR).then_some(3));
            let pets = (process.name == "inventory-service").then(|| url(&mut stack, "pet-service").unwrap());
            assert_eq!(get("PET_SERVICE_URL"), pets.as_deref());
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
