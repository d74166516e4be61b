//! Where the server programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{
    Place, Trouble,
    apt::{self, Suite},
    given::Given,
    install, relocate,
};

/// RabbitMQ's own scripts (not a distribution's wrappers, which change the user), and the Erlang they run on.
#[derive(Debug, Clone)]
pub struct RabbitPrograms {
    /// The directory of `rabbitmq-server` and `rabbitmqctl`.
    pub bin: PathBuf,
    /// The directory of `erl` and `epmd`.
    pub erlang: PathBuf,
    libraries: Vec<PathBuf>,
}

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub struct PostgresPrograms {
    /// The directory of `postgres`, `initdb` and `psql`.
    pub bin: PathBuf,
    libraries: Vec<PathBuf>,
}

/// The programs of the servers that are to run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// RabbitMQ's; `None` when one is given that runs already.
    pub rabbitmq: Option<RabbitPrograms>,
    /// PostgreSQL's; `None` when one is given that runs already.
    pub postgres: Option<PostgresPrograms>,
}

/// The packages that hold the programs, by Debian's names.
const RABBITMQ: &str = "rabbitmq-server";
const POSTGRES: &str = "postgresql";

impl Programs {
    /// Finds the programs of `suite`, or fetches them: those on the machine; else unpacked from packages below
    /// `.dev/servers`; else installed by the package manager, with the services' own start prevented.
    ///
    /// `SAGA_SERVERS` (`machine`, `unpack` or `install`) allows one of the three ways alone.
    ///
    /// # Errors
    /// When none works; it says what to install.
    pub fn find(place: &Place, suite: Suite, given: &Given) -> Result<Self, Trouble> {
        let only = std::env::var("SAGA_SERVERS").unwrap_or_default();
        let may = |way: &str| only.is_empty() || only == way;
        let machine = suite == Suite::Machine && (may("machine") || may("install"));
        let search = Search { place, suite, machine, given };
        let mut tried = Vec::new();
        if !search.missing().is_empty() && (may("unpack") || suite == Suite::Trixie) {
            let unpacked = apt::unpack(place, suite, &search.missing());
            tried.extend(unpacked.err().map(|trouble| format!("unpacking packages: {trouble}")));
        }
        if !search.missing().is_empty() && may("install") && suite == Suite::Machine {
            let installed = install::install(&search.missing());
            tried.extend(installed.err().map(|trouble| format!("installing packages: {trouble}")));
        }
        if search.missing().is_empty() {
            let rabbitmq = search.rabbitmq().filter(|_| given.broker.is_none());
            let postgres = search.postgres().filter(|_| given.postgres.is_none());
            return Ok(Self { rabbitmq, postgres });
        }
        Err(none_found(&search.missing(), &tried))
    }
}

/// Where programs are looked for, and which.
struct Search<'a> {
    place: &'a Place,
    suite: Suite,
    machine: bool,
    given: &'a Given,
}

impl Search<'_> {
    fn rabbitmq(&self) -> Option<RabbitPrograms> {
        self.roots(RABBITMQ).find_map(|root| RabbitPrograms::below(&root))
    }

    fn postgres(&self) -> Option<PostgresPrograms> {
        self.roots(POSTGRES).find_map(|root| PostgresPrograms::below(&root))
    }

    fn roots(&self, package: &str) -> impl Iterator<Item = PathBuf> {
        let machine = self.machine.then(|| PathBuf::from("/"));
        machine.into_iter().chain([apt::root_of(self.place, self.suite, package)])
    }

    fn missing(&self) -> Vec<&'static str> {
        let broker = self.given.broker.is_none() && self.rabbitmq().is_none();
        let database = self.given.postgres.is_none() && self.postgres().is_none();
        [(RABBITMQ, broker), (POSTGRES, database)]
            .into_iter()
            .filter_map(|(name, missing)| missing.then_some(name))
            .collect()
    }
}

fn none_found(missing: &[&str], why: &[String]) -> Trouble {
    let packages = missing.join(" and ");
    let mut text = format!(
        "this machine has no {packages}.\n  Install with your package manager (Debian, Ubuntu: apt-get install {}), or\n  \
         give servers that run: SAGA_POSTGRES_URL, SAGA_AMQP_URL and SAGA_RABBITMQ_MANAGEMENT_URL, or\n  \
         use containers instead: docker compose up",
        missing.join(" ")
    );
    for reason in why {
        text.push_str("\nTried ");
        text.push_str(reason);
    }
    Trouble::Unmet(text)
}

impl RabbitPrograms {
    fn below(root: &Path) -> Option<Self> {
        let homes = children(&root.join("usr/lib/rabbitmq/lib")).into_iter().map(|home| home.join("sbin"));
        let bin = homes
            .chain(["opt/rabbitmq/sbin", "usr/local/lib/rabbitmq/sbin"].map(|dir| root.join(dir)))
            .find(|dir| dir.join("rabbitmq-server").is_file())?;
        let erlang =
            ["usr/lib/erlang/bin", "usr/lib64/erlang/bin", "usr/local/lib/erlang/bin", "usr/bin", "usr/local/bin"]
                .map(|dir| root.join(dir))
                .into_iter()
                .find(|dir| dir.join("erl").exists() && dir.join("epmd").exists())?;
        Some(Self { bin, erlang, libraries: relocate::libraries(root) })
    }

    /// One of RabbitMQ's scripts, with nothing of the caller's environment.
    #[must_use]
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.bin.join(script));
        clean(&mut command, &self.erlang, &self.libraries);
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// Erlang's port mapper, with nothing of the caller's environment.
    #[must_use]
    pub fn epmd(&self) -> Command {
        let mut command = Command::new(self.erlang.join("epmd"));
        clean(&mut command, &self.erlang, &self.libraries);
        command
    }
}

impl PostgresPrograms {
    fn below(root: &Path) -> Option<Self> {
        let debian = children(&root.join("usr/lib/postgresql")).into_iter().map(|version| version.join("bin"));
        let fedora = children(&root.join("usr")).into_iter().filter(|dir| dir.to_string_lossy().contains("/pgsql-"));
        let bin = debian
            .chain(fedora.map(|home| home.join("bin")))
            .chain(["usr/local/pgsql/bin", "usr/bin", "usr/local/bin"].map(|dir| root.join(dir)))
            .find(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file())?;
        Some(Self { bin, libraries: relocate::libraries(root) })
    }

    /// One of the programs, with nothing of the caller's environment.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        clean(&mut command, &self.bin, &self.libraries);
        command.env("LC_ALL", "C");
        command
    }
}

/// An environment of nothing but where to find programs and libraries.
fn clean(command: &mut Command, first: &Path, libraries: &[PathBuf]) {
    command.env_clear().env("PATH", search_path(first));
    if let (false, Ok(joined)) = (libraries.is_empty(), std::env::join_paths(libraries)) {
        command.env("LD_LIBRARY_PATH", joined);
    }
}

/// A `PATH` with `first` before the system's own directories.
fn search_path(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// The directories in `dir`, the highest version first; none when there is no such directory.
fn children(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        .unwrap_or_default();
    found.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    found
}

/// The numbers in a directory's name, so that 15 comes after 9.
fn version_of(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_is_taken_and_a_wrapper_is_not() {
        let root = std::env::temp_dir().join(format!("sagaforge-programs-{}", std::process::id()));
        let touch = |path: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for version in ["9", "15"] {
            touch(&format!("usr/lib/postgresql/{version}/bin/postgres"));
            touch(&format!("usr/lib/postgresql/{version}/bin/initdb"));
        }
        touch("usr/sbin/rabbitmq-server");
        touch("usr/bin/erl");
        touch("usr/bin/epmd");
        let rabbitmq = RabbitPrograms::below(&root);
        assert!(rabbitmq.is_none(), "the wrapper in usr/sbin changes the user: {rabbitmq:?}");
        assert_eq!(PostgresPrograms::below(&root).unwrap().bin, root.join("usr/lib/postgresql/15/bin"));
        touch("usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server");
        let rabbitmq = RabbitPrograms::below(&root).unwrap();
        assert_eq!(rabbitmq.bin, root.join("usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin"));
        assert_eq!(rabbitmq.erlang, root.join("usr/bin"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
