//! One vhost for one test at a time, between threads and between processes.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Trouble;

/// How long a test waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long nobody tries a vhost again that could not be emptied.
const OUT_OF_USE: Duration = Duration::from_secs(3600);

/// A vhost that nobody else can claim until this is dropped, or its process is gone.
#[derive(Debug)]
pub(super) struct Claim {
    /// The vhost's name.
    pub(super) vhost: String,
    // The kernel gives the lock back with the file.
    _lock: File,
}

impl Claim {
    /// Claims one of `vhosts`, waiting for one to be free.
    pub(super) async fn of(vhosts: &[String], locks: &Path) -> Result<Self, Trouble> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(claim) = Self::of_free(vhosts, locks)? {
                return Ok(claim);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("all {} vhosts were claimed for {PATIENCE:?}", vhosts.len()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes the vhost out of use for an hour: the broker cannot empty it. (A stream that is deleted
    /// while it is being made can hang in RabbitMQ 3.10 until the broker starts anew.)
    pub(super) fn give_up(self, locks: &Path, why: &Trouble) -> Result<(), Trouble> {
        Ok(std::fs::write(out_of_use(locks, &self.vhost), why.to_string())?)
    }

    fn of_free(vhosts: &[String], locks: &Path) -> Result<Option<Self>, Trouble> {
        let start = first_try();
        for n in 0..vhosts.len() {
            let vhost = &vhosts[(start + n) % vhosts.len()];
            if is_fresh(&out_of_use(locks, vhost)) {
                continue;
            }
            let path = locks.join(format!("{vhost}.lock"));
            let lock = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(|error| format!("{} cannot be opened: {error}", path.display()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Self { vhost: vhost.clone(), _lock: lock })),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

fn out_of_use(locks: &Path, vhost: &str) -> PathBuf {
    locks.join(format!("{vhost}.out-of-use"))
}

/// Whether the file is there, and not older than a vhost is out of use.
fn is_fresh(path: &Path) -> bool {
    let age = path.metadata().and_then(|file| file.modified()).map(|written| written.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age < OUT_OF_USE)
}

/// Spreads processes and threads over the vhosts, so that few meet.
fn first_try() -> usize {
    static CLAIMS: AtomicUsize = AtomicUsize::new(0);
    let process = usize::try_from(std::process::id()).unwrap_or_default();
    process.wrapping_mul(7).wrapping_add(CLAIMS.fetch_add(1, Ordering::Relaxed))
}
