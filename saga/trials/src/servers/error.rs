//! What can go wrong with private servers, said to the person at the keyboard.

use std::io;
use std::path::Path;

/// Why a server could not be found, started, asked or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The file system or a child process refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, to what.
        doing: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed ({status}):\n{output}")]
    Program {
        /// The command line, without secrets.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A server was started, and did not answer in time or left again.
    #[error("{server} {what}. The end of {log}:\n{tail}")]
    NotReady {
        /// Which server.
        server: String,
        /// What it did instead.
        what: String,
        /// Where its log is.
        log: String,
        /// The last lines of that log.
        tail: String,
    },
    /// PostgreSQL answered with an error.
    #[error("PostgreSQL, {doing}: {source}")]
    Postgres {
        /// What was asked of it.
        doing: String,
        /// Its answer.
        source: tokio_postgres::Error,
    },
    /// RabbitMQ's management interface answered with an error, or not at all.
    #[error("RabbitMQ's management interface, {doing}: {why}")]
    Management {
        /// What was asked of it.
        doing: String,
        /// Its answer.
        why: String,
    },
    /// Something that the person has to put right.
    #[error("{0}")]
    Unmet(String),
}

impl Trouble {
    /// An [`Trouble::Io`] about `path`.
    pub(crate) fn at(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }

    /// A [`Trouble::Postgres`] while `doing`.
    pub(crate) fn sql(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Postgres { doing, source }
    }

    /// A [`Trouble::Management`] while `doing`.
    pub(crate) fn http(doing: impl Into<String>) -> impl FnOnce(reqwest::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Management { doing, why: error.without_url().to_string() }
    }
}
