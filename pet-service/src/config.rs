//! The settings of pet-service. The doc comments are the help text and the reference.

use std::net::{Ipv4Addr, SocketAddr};

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
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.process.listen.unwrap_or(Self::LISTEN)
    }
}
