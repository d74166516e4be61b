//! A checkout of its own for a test that stops and kills servers.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use saga_trials::servers::apt::Suite;
use saga_trials::servers::place::make_dir;
use saga_trials::servers::programs::Programs;
use saga_trials::servers::{Given, Place, Stack};

/// The checkout, removed at the end, with everything that still runs in it.
pub(crate) struct Scratch {
    dir: PathBuf,
    name: &'static str,
}

impl Scratch {
    /// One for the test of this name.
    pub(crate) fn make(name: &'static str) -> Self {
        let dir = std::env::temp_dir().join(format!("sagaforge-{name}-{}", std::process::id()));
        make_dir(&dir, 0o755).unwrap();
        Self { dir, name }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        Place::of(&self.dir).unwrap()
    }

    /// Its servers and processes.
    pub(crate) fn stack(&self) -> Stack {
        Stack::open(self.place(), self.name).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.stack().started().for_each(|started| started.signal(Signal::KILL));
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// The programs that the real checkout has.
pub(crate) fn programs() -> Programs {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Programs::find(&Place::of(checkout).unwrap(), Suite::Machine, &Given::default()).unwrap()
}
