//! The sub-commands, one file each.

mod batch;
mod check;
mod extract;
mod generate;
mod new_salt;
mod settings;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use thiserror::Error;

/// What the command can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Forge one id and print it
    Generate(generate::Generate),
    /// Forge an id for each line of JSON on standard input
    Batch(batch::Batch),
    /// Check a file of vectors: ids that uuid-forge made
    Verify(verify::Verify),
    /// Print the id inside a prefixed id
    Extract(extract::Extract),
    /// Make a random salt
    NewSalt(new_salt::NewSalt),
    /// Check whether namespace and salt are fit for use
    Validate(check::Validate),
    /// Show the configuration, without the salt
    Info(check::Info),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Command::Generate(generate) => generate.run(),
            Command::Batch(batch) => batch.run(),
            Command::Verify(verify) => verify.run(),
            Command::Extract(extract) => extract.run(),
            Command::NewSalt(new_salt) => new_salt.run(),
            Command::Validate(validate) => validate.run(),
            Command::Info(info) => info.run(),
        }
    }
}

/// Why a command failed, for the person at the terminal.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refused(#[from] idforge::Error),
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} exists already; --force replaces it, and every id made with its salt changes", .0.display())]
    Exists(PathBuf),
    #[error("the system gave no random bytes: {0}")]
    NoRandomness(getrandom::Error),
    #[error("cannot read or write: {0}")]
    Stream(#[from] io::Error),
}

impl Failure {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Failure::File { doing, path: path.to_owned(), source }
    }

    /// Whether whoever read our output went away, as `head` does: no failure of ours.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Success or failure, as an exit code.
fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
