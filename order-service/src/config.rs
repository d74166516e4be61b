//! The settings of order-service. The doc comments are the help text.

use std::time::Duration;

use clap::Parser;
use saga_runtime::config::{ProcessConfig, parse_duration, parse_switch};

/// Orders of the pet store: takes requests, has their sagas run, and tells clients what came of them.
#[derive(Debug, Clone, Parser)]
#[command(name = crate::NAME, version)]
pub struct Config {
    /// What every process has.
    #[command(flatten)]
    pub process: ProcessConfig,
    /// How long a client waits at most for the outcome of its request; then it is answered 202. Less than
    /// `HTTP_TIMEOUT`.
    #[arg(long, env = "ORDER_WAIT", default_value = "5s", value_parser = parse_duration)]
    pub order_wait: Duration,
    /// How many clients may wait at once; a further one is answered 503, unless its answer is there already.
    #[arg(long, env = "ORDER_WAITERS", default_value_t = 800)]
    pub order_waiters: usize,
    /// Whether requests set out in waves: fewer than are under way wait for those, for some 100 ms at most. `off` where
    /// machines are so large that a short wait counts for more than what they have to do.
    #[arg(long, env = "ORDER_WAVES", default_value = "on", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub order_waves: bool,
}
