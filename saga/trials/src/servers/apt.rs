//! Server programs from Debian's packages, fetched and unpacked below `.dev/`: no root, nothing installed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Place, Trouble, place::make_dir, process::run, relocate};
use crate::screen::{Line, say};

/// Which release of which distribution the packages are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// The machine's own: what it has is used, what it lacks is fetched.
    Machine,
    /// Debian 13, whole: RabbitMQ 4.0 and PostgreSQL 17, with every library that they need.
    Trixie,
}

/// What no server needs at run time although the packages depend on it; the largest of all downloads.
const NEEDLESS: [&str; 8] = ["libllvm", "libz3-", "perl", "libperl", "python3", "libpython3", "locales", "libc-l10n"];

/// Packages whose absence is pretended, so that a server is fetched whole even where one is installed.
const SERVERS: [&str; 3] = ["rabbitmq-server", "erlang-", "postgresql"];

/// A package to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    bytes: u64,
}

/// apt with directories of its own, so that it needs no right on the machine's.
#[derive(Debug)]
pub struct Apt {
    suite: Suite,
    dir: PathBuf,
}

impl Suite {
    /// Its name in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Trixie => "trixie",
        }
    }
}

/// Where the package of that name is, or would be, unpacked.
#[must_use]
pub fn root_of(place: &Place, suite: Suite, package: &str) -> PathBuf {
    place.reach.join("servers").join(suite.name()).join(package)
}

/// Fetches `packages` with all that they need and the machine lacks, and unpacks each into its [`root_of`].
///
/// # Errors
/// When there is no apt, no network, or no such package.
pub fn unpack(place: &Place, suite: Suite, packages: &[&str]) -> Result<(), Trouble> {
    let servers = place.reach.join("servers");
    make_dir(&servers, 0o755)?;
    make_dir(&servers.join(suite.name()), 0o755)?;
    let apt = Apt::in_dir(suite, servers.join(suite.name()).join("apt"))?;
    let wanted = apt.resolve_all(packages)?;
    let all: BTreeMap<&str, &Package> = wanted.values().flatten().map(|p| (p.name.as_str(), p)).collect();
    let megabytes = all.values().map(|package| package.bytes).sum::<u64>().div_ceil(1_000_000);
    let (count, names) = (all.len(), packages.join(" and "));
    say(
        "servers",
        &format!(
            "fetching {names}: {count} packages, {megabytes} MB, unpacked below .dev/servers; nothing is installed"
        ),
    );
    let line = Line::start("servers", format!("downloading {megabytes} MB"));
    apt.download(all.values().copied())?;
    line.now("unpacking");
    for (package, parts) in &wanted {
        apt.unpack_into(&root_of(place, suite, package), parts)?;
    }
    line.done(&format!("{names} unpacked"));
    fs::remove_dir_all(&apt.dir).map_err(Trouble::at("removing", &apt.dir))
}

impl Apt {
    fn in_dir(suite: Suite, dir: PathBuf) -> Result<Self, Trouble> {
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            make_dir(&dir.join(part), 0o755)?;
        }
        let status = match suite {
            Suite::Machine => without_servers(&fs::read_to_string("/var/lib/dpkg/status").unwrap_or_default()),
            Suite::Trixie => String::new(),
        };
        let sources =
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n";
        for (name, text) in [("status", status.as_str()), ("sources.list", sources)] {
            let path = dir.join(name);
            fs::write(&path, text).map_err(Trouble::at("writing", &path))?;
        }
        Ok(Self { suite, dir })
    }

    /// What each of `packages` needs; asks the network for fresh lists when the machine's do not know, or are old.
    fn resolve_all(&self, packages: &[&str]) -> Result<BTreeMap<String, Vec<Package>>, Trouble> {
        say("servers", &format!("fetching package lists (10 to 20 MB) to see what {} needs", packages.join(" and ")));
        let line = Line::start("servers", "reading package lists");
        let update = run(self.apt_get().arg("update"));
        let resolved =
            packages.iter().map(|name| self.resolve(name).map(|parts| ((*name).to_owned(), parts))).collect();
        line.done("package lists read");
        // A source that does not answer makes the update fail although the others have what we need.
        match (resolved, update) {
            (Err(_), Err(update)) => Err(update),
            (resolved, _) => resolved,
        }
    }

    fn resolve(&self, package: &str) -> Result<Vec<Package>, Trouble> {
        let arguments = ["install", "--print-uris", "--yes", "-qq", "--no-install-recommends", package];
        Ok(parse(&run(self.apt_get().args(arguments))?))
    }

    fn download<'a>(&self, packages: impl Iterator<Item = &'a Package>) -> Result<(), Trouble> {
        let mut command = self.apt_get();
        command.args(["-qq", "download"]).current_dir(self.dir.join("debs"));
        run(command.args(packages.map(|package| format!("{}={}", package.name, package.version)))).map(drop)
    }

    /// Unpacks beside the place and moves it there whole, so that an interruption leaves none.
    fn unpack_into(&self, root: &Path, packages: &[Package]) -> Result<(), Trouble> {
        let half = root.with_extension("new");
        if half.exists() {
            fs::remove_dir_all(&half).map_err(Trouble::at("removing", &half))?;
        }
        make_dir(&half, 0o755)?;
        let debs = self.dir.join("debs");
        let files = fs::read_dir(&debs).map_err(Trouble::at("reading", &debs))?;
        for file in files.filter_map(Result::ok).map(|file| file.path()) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if packages.iter().any(|package| name.starts_with(&format!("{}_", package.name))) {
                run(Command::new("dpkg").arg("-x").arg(&file).arg(&half))?;
            }
        }
        relocate::make_movable(&half)?;
        fs::rename(&half, root).map_err(Trouble::at("naming", root))
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let mut set = |option: &str, value: &Path| {
            let mut text = OsString::from(format!("{option}="));
            text.push(value);
            command.arg("-o").arg(text);
        };
        set("Dir::State::lists", &self.dir.join("lists"));
        set("Dir::State::status", &self.dir.join("status"));
        set("Dir::Cache", &self.dir.join("cache"));
        if self.suite == Suite::Trixie {
            set("Dir::Etc::sourcelist", &self.dir.join("sources.list"));
            set("Dir::Etc::sourceparts", Path::new("/dev/null"));
        }
        let options = ["Debug::NoLocking=true", "APT::Sandbox::User=root", "APT::Get::AllowUnauthenticated=false"];
        command.args(options.iter().flat_map(|option| ["-o", option])).args(["-o", "Acquire::Languages=none"]);
        command.args(["-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]);
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Reads lines of `'uri' name_version_arch.deb size hash`, without what no server needs.
fn parse(printed: &str) -> Vec<Package> {
    let package = |line: &str| {
        let mut fields = line.split_whitespace();
        let file = fields.nth(1)?;
        let bytes = fields.next()?.parse().ok()?;
        let mut parts = file.split('_');
        let (name, version) = (parts.next()?.to_owned(), parts.next()?.replace("%3a", ":"));
        Some(Package { name, version, bytes })
    };
    let needed = |package: &Package| !NEEDLESS.iter().any(|prefix| package.name.starts_with(prefix));
    printed.lines().filter_map(package).filter(needed).collect()
}

/// dpkg's list of what is installed, without the servers.
fn without_servers(status: &str) -> String {
    let is_server = |paragraph: &&str| {
        let name = paragraph.lines().find_map(|line| line.strip_prefix("Package: ")).unwrap_or_default();
        SERVERS.iter().any(|prefix| name.starts_with(prefix))
    };
    status.split_inclusive("\n\n").filter(|paragraph| !is_server(paragraph)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_prints_is_read_and_the_needless_left_out() {
        let printed = "'http://deb.example/e.deb' erlang-base_1%3a25.2.3+dfsg-1_amd64.deb 11425380 SHA256:00\n\
                       'http://deb.example/l.deb' libllvm14_14.0.6-12_amd64.deb 21800000 SHA256:00\n\n";
        let erlang = Package { name: "erlang-base".into(), version: "1:25.2.3+dfsg-1".into(), bytes: 11_425_380 };
        assert_eq!(parse(printed), [erlang]);
    }

    #[test]
    fn an_installed_server_is_forgotten_and_its_libraries_are_not() {
        let status = "Package: libc6\nStatus: ok\n\nPackage: erlang-base\nStatus: ok\n\nPackage: libpq5\n\n";
        assert_eq!(without_servers(status), "Package: libc6\nStatus: ok\n\nPackage: libpq5\n\n");
    }
}
