//! One vhost for one test at a time, between threads and between processes.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Trouble;

/// How long a test waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(180);

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

    fn of_free(vhosts: &[String], locks: &Path) -> Result<Option<Self>, Trouble> {
        let start = first_try();
        for n in 0..vhosts.len() {
            let vhost = &vhosts[(start + n) % vhosts.len()];
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

/// Spreads processes and threads over the vhosts, so that few meet.
fn first_try() -> usize {
    static CLAIMS: AtomicUsize = AtomicUsize::new(0);
    let process = usize::try_from(std::process::id()).unwrap_or_default();
    process.wrapping_mul(7).wrapping_add(CLAIMS.fetch_add(1, Ordering::Relaxed))
}
