//! A saga without pets: a trip is a hotel room and a flight, or nothing.
//!
//! Orchestrator and both participants run in one process here; in life each has its own. It needs a
//! RabbitMQ vhost and a PostgreSQL database: `cargo run -p saga-runtime --example trip -- --help`.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::future::BoxFuture;
use idforge::id;
use saga_core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_core::{Binding, Body, Definition, Exchange, ExchangeType, Facts, FactsError, Ids, Kind, Message, MessageType};
use saga_core::{Payload, Queue, QueueType, Start, Step, Time, Timings, Topology, Undo};
use saga_runtime::config::ProcessConfig;
use saga_runtime::orchestrator::{self, Orchestrator};
use saga_runtime::{Effects, Handler, Process, ProcessError, Spec, StoreError, Transaction, Verdict};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// What all messages of this little world carry.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Trip {
    traveller: String,
    #[serde(default)]
    reason: String,
}

macro_rules! messages {
    ($($name:ident $kind:literal),*) => {$(
        #[derive(Serialize, Deserialize)]
        struct $name(Trip);
        impl Payload for $name {
            const TYPE: &'static str = $kind;
            const VERSION: u16 = 1;
        }
    )*};
}
messages!(Requested "TRIP_REQUESTED", Book "BOOK", Booked "BOOKED", Full "FULL", Cancel "CANCEL", Cancelled "CANCELLED");
messages!(Fly "FLY", Flying "FLYING", NoSeat "NO_SEAT", Stay "STAY", Stayed "STAYED");
