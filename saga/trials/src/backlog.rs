//! How fast a process publishes what lies in its outbox: a little of it, and very much.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::demo::shop::metric;
use crate::invariants::Databases;
use crate::processes::{self, Process, System};
use crate::screen::{Line, print};
use crate::servers::programs::Programs;
use crate::servers::{Given, Place, Stack, Trouble};

/// A little, and very much.
const SIZES: [i64; 2] = [10_000, 1_000_000];
/// How long the larger one may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What counts the published.
const PUBLISHED: &str = "messaging_client_sent_messages_total";

/// Messages that only the stream takes, committed by a process that is gone.
const FILL: &str = r#"
    WITH made AS (
        INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
        SELECT (at AT TIME ZONE 'UTC')::date, at, ARRAY[id], ARRAY['STOCK_SET'], ARRAY[NULL::uuid], ARRAY[convert_to(format(
            '{"specversion":"1.0","id":"%s","source":"inventory-service","type":"STOCK_SET","subject":"BACKLOG",'
            '"time":"%s","datacontenttype":"application/json","schemaversion":1,"correlationid":"%s",'
            '"data":{"sku":"BACKLOG","quantity":1,"price":{"amount":150,"currency":"EUR"}}}',
            id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), id), 'UTF8')]
        FROM (SELECT gen_random_uuid() AS id, now() - n * interval '1 microsecond' AS at
              FROM generate_series(1, $1::bigint) AS n) AS messages
        RETURNING time, ids)
    INSERT INTO outbox (times, message_ids, claimed_at) SELECT ARRAY[time], ids, now() - interval '1 hour' FROM made"#;

/// Measures inventory-service alone, on servers of its own, and prints messages a second for each size.
///
/// # Errors
/// When something does not start, or not everything is published.
pub async fn run(place: Place, json: bool) -> Result<(), Trouble> {
    let line = Line::start("servers", "RabbitMQ and PostgreSQL for the backlog are starting");
    let programs = Programs::find(&place, crate::servers::apt::Suite::Machine, &Given::default())?;
    let mut stack = Stack::open(place, "backlog")?;
    stack.kill_all().await?;
    stack.empty()?;
    stack.start(&programs).await?;
    line.done("both servers");
    let measured = measure(&mut stack).await;
    stack.kill_all().await?;
    stack.empty()?;
    let rates = measured?;
    let text = if json {
        let sizes = SIZES.iter().zip(&rates).map(|(size, rate)| json!({ "messages": size, "per_second": rate }));
        format!("{}\n", json!(sizes.collect::<Vec<_>>()))
    } else {
        let lines = SIZES
            .iter()
            .zip(&rates)
            .map(|(size, rate)| format!("a backlog of {size:>9} is published at {rate:>7.0} messages a second\n"));
        lines.collect()
    };
    print(&text).map_err(|error| Trouble::Unmet(format!("printing: {error}")))
}

async fn measure(stack: &mut Stack) -> Result<Vec<f64>, Trouble> {
    let endpoints = Given::default().or_of(stack)?;
    let system = System::prepare(stack, &endpoints).await?;
    let process = processes::ALL[2];
    stack.ports.free(process.name)?;
    // It makes its tables, and the topology.
    processes::launch(&process, process.name, stack, &system)?;
    processes::wait(process.name, stack).await?;
    stop(&process, stack).await?;
    let databases = Databases::of(&system).await?;
    let mut rates = Vec::new();
    for size in SIZES {
        rates.push(drained(&process, stack, &system, &databases.inventory, size).await?);
    }
    Ok(rates)
}

/// Messages a second, from the first that is seen to be published to the last.
async fn drained(
    process: &Process,
    stack: &mut Stack,
    system: &System,
    database: &Client,
    size: i64,
) -> Result<f64, Trouble> {
    let line = Line::start("backlog", format!("making {size} messages"));
    database.execute(FILL, &[&size]).await.map_err(Trouble::sql("making a backlog"))?;
    database.batch_execute("ANALYZE outbox; ANALYZE journal_entries").await.map_err(Trouble::sql("analysing it"))?;
    line.now(format!("publishing {size} messages"));
    processes::launch(process, process.name, stack, system)?;
    let url = processes::url(stack, process.name)?;
    let (mut first, began) = (None, Instant::now());
    let rate = loop {
        let published = published(&url).await.unwrap_or_default();
        let now = Instant::now();
        let (at, before) = match first {
            None if published == 0 => (now, 0),
            None => *first.insert((now, published)),
            Some(first) => first,
        };
        if published >= size {
            break f64::from(u32::try_from(published - before).unwrap_or(u32::MAX)) / (now - at).as_secs_f64();
        }
        if began.elapsed() > PATIENCE {
            return Err(Trouble::Unmet(format!("only {published} of {size} messages were published")));
        }
        sleep(LOOK_EVERY).await;
    };
    stop(process, stack).await?;
    let left = database.query_one("SELECT count(*) FROM outbox", &[]).await.map_err(Trouble::sql("counting"))?;
    line.done(&format!("{size} messages"));
    match left.get::<_, i64>(0) {
        0 => Ok(rate),
        left => Err(Trouble::Unmet(format!("{left} marks are left although their messages are published"))),
    }
}

/// In good order: with all marks removed.
async fn stop(process: &Process, stack: &mut Stack) -> Result<(), Trouble> {
    stack.stop(process.name, Signal::TERM).await.map(drop)
}

async fn published(url: &str) -> Option<i64> {
    let page = reqwest::get(format!("{url}/metrics")).await.ok()?.text().await.ok()?;
    metric(&page, PUBLISHED)
}
