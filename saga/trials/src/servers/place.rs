//! Where everything is: the checkout, its `.dev/`, and the user that servers run as.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Trouble;

/// An unprivileged account of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its login name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its primary group's id.
    pub gid: u32,
}

/// The directories of one checkout.
#[derive(Debug, Clone)]
pub struct Place {
    /// The checkout.
    pub root: PathBuf,
    /// Its `.dev/`: state, logs, secrets.
    pub dev: PathBuf,
    /// Where servers keep programs and data: `.dev/`, or, when root's servers run as an account that cannot
    /// reach it, a directory of the checkout's own below `/var/lib/sagaforge`.
    pub reach: PathBuf,
    /// Whom the servers run as; `None`: whoever we are.
    pub account: Option<Account>,
}

impl Place {
    /// Looks around in the checkout at `root`, and makes the directories.
    ///
    /// # Errors
    /// When they cannot be made, or we are root and there is no unprivileged account to drop to.
    pub fn of(root: &Path) -> Result<Self, Trouble> {
        let root = root.canonicalize().map_err(Trouble::at("looking for the checkout", root))?;
        let dev = root.join(".dev");
        make_dir(&dev, 0o711)?;
        let account = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        let reach = match &account {
            Some(account) if !reachable(&dev, account) => elsewhere(&dev)?,
            _ => dev.clone(),
        };
        make_dir(&dev.join("logs"), 0o711)?;
        Ok(Self { root, dev, reach, account })
    }

    /// Makes a directory that belongs to the servers' account, for its eyes alone.
    ///
    /// # Errors
    /// When it cannot be made or given away.
    pub fn servers_dir(&self, path: &Path) -> Result<(), Trouble> {
        make_dir(path, 0o700)?;
        self.give(path)
    }

    /// Gives a file or directory to the servers' account.
    ///
    /// # Errors
    /// When it cannot be given away.
    pub fn give(&self, path: &Path) -> Result<(), Trouble> {
        match &self.account {
            Some(account) => std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
                .map_err(Trouble::at("giving away", path)),
            None => Ok(()),
        }
    }
}

/// Makes a directory, and those above it, with that mode; one that is there keeps its content.
///
/// # Errors
/// When it cannot be made, or belongs to another user.
pub fn make_dir(path: &Path, mode: u32) -> Result<(), Trouble> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(Trouble::at("making the directory", path))
}

/// The account that root's servers run as: the machine's `postgres`, else `nobody`.
fn unprivileged() -> Result<Account, Trouble> {
    let path = Path::new("/etc/passwd");
    let text = fs::read_to_string(path).map_err(Trouble::at("reading", path))?;
    ["postgres", "nobody"].iter().find_map(|name| account_in(&text, name)).ok_or_else(|| {
        Trouble::Unmet("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody. Run ./dev as an ordinary user.".into())
    })
}

fn account_in(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [login, _, uid, gid, ..] if *login == name => {
                Some(Account { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
            }
            _ => None,
        }
    })
}

/// Whether the account may pass through every directory down to `path`.
fn reachable(path: &Path, account: &Account) -> bool {
    path.ancestors().all(|dir| {
        fs::metadata(dir).is_ok_and(|meta| {
            let execute = match (meta.uid() == account.uid, meta.gid() == account.gid) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            meta.mode() & execute != 0
        })
    })
}

/// A directory for this checkout alone, below one that root alone can write; `.dev/servers-data` leads there.
fn elsewhere(dev: &Path) -> Result<PathBuf, Trouble> {
    let name = dev.to_string_lossy().replace(['/', '.'], "-");
    let reach = Path::new("/var/lib/sagaforge").join(name.trim_matches('-'));
    let link = dev.join("servers-data");
    let is_new = fs::symlink_metadata(&link).is_err();
    if is_new && reach.exists() {
        // `.dev/` was removed, and with it the passwords of what is there.
        fs::remove_dir_all(&reach).map_err(Trouble::at("removing", &reach))?;
    }
    make_dir(Path::new("/var/lib/sagaforge"), 0o711)?;
    make_dir(&reach, 0o711)?;
    if is_new {
        std::os::unix::fs::symlink(&reach, &link).map_err(Trouble::at("linking", &link))?;
    }
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn an_account_is_read_from_the_password_file() {
        let nobody = Account { name: "nobody".into(), uid: 65_534, gid: 65_533 };
        assert_eq!(account_in(PASSWD, "nobody"), Some(nobody));
        assert_eq!(account_in(PASSWD, "postgres"), None);
    }

    #[test]
    fn a_closed_directory_on_the_way_is_seen() {
        let stranger = Account { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000 };
        let top = std::env::temp_dir().join(format!("sagaforge-place-{}", std::process::id()));
        let inner = top.join("inner");
        make_dir(&top, 0o711).unwrap();
        make_dir(&inner, 0o711).unwrap();
        assert!(reachable(&inner, &stranger));
        make_dir(&top, 0o700).unwrap();
        assert!(!reachable(&inner, &stranger));
        fs::remove_dir_all(top).unwrap();
    }
}
