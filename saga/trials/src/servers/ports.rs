//! Ports that nobody else has: on the loopback, below the ephemeral range, none of them a server's default.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::{Trouble, secrets::write_private};

/// Where the search begins: above what services of a machine usually take.
const LOWEST: u16 = 20_000;

/// Ports that servers take unless told otherwise; never ours, even when free just now.
const DEFAULTS: [u16; 3] = [25_672, 27_017, 28_015];

/// The ports of one stack, by name; the same from start to start as long as nobody else took one.
#[derive(Debug)]
pub struct Ports {
    path: PathBuf,
    chosen: BTreeMap<String, u16>,
}

impl Ports {
    /// Opens the file at `path`, or starts an empty one.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let chosen = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, chosen }
    }

    /// A free port for `name`: the one it had, if that is still free, else another one.
    ///
    /// # Errors
    /// When no port is free, or the choice cannot be written down.
    pub fn free(&mut self, name: &str) -> Result<u16, Trouble> {
        if let Some(&port) = self.chosen.get(name)
            && is_free(port)
        {
            return Ok(port);
        }
        let port = self.search()?;
        self.chosen.insert(name.to_owned(), port);
        let text = serde_json::to_vec_pretty(&self.chosen).map_err(|error| Trouble::Unmet(error.to_string()))?;
        write_private(&self.path, &text)?;
        Ok(port)
    }

    /// The port that `name` has, in use or not; a free one if it has none yet.
    ///
    /// # Errors
    /// As [`Ports::free`].
    pub fn of(&mut self, name: &str) -> Result<u16, Trouble> {
        match self.chosen.get(name) {
            Some(&port) => Ok(port),
            None => self.free(name),
        }
    }

    /// Starts at a place of its own for each checkout, so that two that start at once rarely meet.
    fn search(&self) -> Result<u16, Trouble> {
        let highest = ephemeral_start().max(LOWEST + 1000);
        let width = u32::from(highest - LOWEST);
        let start = spread(&self.path) % width;
        (0..width)
            .filter_map(|step| u16::try_from(u32::from(LOWEST) + (start + step) % width).ok())
            .find(|port| !DEFAULTS.contains(port) && !self.chosen.values().any(|taken| taken == port) && is_free(*port))
            .ok_or_else(|| Trouble::Unmet(format!("no free loopback port between {LOWEST} and {highest}")))
    }
}

/// Whether nobody listens on that port of the loopback.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first port that the kernel may give to any outgoing connection.
fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next().and_then(|first| first.parse().ok()))
        .unwrap_or(32_768)
}

/// A number that differs from path to path (FNV-1a).
fn spread(path: &Path) -> u32 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(2_166_136_261, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("sagaforge-ports-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir.join("ports.json")
    }

    #[test]
    fn a_port_stays_until_somebody_takes_it() {
        let path = scratch("stays");
        let first = Ports::open(path.clone()).free("amqp").unwrap();
        assert_eq!(Ports::open(path.clone()).free("amqp").unwrap(), first);
        let thief = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let second = Ports::open(path.clone()).free("amqp").unwrap();
        assert_ne!(second, first);
        drop(thief);
        assert_eq!(Ports::open(path.clone()).free("amqp").unwrap(), second);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn no_two_names_share_a_port_and_none_is_ephemeral() {
        let path = scratch("names");
        let mut ports = Ports::open(path.clone());
        let chosen: Vec<u16> = (0..20).map(|n| ports.free(&format!("p{n}")).unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = chosen.iter().collect();
        assert_eq!(distinct.len(), 20);
        assert!(chosen.iter().all(|port| *port >= LOWEST && *port < ephemeral_start()));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
