//! Alarms: sagas whose time has come.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_core::{Input, Time};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::{self, Sagas};
use super::{Orchestrator, decide, output};
use crate::broker::Broker;
use crate::clock;
use crate::error::{Remedy, StoreError};
use crate::handler::Output;
use crate::process::pause;
use crate::store::gauges::age;
use crate::store::{Pool, Transaction, Writer, query};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many sagas are woken in one transaction.
const AT_ONCE: i64 = 100;

/// Wakes sagas whose alarm is due, at most `limit` in one transaction, and says how many. One
/// public single step: a loop calls it once a second, and again at once while there are more.
///
/// # Errors
/// [`StoreError`]: nothing happened, the alarms stay due.
pub async fn wake_due(orchestrator: &Orchestrator, writer: &Writer, limit: i64) -> Result<i64, StoreError> {
    let now = clock::now();
    let known = || orchestrator.definitions().map(|definition| (definition.name, definition.version));
    let together = wake(orchestrator, writer, now, async |on| Sagas::lock_due(on, known(), now, limit).await);
    match together.await {
        Err(error) if error.remedy() != Remedy::Wait => {
            tracing::warn!(%error, "sagas cannot be woken together; they are woken one by one");
            let ids = store::due(&writer.pool().get().await?, known(), now, limit).await?;
            one_by_one(orchestrator, writer, now, &ids).await
        }
        woken => woken,
    }
}

/// One that cannot be woken is looked at again later, so that it keeps no other asleep.
async fn one_by_one(orchestrator: &Orchestrator, writer: &Writer, now: Time, ids: &[Uuid]) -> Result<i64, StoreError> {
    for id in ids {
        match wake(orchestrator, writer, now, async |on| Sagas::lock(on, &[*id]).await).await {
            Ok(_) => {}
            Err(error) if error.remedy() == Remedy::Wait => return Err(error),
            Err(error) => {
                tracing::error!(saga_id = %id, %error, "a saga cannot be woken");
                store::postpone(vec![*id], now).send(&writer.pool().get().await?).await?;
            }
        }
    }
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
}

/// Wakes sagas in one transaction, and says how many.
async fn wake(
    orchestrator: &Orchestrator,
    writer: &Writer,
    now: Time,
    lock: impl AsyncFnOnce(&Transaction<'_>) -> Result<Sagas, StoreError>,
) -> Result<i64, StoreError> {
    let (woken, news) = writer
        .transact(async |transaction| {
            let mut sagas = lock(transaction).await?;
            let ids = sagas.ids();
            let mut all = Output::default();
            for id in &ids {
                let Some(saga) = sagas.get(*id) else { continue };
                if let Some(alarm) = saga.alarm {
                    orchestrator.metrics.timer_lag.set(age(alarm).as_secs_f64());
                }
                let Some(engine) = orchestrator.engine_of(saga) else { continue };
                // One saga that makes the engine panic must not keep all others from being woken.
                match catch_unwind(AssertUnwindSafe(|| decide(engine, saga, Input::Wake, now))) {
                    Ok(Ok(decision)) => {
                        let (next, output) = output(decision);
                        orchestrator.keep(&mut sagas, next, now);
                        all.send.extend(output.send);
                        all.resend.extend(output.resend);
                    }
                    Ok(Err(refusal)) => {
                        tracing::error!(saga_id = %id, %refusal, "a saga cannot be woken");
                        sagas.postpone(*id);
                    }
                    Err(_) => {
                        tracing::error!(saga_id = %id, "the engine panicked as it woke a saga; the log says where");
                        sagas.postpone(*id);
                    }
                }
            }
            let (writes, news) = orchestrator.writes(sagas, now);
            writes.send(transaction).await?;
            Ok::<_, StoreError>(((i64::try_from(ids.len()).unwrap_or(i64::MAX), news), all))
        })
        .await?;
    news.tell();
    Ok(woken)
}

/// Wakes sagas once a second, and again at once while there are many; but none before what lay in this process's queues is
/// handled, and participants that could not send meanwhile had as long as they have before they are asked again: an answer
/// that is there comes before the alarm that it is missing.
pub async fn wake_always(orchestrator: Arc<Orchestrator>, writer: Writer, broker: Broker, stop: CancellationToken) {
    let (mut next, patience) = (Instant::now(), orchestrator.resend_after());
    loop {
        if let Err(error) = gauges(&orchestrator, writer.pool(), &mut next).await {
            tracing::debug!(%error, "sagas could not be counted");
        }
        let has_heard = broker.caught_up_for().is_some_and(|time| time >= patience);
        let woken = if has_heard { wake_due(&orchestrator, &writer, AT_ONCE).await } else { Ok(0) };
        let wait = match woken {
            Ok(woken) if woken >= AT_ONCE => Duration::ZERO,
            Ok(_) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "sagas that are due wait a little longer");
                LOOK_EVERY
            }
        };
        if pause(wait, &stop).await.is_break() {
            break;
        }
    }
}

const GAUGES_EVERY: Duration = Duration::from_secs(10);
/// How much longer than it takes to count is waited before the next time: a million sagas that wait for a person's word
/// take seconds.
const GAUGES_SHARE: u32 = 100;
const OPEN: &str = "
    SELECT definition, phase, count(*), min(started_at), count(*) FILTER (WHERE needs_intervention)
    FROM sagas WHERE ended_at IS NULL GROUP BY definition, phase";

/// Counts the sagas that have not ended, now and then.
async fn gauges(orchestrator: &Orchestrator, pool: &Pool, next: &mut Instant) -> Result<(), StoreError> {
    let begun = Instant::now();
    if begun < *next {
        return Ok(());
    }
    *next = begun + GAUGES_EVERY;
    let rows = query(&pool.get().await?, OPEN, &[]).await?;
    *next = begun + GAUGES_EVERY.max(begun.elapsed() * GAUGES_SHARE);
    let state = |row: &tokio_postgres::Row| (row.get(0), row.get(1), row.get(2), age(row.get(3)));
    let states: Vec<(String, String, i64, Duration)> = rows.iter().map(state).collect();
    let named =
        states.iter().map(|(definition, phase, count, age)| (definition.as_str(), phase.as_str(), *count, *age));
    orchestrator.metrics.set_in_state(named);
    let mut marked: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        *marked.entry(row.get(0)).or_default() += row.get::<_, i64>(4);
    }
    orchestrator
        .metrics
        .set_needing_intervention(marked.iter().map(|(definition, count)| (definition.as_str(), *count)));
    Ok(())
}
