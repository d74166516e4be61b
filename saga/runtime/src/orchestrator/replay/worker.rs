//! Whoever owns a replay delivers it, chunk by chunk, until it is at its end or told to rest.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::deliver::{Outcome, Prepared};
use super::source::{Chunk, Reader};
use super::store::{self, Ours, Owned};
use super::{Details, Replays, Trouble};
use crate::error::StoreError;
use crate::process::pause;
use crate::store::Transaction;

/// How often somebody looks for replays that are nobody's; of one that is asked for here it is told.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How many replays one process runs at once.
const AT_ONCE: usize = 4;
/// How many messages are delivered together at most. What is asked of other processes is smaller.
const CHUNK: usize = 1_000;
/// The same where each message is a question to a process, or its fate is waited for.
const SMALL_CHUNK: usize = 100;
/// A paced replay delivers this many times a second.
const BEATS: u32 = 4;
/// How long a replay waits when something is in its way.
const WAIT_SECONDS: f64 = 2.0;

/// Delivers replays until stopped. Any copy of the orchestrator may go on with what another began.
pub async fn replay_always(replays: Replays, stop: CancellationToken) {
    let mut running = JoinSet::new();
    loop {
        while running.len() < AT_ONCE {
            match replays.claim().await {
                Ok(Some(owned)) => drop(running.spawn(run(replays.clone(), owned, stop.clone()))),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "replays could not be looked for");
                    break;
                }
            }
        }
        tokio::select! {
            waited = pause(LOOK_EVERY, &stop) => if waited.is_break() { break },
            () = replays.asked.notified() => {}
            Some(ended) = running.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "a replay ended badly; somebody goes on with it in a while");
            },
        }
    }
    while running.join_next().await.is_some() {}
}

async fn run(replays: Replays, mut owned: Owned, stop: CancellationToken) {
    let id = owned.id;
    tracing::info!(replay = %id, fence = owned.fence, "going on with a replay");
    let ended = replays.run(&mut owned, &stop).await;
    if let Err(trouble) = &ended {
        tracing::warn!(replay = %id, %trouble, "a replay is held up");
    }
    if let Err(error) = replays.leave(&owned, ended.err().as_ref()).await {
        tracing::warn!(replay = %id, %error, "that a replay is left could not be written down; somebody goes on in a while");
    }
    // It may have been resumed before it was left.
    replays.asked.notify_one();
}

impl Replays {
    async fn claim(&self) -> Result<Option<Owned>, StoreError> {
        store::claim(&self.pool.get().await?).await
    }

    async fn run(&self, owned: &mut Owned, stop: &CancellationToken) -> Result<(), Trouble> {
        if matches!(owned.plan.source, super::Source::Queue { .. }) && !self.begin_again(owned).await? {
            return Ok(());
        }
        let mut reader = self.open(owned).await?;
        let outcome = self.deliver_all(owned, &mut reader, stop).await;
        reader.leave().await;
        outcome
    }

    async fn begin_again(&self, owned: &mut Owned) -> Result<bool, StoreError> {
        let mut client = self.pool.get().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let ours = owned.begin_again(&transaction).await?;
        transaction.commit().await?;
        Ok(ours)
    }

    async fn deliver_all(
        &self,
        owned: &mut Owned,
        reader: &mut Reader<'_>,
        stop: &CancellationToken,
    ) -> Result<(), Trouble> {
        let (mut pace, why) = (Pace::new(owned.plan.rate), format!("replay {}", owned.id));
        let mut next = self.next(owned, reader).await?;
        while !stop.is_cancelled() {
            let Some((chunk, prepared)) = next else {
                owned.finish(&self.pool.get().await.map_err(StoreError::from)?).await?;
                tracing::info!(replay = %owned.id, done = owned.counters.done, failed = owned.counters.failed, "a replay is at its end");
                return Ok(());
            };
            let delivering = self.deliver(&owned.plan, &why, &chunk.items, prepared);
            let (outcome, ahead) = tokio::join!(delivering, self.ahead(owned, reader, &chunk));
            let (ours, delivered) = self.write_down(owned, reader, &chunk, outcome?).await?;
            if ours != Ours::GoOn || self.has_failed_too_often(owned).await? {
                return Ok(());
            }
            pace.after(delivered, stop).await;
            next = match ahead {
                Some(ahead) => ahead?,
                None => self.next(owned, reader).await?,
            };
        }
        Ok(())
    }

    /// How many messages the next chunk has at most.
    fn most(&self, owned: &Owned) -> usize {
        let plan = &owned.plan;
        let looks = plan.dry_run || plan.watches();
        let beat = plan.rate.map_or(CHUNK, |rate| usize::try_from(rate.div_ceil(BEATS)).unwrap_or(CHUNK));
        let stage = plan.left_in_stage(owned.counters.total, owned.counters.total - owned.counters.pending);
        let stage = stage.map_or(CHUNK, |left| usize::try_from(left).unwrap_or(CHUNK));
        beat.min(stage).min(if looks { SMALL_CHUNK } else { CHUNK })
    }

    /// The next messages, and where they go; `None` at the end.
    async fn next(&self, owned: &Owned, reader: &mut Reader<'_>) -> Result<Option<(Chunk, Prepared)>, Trouble> {
        let chunk = reader.next(&owned.position, self.most(owned)).await?;
        Ok(self.prepared(owned, chunk).await)
    }

    /// The same of what comes after a chunk, while that one is delivered. `None` where that has to wait: a queue gives what
    /// it has, and how many messages a stage of a ramp has left depends on the chunk.
    async fn ahead(
        &self,
        owned: &Owned,
        reader: &Reader<'_>,
        chunk: &Chunk,
    ) -> Option<Result<Option<(Chunk, Prepared)>, Trouble>> {
        if !owned.plan.ramp.is_empty() {
            return None;
        }
        Some(match reader.ahead(chunk, self.most(owned)).await? {
            Ok(chunk) => Ok(self.prepared(owned, chunk).await),
            Err(trouble) => Err(trouble),
        })
    }

    async fn prepared(&self, owned: &Owned, chunk: Option<Chunk>) -> Option<(Chunk, Prepared)> {
        let chunk = chunk?;
        let prepared = self.prepare(&owned.plan, &chunk.items).await;
        Some((chunk, prepared))
    }

    /// Writes down what became of a chunk, and takes it out of its source.
    async fn write_down(
        &self,
        owned: &mut Owned,
        reader: &mut Reader<'_>,
        chunk: &Chunk,
        outcome: Outcome,
    ) -> Result<(Ours, usize), Trouble> {
        let mut news = Details::default();
        outcome.became.iter().for_each(|became| news.count(*became, 1));
        // A dry run of a queue gives everything back.
        let settled = if owned.plan.dry_run { &[][..] } else { &outcome.became[..] };
        let position = reader.position_after(chunk, settled);
        let mut client = self.pool.get().await.map_err(StoreError::from)?;
        let transaction = Transaction::begin(&mut client).await?;
        let ours = owned.advance(&transaction, position, &news, &outcome.remarks).await?;
        transaction.commit().await?;
        if ours != Ours::NoLonger {
            reader.settle(chunk, settled).await?;
        }
        let skipped = usize::try_from(news.of("skipped")).unwrap_or_default();
        Ok((ours, outcome.became.len() - skipped))
    }

    async fn has_failed_too_often(&self, owned: &Owned) -> Result<bool, StoreError> {
        let failed = owned.counters.failed;
        let Some(most) = owned.plan.most_failures(owned.counters.total).filter(|most| failed > *most) else {
            return Ok(false);
        };
        let why = format!("{failed} messages failed, {most} may; mend the cause, then resume or cancel it");
        tracing::warn!(replay = %owned.id, failed, most, "a replay stops");
        owned.stop(&self.pool.get().await?, &why).await?;
        Ok(true)
    }

    /// Lets a replay go whose source is closed. One that was asked for wrongly stops; one that is held up waits a little.
    async fn leave(&self, owned: &Owned, trouble: Option<&Trouble>) -> Result<(), StoreError> {
        let client = self.pool.get().await?;
        match trouble {
            None => owned.leave(&client, 0.0).await,
            Some(Trouble::Wrong(why)) => {
                owned.stop(&client, why).await?;
                owned.leave(&client, 0.0).await
            }
            Some(Trouble::Process(_) | Trouble::Broker(_) | Trouble::Publish(_) | Trouble::Store(_)) => {
                owned.trouble(&client, &trouble.map(ToString::to_string).unwrap_or_default()).await?;
                owned.leave(&client, WAIT_SECONDS).await
            }
        }
    }
}

/// Keeps a replay at its rate.
struct Pace {
    rate: Option<u32>,
    next: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// Waits until more may be delivered after so many messages.
    async fn after(&mut self, messages: usize, stop: &CancellationToken) {
        let Some(rate) = self.rate else { return };
        let took = Duration::from_secs_f64(messages as f64 / f64::from(rate.max(1)));
        self.next = self.next.max(Instant::now()) + took;
        // Whoever stops leaves the loop that called this.
        let _ = pause(self.next - Instant::now(), stop).await;
    }
}
