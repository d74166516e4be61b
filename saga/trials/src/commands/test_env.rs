//! `./dev test-env`: servers for tests, left running, and their environment for a shell.

use std::path::Path;

use anyhow::Result;
use saga_trials::servers::{Place, apt::Suite};
use saga_trials::tests::TestServers;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop them instead.
    #[arg(long)]
    down: bool,
    /// The servers of that Debian release instead of the machine's.
    #[arg(long)]
    debian: Option<Debian>,
}

/// Releases whose servers can be unpacked.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Debian {
    /// Debian 13: RabbitMQ 4.0, PostgreSQL 17.
    Trixie,
}

impl Debian {
    /// The suite to take programs from.
    pub(crate) fn suite(chosen: Option<Self>) -> Suite {
        match chosen {
            Some(Self::Trixie) => Suite::Trixie,
            None => Suite::Machine,
        }
    }
}

#[expect(clippy::print_stdout, reason = "the environment is this command's output, for eval")]
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut servers = TestServers::open(Place::of(Path::new("."))?, Debian::suite(arguments.debian))?;
    if arguments.down {
        servers.stop().await?;
        return Ok(());
    }
    for (name, value) in servers.start().await? {
        println!("export {name}='{value}'");
    }
    Ok(())
}
