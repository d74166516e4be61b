//! How fast the machine is just now: a virtual one drifts, and only figures with the same anchor compare.

use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinSet;

use crate::servers::{Trouble, databases};

use super::figures::{Run, quantile};
use super::ground::Ground;

/// How long each is measured.
const FOR: Duration = Duration::from_secs(1);
const QUEUE: &str = "bench-anchor";

/// What the machine does with nothing of ours in the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Anchor {
    /// Commits of one small row a second, one connection.
    commits_1: f64,
    /// The same with eight connections.
    commits_8: f64,
    /// Milliseconds from publishing a persistent message to a quorum queue until its confirm, in the middle.
    confirm_ms: f64,
}

impl Anchor {
    /// Measures it.
    ///
    /// # Errors
    /// When a server refuses.
    pub(super) async fn measure(ground: &Ground) -> Result<Self, Trouble> {
        let url = format!("{}/postgres", ground.servers.postgres);
        let admin = databases::connect(&url).await?;
        let make = "DROP TABLE IF EXISTS anchor; CREATE TABLE anchor (id bigserial PRIMARY KEY, text text NOT NULL)";
        admin.batch_execute(make).await.map_err(Trouble::sql("making the anchor's table"))?;
        let (commits_1, commits_8) = (commits(&url, 1).await?, commits(&url, 8).await?);
        let confirm_ms = confirm(&ground.system.amqp).await.map_err(broker)?.as_secs_f64() * 1000.0;
        Ok(Self { commits_1, commits_8, confirm_ms })
    }

    /// Adds it to the figures of the run that follows it.
    pub(super) fn add_to(self, run: &mut Run) {
        run.set("anchor.commits_per_second_1", self.commits_1);
        run.set("anchor.commits_per_second_8", self.commits_8);
        run.set("anchor.confirm_ms", self.confirm_ms);
    }
}

fn broker(error: lapin::Error) -> Trouble {
    Trouble::Unmet(format!("RabbitMQ, measuring the anchor: {error}"))
}

/// Commits a second over so many connections.
async fn commits(url: &str, connections: usize) -> Result<f64, Trouble> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = databases::connect(url).await?;
        let insert = client.prepare("INSERT INTO anchor (text) VALUES (repeat('x', 400))").await;
        clients.push((client, insert.map_err(Trouble::sql("preparing the anchor"))?));
    }
    let (start, mut all) = (Instant::now(), JoinSet::new());
    for (client, insert) in clients {
        all.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < FOR {
                client.execute(&insert, &[]).await.map_err(Trouble::sql("committing a row"))?;
                count += 1;
            }
            Ok(count)
        });
    }
    let counts = all.join_all().await.into_iter().sum::<Result<u32, Trouble>>()?;
    Ok(f64::from(counts) / start.elapsed().as_secs_f64())
}

/// From publishing until the confirm, one message at a time, in the middle.
async fn confirm(amqp: &str) -> Result<Duration, lapin::Error> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < FOR {
        took.push(publish(&channel).await?);
    }
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    connection.close(200, "measured".into()).await?;
    took.sort_unstable();
    Ok(quantile(&took, 0.5))
}

async fn publish(channel: &Channel) -> Result<Duration, lapin::Error> {
    let start = Instant::now();
    let properties = BasicProperties::default().with_delivery_mode(2);
    #[expect(clippy::disallowed_methods, reason = "the anchor measures the broker without the relay")]
    let sent = channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), &[b'x'; 400], properties);
    sent.await?.await?;
    Ok(start.elapsed())
}
