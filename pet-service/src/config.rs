//! The settings of pet-service. The doc comments are the help text and the reference.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;
use saga_runtime::config::ProcessConfig;

/// Owns the pets: the catalogue over HTTP, and their reservation and sale for orders.
#[derive(Debug, Clone, Parser)]
#[command(name = "pet-service", version)]
pub struct Config {
    /// What every process needs.
    #[command(flatten)]
    pub process: ProcessConfig,
}

impl Config {
    /// Where it listens unless told otherwise: on this machine only.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.process.listen.unwrap_or(Self::LISTEN)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_says_what_it_is() {
        let command = Config::command();
        command.clone().debug_assert();
        assert_eq!(command.get_name(), "pet-service");
        assert!(command.get_about().is_some());
    }

    #[test]
    fn nobody_outside_reaches_it_unless_told_so() {
        assert!(Config::LISTEN.ip().is_loopback());
        assert_eq!(Config::LISTEN.port(), 8081);
    }
}
