//! The settings of inventory-service. The doc comments are the help text and the reference.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;
use saga_runtime::config::ProcessConfig;

/// Owns the supplies: sets them aside for orders, and counts the pets by their status.
#[derive(Debug, Clone, Parser)]
#[command(name = crate::NAME, version)]
pub struct Config {
    /// What every process has.
    #[command(flatten)]
    pub process: ProcessConfig,
    /// pet-service, whose feed of all pets the read model is rebuilt from, and verified against. Nothing else asks it.
    #[arg(long, env = "PET_SERVICE_URL", default_value = "http://127.0.0.1:8081")]
    pub pet_service_url: reqwest::Url,
}

impl Config {
    /// Where it listens unless told otherwise: on this machine only.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8083);

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.process.listen.unwrap_or(Self::LISTEN)
    }
}
