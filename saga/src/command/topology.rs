//! `saga topology`.

use clap::{Args, Subcommand};
use saga_contract::{TOPOLOGY, processes};
use saga_runtime::Secret;
use saga_runtime::broker::Broker;
use saga_runtime::broker::topology::Options;

use super::Failure;

/// What the broker must hold.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Declare every exchange, queue and binding, for set-ups where the processes may not
    #[command(after_help = "Example: AMQP_URL=amqp://admin:secret@host/sagaforge saga topology declare")]
    Declare(Declare),
}

/// Where to declare.
#[derive(Debug, Args)]
pub(super) struct Declare {
    /// RabbitMQ, with a user who may declare
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    amqp_url: Secret,
    /// Leave out the stream of all events
    #[arg(long)]
    no_event_stream: bool,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Declare(Declare { amqp_url, no_event_stream }) = command;
    let options = Options { passive: false, event_stream: !no_event_stream };
    let broker = Broker::new(&amqp_url, processes::SAGA, &TOPOLOGY, options).map_err(Failure::other)?;
    broker.declare().await.map_err(Failure::other)?;
    let queues = TOPOLOGY.queues.len() - usize::from(no_event_stream);
    eprintln!("declared {} exchanges and {queues} queues with their bindings", TOPOLOGY.exchanges.len());
    Ok(())
}
