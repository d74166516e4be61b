//! A saga without pets: a trip is a room and a seat, or neither.
//!
//! Orchestrator and participant share one process here; in life each has its own. It needs a vhost
//! of RabbitMQ and a database: see `cargo run -p saga-runtime --example trip -- --help`.

use std::sync::Arc;

use clap::{Args, FromArgMatches};
use idforge::id;
use saga_core::effect::{Effect, EffectState, OnDo, OnUndo, on_do, on_undo};
use saga_core::*;
use saga_runtime::orchestrator::{self, Orchestrator, wake_always};
use saga_runtime::*;
use tokio_util::sync::CancellationToken;

const AGENCY: Binding = Binding { exchange: "trips", key: "agency" };
const TRIPS: Binding = Binding { exchange: "trips", key: "trips" };

/// The exchanges, the queues of the participant and of the orchestrator, and every type of message.
#[rustfmt::skip]
pub const TOPOLOGY: Topology = Topology {
    exchanges: &[Exchange { name: "trips", kind: ExchangeType::Direct }, Exchange { name: "dead-letters", kind: ExchangeType::Topic }],
    queues: &[queue("agency", &[AGENCY]), queue("trips", &[TRIPS])],
    types: &[
        message("BOOK_ROOM", "agency"), message("CANCEL_ROOM", "agency"), message("BOOK_SEAT", "agency"),
        message("CANCEL_SEAT", "agency"), message("SEND_TICKETS", "agency"), message("TRIP_REQUESTED", "trips"),
        message("ROOM_BOOKED", "trips"), message("ROOM_REFUSED", "trips"), message("ROOM_CANCELLED", "trips"),
        message("SEAT_BOOKED", "trips"), message("SEAT_REFUSED", "trips"), message("SEAT_CANCELLED", "trips"),
        message("TICKETS_SENT", "trips"), message("SAGA_PREPARED", ""), message("SAGA_COMPLETED", ""),
        message("SAGA_REJECTED", ""), message("SAGA_CANCELLED", ""), message("SAGA_NEEDS_INTERVENTION", ""),
    ],
};

const fn queue(name: &'static str, bindings: &'static [Binding]) -> Queue {
    Queue { name, kind: QueueType::Quorum, consumer: "trips", bindings }
}

const fn message(name: &'static str, key: &'static str) -> MessageType {
    let must_be_taken = !key.is_empty();
    MessageType { name, version: 1, source: "trips", exchange: "trips", key, must_be_taken, check: |_| Ok(()) }
}

/// The saga: room, then seat, then there is no way back, then the tickets.
#[rustfmt::skip]
const STEPS: &[Step] = &[
    Step { name: "room", kind: Kind::Compensatable, condition: None,
           start: Start::Command { kind: "BOOK_ROOM", queue: "agency", data: |f| body("BOOK_ROOM", f) },
           done: "ROOM_BOOKED", refused: Some("ROOM_REFUSED"),
           undo: Some(Undo { kind: "CANCEL_ROOM", queue: "agency", data: |f| body("CANCEL_ROOM", f), undone: &["ROOM_CANCELLED"] }) },
    Step { name: "seat", kind: Kind::Compensatable, condition: None,
           start: Start::Command { kind: "BOOK_SEAT", queue: "agency", data: |f| body("BOOK_SEAT", f) },
           done: "SEAT_BOOKED", refused: Some("SEAT_REFUSED"),
           undo: Some(Undo { kind: "CANCEL_SEAT", queue: "agency", data: |f| body("CANCEL_SEAT", f), undone: &["SEAT_CANCELLED"] }) },
    Step { name: "go", kind: Kind::Pivot, condition: None, start: Start::Wait, done: "TRIP_GRANTED", refused: None, undo: None },
    Step { name: "tickets", kind: Kind::Retriable, condition: None,
           start: Start::Command { kind: "SEND_TICKETS", queue: "agency", data: |f| body("SEND_TICKETS", f) },
           done: "TICKETS_SENT", refused: None, undo: None },
];

fn body(kind: &'static str, facts: &Facts<'_>) -> Result<Body, FactsError> {
    Ok(Body { kind, version: 1, data: facts.start_data().clone() })
}

/// The participant. The gate lets nothing happen twice, and nothing after it was undone.
struct Agency(Ids);

impl Handler for Agency {
    fn handle<'a>(&'a self, tx: &'a Transaction<'a>, batch: &'a [&'a Message], now: Time) -> Handling<'a> {
        Box::pin(async move {
            let keys = batch.iter().filter_map(|m| Some((m.saga_id?, meaning(&m.kind)?.1)));
            let mut effects = Effects::lock(tx, keys).await?;
            let verdicts = batch.iter().map(|message| self.on_message(message, &mut effects, now)).collect();
            Ok(Decided::new(verdicts, effects.writes(now)))
        })
    }
}

impl Agency {
    fn on_message(&self, message: &Message, effects: &mut Effects, now: Time) -> Verdict {
        let (Some(saga), Some((direction, step, done, refused))) = (message.saga_id, meaning(&message.kind)) else {
            return Verdict::Park { reason: "not_for_us", detail: message.kind.clone() };
        };
        let full = step == "seat" && message.subject.contains("full");
        let (epoch, remembered) = (message.epoch, effects.get(saga, step));
        let (state, answer) = match direction {
            Direction::Do => match on_do(remembered, epoch) {
                OnDo::AnswerAgain(answer) => return Verdict::answer_again(answer),
                OnDo::RefuseCancelled => (None, refused),
                OnDo::Perform if full => (Some(EffectState::Refused), refused),
                OnDo::Perform => (Some(EffectState::Done), done),
            },
            Direction::Undo => match on_undo(remembered, epoch) {
                OnUndo::AnswerAgain(answer) => return Verdict::answer_again(answer),
                OnUndo::Stale => (None, done),
                OnUndo::Bury | OnUndo::Revert => (Some(EffectState::Undone), done),
            },
        };
        let body = Body { kind: answer, version: 1, data: serde_json::json!({ "reason": "fully booked" }) };
        let id = self.0.event_caused(message.id, answer);
        let answer = Message::caused_by(message, id, "trips", &message.subject, body, now).for_step(step, epoch);
        if let Some(state) = state {
            effects.set(saga, step, Effect { epoch, state, answer: answer.reference() });
        }
        Verdict::send(vec![answer])
    }
}

/// What a command asks for, of which step, and how it is answered: yes and no.
fn meaning(kind: &str) -> Option<(Direction, &'static str, &'static str, &'static str)> {
    match kind {
        "BOOK_ROOM" => Some((Direction::Do, "room", "ROOM_BOOKED", "ROOM_REFUSED")),
        "CANCEL_ROOM" => Some((Direction::Undo, "room", "ROOM_CANCELLED", "")),
        "BOOK_SEAT" => Some((Direction::Do, "seat", "SEAT_BOOKED", "SEAT_REFUSED")),
        "CANCEL_SEAT" => Some((Direction::Undo, "seat", "SEAT_CANCELLED", "")),
        "SEND_TICKETS" => Some((Direction::Do, "tickets", "TICKETS_SENT", "")),
        _ => None,
    }
}

/// The whole process, ready to be served.
pub fn trips(config: config::ProcessConfig) -> Result<Process, Box<dyn std::error::Error>> {
    let spec = Spec { name: "trips", version: "1", topology: &TOPOLOGY, migrations: orchestrator::migrations() };
    let mut process = Process::new(spec, config)?;
    let ids = process.ids();
    let saga = Definition::new("trip", 1, "TRIP_REQUESTED", STEPS, {
        let ids = ids.clone();
        move |start| Ok(id!(ids.sagas(), "trip", subject = start.subject.as_str()))
    })?;
    let saga = saga.pass_pivot_when(|_| Ok(true));
    let sagas = Arc::new(Orchestrator::new(vec![saga], &ids, Timings::default(), process.metrics()));
    process.consume("agency", Arc::new(Agency(ids)));
    process.consume("trips", sagas.clone());
    let (writer, broker) = (process.writer(), process.broker());
    process.background("alarms", |stop| wake_always(sagas, writer, broker, stop));
    Ok(process)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let arguments = config::ProcessConfig::augment_args(clap::Command::new("trip")).get_matches();
    let process = trips(config::ProcessConfig::from_arg_matches(&arguments)?)?;
    Ok(process.serve(listener, axum::Router::new(), CancellationToken::new()).await?)
}
