//! Replays of a running system, asked for and followed as an operator does; and one whose processes are killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use reqwest::{Client, RequestBuilder};
use rustix::process::Signal;
use saga_runtime::orchestrator::replay::Replay;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::invariants::Databases;
use crate::processes::{self, ORCHESTRATOR, System};
use crate::servers::programs::Programs;
use crate::servers::{Stack, Trouble, rabbitmq};

/// How long a replay may take.
const PATIENCE: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take until a queue says what it holds.
const COUNTS_WITHIN: Duration = Duration::from_secs(30);
/// How many messages are delivered and counted together, at most: so many may come twice after a crash.
const CHUNK: usize = 1_000;

/// An operator at an orchestrator.
pub struct Operator {
    http: Client,
    url: String,
    token: String,
}

impl Operator {
    /// One with this token, at the orchestrator that listens there.
    #[must_use]
    pub fn new(orchestrator: &str, token: &str) -> Self {
        Self { http: Client::new(), url: format!("{orchestrator}/admin/replays"), token: token.to_owned() }
    }

    /// Asks for a replay.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start(&self, plan: &Value) -> Result<Replay, Trouble> {
        told(self.http.post(&self.url).bearer_auth(&self.token).json(plan)).await
    }

    /// Looks at a replay, whose counters must add up.
    ///
    /// # Errors
    /// When the orchestrator does not answer.
    pub async fn look(&self, id: Uuid) -> Result<Replay, Trouble> {
        let replay: Replay = told(self.http.get(format!("{}/{id}", self.url))).await?;
        let c = replay.counters;
        if c.total == c.pending + c.done + c.failed + c.skipped {
            return Ok(replay);
        }
        Err(Trouble::Unmet(format!("a replay does not add up: {c:?}")))
    }

    /// Follows a replay to its end.
    ///
    /// # Errors
    /// When it stops before, or takes too long.
    pub async fn follow(&self, id: Uuid) -> Result<Replay, Trouble> {
        let began = Instant::now();
        loop {
            let replay = self.look(id).await?;
            match replay.state.as_str() {
                "finished" => return Ok(replay),
                "running" if began.elapsed() < PATIENCE => sleep(LOOK_EVERY).await,
                state => return Err(Trouble::Unmet(format!("a replay is {state}: {:?}", replay.trouble))),
            }
        }
    }
}

async fn told(request: RequestBuilder) -> Result<Replay, Trouble> {
    let failed = |error: reqwest::Error| Trouble::Unmet(format!("the orchestrator: {error}"));
    let answer = request.send().await.map_err(failed)?;
    if answer.status().is_success() {
        return answer.json().await.map_err(failed);
    }
    Err(Trouble::Unmet(format!("the orchestrator refused: {}", answer.text().await.map_err(failed)?)))
}

/// Who is killed in the middle of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The orchestrator.
    Orchestrator,
    /// RabbitMQ.
    Broker,
}

/// What came of a replay whose processes were killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survived {
    /// How many messages it had.
    pub messages: i64,
    /// How often somebody was killed.
    pub kills: usize,
    /// How many messages came a second time.
    pub copies: usize,
    /// From the first message to the last.
    pub took: Duration,
}

/// The queue that takes the messages.
const ARCHIVE: &str = "archive";

/// Writes history as pet-service would have sent it.
const HISTORY: &str = r#"
    INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
    SELECT (now() AT TIME ZONE 'UTC')::date, now(), ARRAY[id], ARRAY['PET_UPDATED'], ARRAY[NULL::uuid], ARRAY[convert_to(format(
        '{"specversion":"1.0","id":"%s","source":"pet-service","type":"PET_UPDATED","subject":"HISTORY","time":"%s",'
        '"datacontenttype":"application/json","schemaversion":1,"correlationid":"%s","data":{"n":%s}}',
        id, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), id, n), 'UTF8')]
    FROM generate_series(1, $1::bigint) n, LATERAL (SELECT md5('history ' || n)::uuid AS id) i"#;

/// Replays a history of so many messages into a queue, and kills one after the other of `victims`, the first after an
/// equal part, and so on. Whoever was killed is started again at once.
///
/// # Errors
/// When a message is lost, counters do not add up, or too many came twice.
pub async fn interrupted(
    stack: &mut Stack,
    programs: &Programs,
    system: &System,
    messages: i64,
    victims: &[Victim],
) -> Result<Survived, Trouble> {
    let databases = Databases::of(system).await?;
    databases.pets.execute(HISTORY, &[&messages]).await.map_err(Trouble::sql("making history"))?;
    declare(&system.amqp).await?;
    rabbitmq::written_down().await;
    let operator = Operator::new(&processes::url(stack, ORCHESTRATOR)?, &system.token);
    let plan = json!({ "source": "journals", "to": ARCHIVE, "where": ["subject=HISTORY"], "reason": "a trial" });
    let id = operator.start(&plan).await?.id;
    let began = Instant::now();
    for (n, victim) in (1..).zip(victims) {
        let part = messages * n / (i64::try_from(victims.len()).unwrap_or(i64::MAX) + 1);
        until_done(&databases, id, part, messages).await?;
        kill(stack, programs, system, *victim).await?;
    }
    let replay = operator.follow(id).await?;
    let took = began.elapsed();
    let c = replay.counters;
    if (c.done, c.failed, c.pending) != (messages, 0, 0) {
        return Err(Trouble::Unmet(format!("{messages} messages were replayed as {c:?}")));
    }
    let arrived = drain(&system.amqp, messages).await?;
    let different: BTreeSet<i64> = arrived.iter().copied().collect();
    let copies = arrived.len() - different.len();
    let lost = messages - i64::try_from(different.len()).unwrap_or_default();
    if lost != 0 || copies > victims.len() * CHUNK {
        return Err(Trouble::Unmet(format!("{lost} messages were lost, {copies} came twice")));
    }
    Ok(Survived { messages, kills: victims.len(), copies, took })
}

/// Waits until so many messages of a replay are done, of so many.
async fn until_done(databases: &Databases, id: Uuid, part: i64, all: i64) -> Result<(), Trouble> {
    let began = Instant::now();
    loop {
        let sql = "SELECT done FROM replays WHERE id = $1";
        let row = databases.sagas.query_one(sql, &[&id]).await.map_err(Trouble::sql("looking at a replay"))?;
        match row.get::<_, i64>(0) {
            done if done >= all => return Err(Trouble::Unmet("the replay was over before anybody was killed".into())),
            done if done >= part => return Ok(()),
            _ if began.elapsed() > PATIENCE => return Err(Trouble::Unmet("the replay does not go on".into())),
            _ => sleep(Duration::from_millis(2)).await,
        }
    }
}

async fn kill(stack: &mut Stack, programs: &Programs, system: &System, victim: Victim) -> Result<(), Trouble> {
    match victim {
        Victim::Orchestrator => {
            stack.stop(ORCHESTRATOR, Signal::KILL).await?;
            let process = processes::ALL.into_iter().find(|process| process.name == ORCHESTRATOR);
            let process = process.ok_or_else(|| Trouble::Unmet("there is no orchestrator".into()))?;
            processes::launch(&process, ORCHESTRATOR, stack, system)?;
            processes::wait(ORCHESTRATOR, stack).await
        }
        Victim::Broker => {
            stack.stop("rabbitmq", Signal::KILL).await?;
            stack.start(programs).await
        }
    }
}

fn failed(error: lapin::Error) -> Trouble {
    Trouble::Unmet(format!("RabbitMQ: {error}"))
}

async fn declare(amqp: &str) -> Result<(), Trouble> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(failed)?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(ARCHIVE.into(), options, arguments).await.map_err(failed)?;
    connection.close(0, "done".into()).await.map_err(failed)
}

/// Takes everything out of the queue, at least so many: the numbers of the messages.
async fn drain(amqp: &str, least: i64) -> Result<Vec<i64>, Trouble> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(failed)?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let began = Instant::now();
    let count = loop {
        let queue = channel.queue_declare(ARCHIVE.into(), passive, FieldTable::default()).await.map_err(failed)?;
        // A queue that is too busy to say what it holds is said to hold nothing.
        if i64::from(queue.message_count()) >= least || began.elapsed() > COUNTS_WITHIN {
            break queue.message_count();
        }
        sleep(LOOK_EVERY).await;
    };
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consuming = channel.basic_consume(ARCHIVE.into(), "".into(), options, FieldTable::default());
    let mut arriving = consuming.await.map_err(failed)?.take(count as usize);
    let mut numbers = Vec::new();
    while let Some(delivery) = arriving.try_next().await.map_err(failed)? {
        let body: Value = serde_json::from_slice(&delivery.data).map_err(|e| Trouble::Unmet(e.to_string()))?;
        numbers.push(body.pointer("/data/n").and_then(Value::as_i64).unwrap_or_default());
    }
    connection.close(0, "done".into()).await.map_err(failed)?;
    Ok(numbers)
}
