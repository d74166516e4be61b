//! The command `saga`: an HTTP client of the operator's API, for people and (with `--json`) for
//! programs. Data goes to standard output, everything else to standard error. Exit codes: 0 done,
//! 1 failed, 2 wrong usage.

mod broker;
mod client;
mod ids;
mod list;
mod parked;
mod publish;
mod rebuild;
mod replay;
mod run_order;
mod screen;
mod show;
mod stats;
mod topology;
mod verify;
mod words;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::serve::{self, ServeConfig};
pub use client::{Client, Failure};
pub use screen::{Timeline, Told};

/// Runs sagas, and shows and repeats what they do.
#[derive(Debug, Parser)]
#[command(name = "saga", version, after_help = "Example: saga run order --pet 12 --item FOOD-CAT-2KG=2")]
pub struct Arguments {
    #[command(flatten)]
    to: To,
    #[command(subcommand)]
    command: Command,
}

/// Where the processes are, and how to print.
#[derive(Debug, Clone, Args)]
pub struct To {
    /// The orchestrator.
    #[arg(
        long,
        value_name = "URL",
        env = "SAGA_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    pub saga_url: reqwest::Url,
    /// order-service, for `run order`.
    #[arg(
        long,
        value_name = "URL",
        env = "ORDER_SERVICE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8082",
        global = true
    )]
    pub order_service_url: reqwest::Url,
    /// The token of an operator, for whatever changes something.
    #[arg(long, env = "SAGA_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<saga_runtime::Secret>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the orchestrator
    Serve(Box<ServeConfig>),
    /// Start something and follow it to its end
    #[command(subcommand)]
    Run(Run),
    /// Find sagas, newest first
    List(list::Arguments),
    /// Show the story of one saga, by its id or the id of its order
    Show(show::Arguments),
    /// Count sagas by state and step
    Stats(stats::Arguments),
    /// Draw a definition from the code, as a Mermaid flowchart
    Diagram(show::DiagramArguments),
    /// Ask a saga to stop and undo
    Cancel(words::Cancel),
    /// Run a step again, as a new epoch
    Retry(words::Retry),
    /// Count a step as done, or as undone
    Skip(words::Skip),
    /// Publish a message, confirmed and routed
    Publish(publish::Arguments),
    /// Watch messages as they pass an exchange
    Tap(broker::Tap),
    /// See to messages that were set aside
    #[command(subcommand)]
    Parked(parked::Command),
    /// Deliver stored messages again, with the same ids
    #[command(subcommand)]
    Replay(replay::Command),
    /// Look at the queues: depth, consumers, differences; exit code 1 when there are any
    #[command(after_help = "Example: saga queues --json")]
    Queues,
    /// Refill a read model; the old figures are served meanwhile
    Rebuild(rebuild::Arguments),
    /// Compute ids, counts and read models again; exit code 1 when something disagrees
    #[command(after_help = "Example: saga verify --json")]
    Verify,
    /// Compute ids before they exist
    #[command(subcommand)]
    Ids(ids::Command),
    /// Print completions for a shell
    #[command(after_help = "Example: saga completions bash > /etc/bash_completion.d/saga")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// What the broker must hold
    #[command(subcommand)]
    Topology(topology::Command),
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Place an order and follow it to its end
    Order(run_order::Arguments),
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], to be shown to the person.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let to = arguments.to;
    match arguments.command {
        Command::Serve(config) => {
            saga_runtime::telemetry::init(config.process.log_json).map_err(Failure::other)?;
            let shutdown = saga_runtime::process::shutdown_signal().map_err(Failure::other)?;
            serve::serve(*config, shutdown).await.map_err(Failure::other)
        }
        Command::Run(Run::Order(arguments)) => run_order::run(&Client::new(to)?, arguments).await,
        Command::List(arguments) => list::run(&Client::new(to)?, arguments).await,
        Command::Show(arguments) => show::run(&Client::new(to)?, arguments).await,
        Command::Diagram(arguments) => show::diagram(&to, arguments).await,
        Command::Stats(arguments) => stats::run(&Client::new(to)?, arguments).await,
        Command::Tap(which) => broker::tap(&Client::new(to)?, which).await,
        Command::Queues => broker::queues(&Client::new(to)?).await,
        Command::Rebuild(arguments) => rebuild::run(&Client::new(to)?, arguments).await,
        Command::Verify => verify::run(&Client::new(to)?).await,
        Command::Ids(command) => ids::run(&to, command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "saga", &mut std::io::stdout());
            Ok(())
        }
        Command::Cancel(word) => words::cancel(&Client::new(to)?, word).await,
        Command::Retry(word) => words::retry(&Client::new(to)?, word).await,
        Command::Skip(word) => words::skip(&Client::new(to)?, word).await,
        Command::Publish(arguments) => publish::run(&Client::new(to)?, arguments).await,
        Command::Parked(command) => parked::run(&Client::new(to)?, command).await,
        Command::Replay(command) => replay::run(&Client::new(to)?, command).await,
        Command::Topology(command) => topology::run(command).await,
    }
}
