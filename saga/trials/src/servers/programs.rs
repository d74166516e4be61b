//! Where the server programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// RabbitMQ's own scripts (not a distribution's wrappers, which change the user), and the Erlang they run on.
#[derive(Debug, Clone)]
pub struct RabbitPrograms {
    /// The directory of `rabbitmq-server` and `rabbitmqctl`.
    pub bin: PathBuf,
    /// The directory of `erl` and `epmd`.
    pub erlang: PathBuf,
}

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub struct PostgresPrograms {
    /// The directory of `postgres`, `initdb` and `psql`.
    pub bin: PathBuf,
}

/// Both, and where they came from.
#[derive(Debug, Clone)]
pub struct Programs {
    /// RabbitMQ's.
    pub rabbitmq: RabbitPrograms,
    /// PostgreSQL's.
    pub postgres: PostgresPrograms,
}

impl Programs {
    /// What is below `root`: `/` for the machine, or a directory that packages were unpacked into.
    #[must_use]
    pub fn below(root: &Path) -> (Option<RabbitPrograms>, Option<PostgresPrograms>) {
        (RabbitPrograms::below(root), PostgresPrograms::below(root))
    }
}

impl RabbitPrograms {
    fn below(root: &Path) -> Option<Self> {
        let homes = children(&root.join("usr/lib/rabbitmq/lib"))
            .into_iter()
            .map(|home| home.join("sbin"));
        let bin = homes
            .chain(["opt/rabbitmq/sbin", "usr/local/lib/rabbitmq/sbin"].map(|dir| root.join(dir)))
            .find(|dir| dir.join("rabbitmq-server").is_file())?;
        let erlang = [
            "usr/lib/erlang/bin",
            "usr/lib64/erlang/bin",
            "usr/local/lib/erlang/bin",
            "usr/bin",
            "usr/local/bin",
        ]
        .map(|dir| root.join(dir))
        .into_iter()
        .find(|dir| dir.join("erl").exists() && dir.join("epmd").exists())?;
        Some(Self { bin, erlang })
    }
}

impl PostgresPrograms {
    fn below(root: &Path) -> Option<Self> {
        let debian = children(&root.join("usr/lib/postgresql"))
            .into_iter()
            .map(|version| version.join("bin"));
        let fedora = children(&root.join("usr"))
            .into_iter()
            .filter(|dir| dir.to_string_lossy().contains("/pgsql-"));
        let bin = debian
            .chain(fedora.map(|home| home.join("bin")))
            .chain(["usr/local/pgsql/bin", "usr/bin", "usr/local/bin"].map(|dir| root.join(dir)))
            .find(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file())?;
        Some(Self { bin })
    }

    /// The version, as `postgres --version` gives it ("15.18").
    #[must_use]
    pub fn version(&self) -> String {
        let printed = Command::new(self.bin.join("postgres"))
            .arg("--version")
            .output();
        let text = printed
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        text.split_whitespace()
            .nth(2)
            .unwrap_or("of unknown version")
            .to_owned()
    }
}

/// A `PATH` with `first` before the system's own directories.
#[must_use]
pub fn search_path(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// The directories in `dir`, the highest version first; none when there is no such directory.
fn children(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .collect()
        })
        .unwrap_or_default();
    found.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    found
}

/// The numbers in a directory's name, so that 15 comes after 9.
fn version_of(path: &Path) -> Vec<u32> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
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
        let (rabbitmq, postgres) = Programs::below(&root);
        assert!(
            rabbitmq.is_none(),
            "the wrapper in usr/sbin changes the user: {rabbitmq:?}"
        );
        assert_eq!(
            postgres.unwrap().bin,
            root.join("usr/lib/postgresql/15/bin")
        );
        touch("usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server");
        let rabbitmq = Programs::below(&root).0.unwrap();
        assert_eq!(
            rabbitmq.bin,
            root.join("usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin")
        );
        assert_eq!(rabbitmq.erlang, root.join("usr/bin"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
