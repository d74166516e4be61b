//! `./dev test-env`: servers for tests, left running, and their environment for a shell.

use std::path::Path;

use anyhow::Result;
use saga_trials::servers::{Place, Stack};
use saga_trials::tests::TestServers;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop them instead.
    #[arg(long)]
    down: bool,
}

#[expect(
    clippy::print_stdout,
    reason = "the environment is this command's output, for eval"
)]
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let stack = Stack::open(Place::of(Path::new("."))?, "test")?;
    let mut servers = TestServers::of(stack);
    if arguments.down {
        servers.stop().await?;
        return Ok(());
    }
    for (name, value) in servers.start().await? {
        println!("export {name}='{value}'");
    }
    Ok(())
}
