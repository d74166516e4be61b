//! A saga without pets: a trip is a room and a seat, or neither.
//!
//! Orchestrator and participant share one process here; in life each has its own. It needs a vhost
//! of RabbitMQ and a database: see `cargo run -p saga-runtime --example trip -- --help`.

use std::sync::Arc;

use clap::{Args, FromArgMatches};
use idforge::id;
use saga_core::effect::{EffectState, OnDo, OnUndo};
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
pub const STEPS: &[Step] = &[
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
            let asked: Vec<Result<Asked<'_>, Verdict>> = batch.iter().map(|message| Asked::read(message)).collect();
            let mut effects = Effects::lock(tx, asked.iter().flatten().map(|asked| asked.step)).await?;
            let answers = Answers { ids: &self.0, source: "trips", now };
            let decide =
                |asked: Result<Asked<'_>, _>| asked.map_or_else(|no| no, |it| it.decide(&mut effects, answers));
            let verdicts = asked.into_iter().map(decide).collect();
            Ok(Decided::new(verdicts, effects.writes(now)))
        })
    }
}

/// What a message asks of the agency, and how it is answered: yes and no.
struct Asked<'a> {
    step: StepRequest<'a>,
    done: &'static str,
    refused: &'static str,
}

impl<'a> Asked<'a> {
    fn read(message: &'a Message) -> Result<Self, Verdict> {
        let (step, done, refused) = match message.kind.as_str() {
            "BOOK_ROOM" => (StepRequest::to_do(message, "room"), "ROOM_BOOKED", "ROOM_REFUSED"),
            "CANCEL_ROOM" => (StepRequest::to_undo(message, "room"), "ROOM_CANCELLED", ""),
            "BOOK_SEAT" => (StepRequest::to_do(message, "seat"), "SEAT_BOOKED", "SEAT_REFUSED"),
            "CANCEL_SEAT" => (StepRequest::to_undo(message, "seat"), "SEAT_CANCELLED", ""),
            "SEND_TICKETS" => (StepRequest::to_do(message, "tickets"), "TICKETS_SENT", ""),
            other => return Err(Verdict::Park { reason: "not_for_us", detail: other.to_owned() }),
        };
        Ok(Self { step: step?, done, refused })
    }

    fn decide(self, effects: &mut Effects, answers: Answers<'_>) -> Verdict {
        let Self { step, done, refused } = self;
        let subject = &step.message.subject;
        let full = step.step == "seat" && subject.contains("full");
        let (state, kind) = match step.direction {
            Direction::Do => match effects.on_do(step) {
                OnDo::AnswerAgain(answer) => return Verdict::answer_again(answer),
                OnDo::RefuseCancelled => (None, refused),
                OnDo::Perform if full => (Some(EffectState::Refused), refused),
                OnDo::Perform => (Some(EffectState::Done), done),
            },
            Direction::Undo => match effects.on_undo(step) {
                OnUndo::AnswerAgain(answer) => return Verdict::answer_again(answer),
                OnUndo::Stale => (None, done),
                OnUndo::Bury | OnUndo::Revert => (Some(EffectState::Undone), done),
            },
        };
        let body = Body { kind, version: 1, data: serde_json::json!({ "reason": "fully booked" }) };
        let answer = answers.to(step, subject, body, None);
        match state {
            Some(state) => effects.settle(step, state, answer),
            None => Verdict::send(vec![answer]),
        }
    }
}

/// The saga, with how its id is computed and its pivot decided.
pub fn trip(ids: Ids) -> Result<Definition, DefinitionError> {
    let id = move |start: &Message| Ok(id!(ids.sagas(), "trip", subject = start.subject.as_str()));
    let saga = Definition::new("trip", 1, "TRIP_REQUESTED", STEPS, id)?;
    Ok(saga.pass_pivot_when(|_| Ok(true)))
}

/// The whole process, ready to be served.
pub fn trips(config: config::ProcessConfig) -> Result<Process, Box<dyn std::error::Error>> {
    let spec = Spec { name: "trips", version: "1", topology: &TOPOLOGY, migrations: orchestrator::migrations() };
    let mut process = Process::new(spec, config)?;
    let ids = process.ids();
    let saga = trip(ids.clone())?;
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
