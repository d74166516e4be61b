//! `./dev test-env`: servers for tests, left running, and their environment for a shell.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::screen::say;
use saga_trials::servers::apt::Suite;
use saga_trials::tests::TestServers;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop them instead
    #[arg(long)]
    down: bool,
    /// The servers of that Debian release instead of the machine's
    #[arg(long)]
    debian: Option<Debian>,
}

/// Releases whose servers can be unpacked.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Debian {
    /// Debian 13: RabbitMQ 4.0, PostgreSQL 17
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

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut servers = TestServers::open(super::place()?, Debian::suite(arguments.debian))?;
    if arguments.down {
        let any = servers.stop().await?;
        say("down", if any { "the servers for tests are stopped" } else { "no servers for tests were running" });
        return Ok(ExitCode::SUCCESS);
    }
    servers.keep()?;
    super::print_exports(&servers.start().await?)?;
    Ok(ExitCode::SUCCESS)
}
