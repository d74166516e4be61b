//! Serving: HTTP from the first moment, the rest as soon as the schema is there; and leaving.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bring_up::keep_partitions;
use super::{Process, ProcessError};
use crate::broker::Publisher;
use crate::broker::consumer::{self, Subscription};
use crate::clock;
use crate::delivery::{DUE_AT_ONCE, Delivery, Repeats};
use crate::error::StoreError;
use crate::http;
use crate::metrics::Metrics;
use crate::store::{Effects, Pool, check_clock, gauges};

/// How long a process that is told to stop takes at most.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// How long of that is left for what it committed and has not published.
const FOR_PUBLISHING: Duration = Duration::from_secs(5);
/// How often the database is asked for messages that are due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what waits is counted.
const GAUGES_EVERY: Duration = Duration::from_secs(10);
/// How often partitions are looked after; they are made days ahead.
const PARTITIONS_EVERY: Duration = Duration::from_secs(3600);
/// How often tombstones that are past retention are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// How many of them in one transaction: none that others wait for is long.
const FORGET_AT_ONCE: i64 = 1000;

impl Process {
    /// Serves until `shutdown` is cancelled: HTTP at once, with `routes` beside what every process
    /// has; consumers, relay and loops as soon as the schema is up to date, however long database
    /// and broker take to come. Then it stops taking work, finishes what it holds, and returns
    /// within 10 s.
    ///
    /// # Errors
    /// [`ProcessError`]: a migration failed, the listener broke, or a loop ended that must not.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        routes: axum::Router,
        shutdown: CancellationToken,
    ) -> Result<(), ProcessError> {
        let stop = shutdown.child_token();
        let (schema, schema_there) = watch::channel(false);
        let delivery = self.put_together(&stop);
        let app = http::app(self.parts(schema_there), routes);
        let web = tokio::spawn(bounded(serve_http(listener, app, stop.clone()), stop.clone()));
        let mut outcome = tokio::select! {
            brought_up = self.bring_up(&stop) => brought_up,
            () = shutdown.cancelled() => Ok(()),
        };
        if outcome.is_ok() && !shutdown.is_cancelled() {
            schema.send_replace(true);
            tracing::info!(process = self.spec.name, "the schema is up to date; taking up work");
            outcome = self.work(delivery, &stop, &shutdown).await;
        }
        stop.cancel();
        let ended = web.await;
        outcome?;
        match ended {
            Ok(Some(served)) => Ok(served?),
            Ok(None) => {
                tracing::warn!("some requests did not end in time; their clients are cut off");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "HTTP ended before the process did");
                Ok(())
            }
        }
    }

    /// The delivery with all handlers; operators find it from now on.
    fn put_together(&mut self, stop: &CancellationToken) -> Arc<Delivery> {
        let delivery = Arc::new(Delivery {
            topology: self.spec.topology,
            pool: self.pool.clone(),
            publish: self.publish.clone(),
            handlers: std::mem::take(&mut self.handlers),
            retention: self.retention(),
            metrics: Arc::clone(&self.metrics),
            stop: stop.clone(),
            repeats: Repeats::default(),
        });
        Arc::clone(self.delivery.get_or_init(|| delivery))
    }

    /// Runs everything until it is told to stop: first those who take work, then the relay. A loop
    /// that ends earlier, by a panic, takes the process with it: without it messages would wait for
    /// ever, in a process that looks well. Whoever started the process starts it again.
    async fn work(
        mut self,
        delivery: Arc<Delivery>,
        stop: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> Result<(), ProcessError> {
        let (loops, retention) = (std::mem::take(&mut self.loops), self.retention());
        let mut subscriptions = std::mem::take(&mut self.subscriptions);
        subscriptions.extend(delivery.handlers.keys().map(|queue| Subscription { queue, deliver: delivery.clone() }));
        let (takers, (ended, mut early)) = (TaskTracker::new(), mpsc::channel(1));
        let take = |name, work: BoxFuture<'static, ()>| takers.spawn(ending(name, work, stop.clone(), ended.clone()));
        take("consumers", Box::pin(consumer::run(self.broker.clone(), subscriptions, self.turns, stop.clone())));
        take("messages put off", Box::pin(look_for_due(delivery, stop.clone())));
        take("tombstones", Box::pin(forget_effects(self.pool.clone(), retention, stop.clone())));
        take("gauges", Box::pin(look_at_gauges(self.pool.clone(), Arc::clone(&self.metrics), stop.clone())));
        if let Some(owner) = self.owner.clone() {
            take("partitions", Box::pin(look_after_partitions(owner, self.spec.name, retention, stop.clone())));
        }
        for (name, work) in loops {
            take(name, work(stop.clone()));
        }
        takers.close();
        let publishing = CancellationToken::new();
        let relay = Publisher::run(self.publisher, publishing.clone());
        let relay = tokio::spawn(ending("relay", Box::pin(relay), publishing.clone(), ended));
        let broken = tokio::select! {
            () = shutdown.cancelled() => None,
            name = early.recv() => name,
        };
        tracing::info!(process = self.spec.name, "stopping: no new work, finishing what is held");
        stop.cancel();
        if tokio::time::timeout(LEAVE_WITHIN - FOR_PUBLISHING, takers.wait()).await.is_err() {
            tracing::warn!("some work did not finish in time; the broker delivers it again");
        }
        publishing.cancel();
        if tokio::time::timeout(FOR_PUBLISHING, relay).await.is_err() {
            tracing::warn!("not everything was published; the marks stay for the next sweep");
        }
        broken.map_or(Ok(()), |name| Err(ProcessError::Loop(name)))
    }
}

/// What comes of some work, unless it takes longer than a process that is told to stop may.
async fn bounded<T>(work: impl Future<Output = T>, stop: CancellationToken) -> Option<T> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(LEAVE_WITHIN).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = too_late => None,
    }
}

async fn serve_http(listener: TcpListener, app: axum::Router, stop: CancellationToken) -> std::io::Result<()> {
    // Without it, Nagle's algorithm holds small answers back for 40 ms.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
    });
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Runs a loop, and tells when it ends before it is told to.
async fn ending(
    name: &'static str,
    work: BoxFuture<'static, ()>,
    stop: CancellationToken,
    ended: mpsc::Sender<&'static str>,
) {
    let panicked = AssertUnwindSafe(work).catch_unwind().await.is_err();
    if panicked || !stop.is_cancelled() {
        tracing::error!(name, panicked, "a loop ended before the process did; the process stops");
        // Full: another one was first.
        let _ = ended.try_send(name);
    }
}

/// Handles what was put off, once a second, and again at once while there is much.
async fn look_for_due(delivery: Arc<Delivery>, stop: CancellationToken) {
    loop {
        let wait = match delivery.handle_due().await {
            Ok(handled) if handled >= DUE_AT_ONCE.into() => Duration::ZERO,
            Ok(_) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "messages that were put off wait a little longer");
                LOOK_EVERY
            }
        };
        if pause(wait, &stop).await.is_break() {
            break;
        }
    }
}

/// Forgets what no message may ask for any more: a day later than the oldest that is still accepted.
async fn forget_effects(pool: Pool, retention: time::Duration, stop: CancellationToken) {
    loop {
        if let Err(error) = forget_all(&pool, clock::now(), retention).await {
            tracing::warn!(%error, "old tombstones stay for now");
        }
        if pause(FORGET_EVERY, &stop).await.is_break() {
            break;
        }
    }
}

async fn forget_all(pool: &Pool, now: saga_core::Time, retention: time::Duration) -> Result<(), StoreError> {
    let client = pool.get().await?;
    check_clock(&client, now).await?;
    let before = now - retention - time::Duration::DAY;
    while Effects::forget(&client, before, FORGET_AT_ONCE).await? > 0 {}
    Ok(())
}

/// Counts what waits, now and then.
async fn look_at_gauges(pool: Pool, metrics: Arc<Metrics>, stop: CancellationToken) {
    loop {
        if let Err(error) = gauges::look(&pool, &metrics).await {
            tracing::debug!(%error, "what waits could not be counted");
        }
        if pause(GAUGES_EVERY, &stop).await.is_break() {
            break;
        }
    }
}

/// Makes partitions days ahead, and drops those that are past retention.
async fn look_after_partitions(
    owner: tokio_postgres::Config,
    name: &'static str,
    retention: time::Duration,
    stop: CancellationToken,
) {
    loop {
        if let Err(error) = keep_partitions(&owner, name, retention).await {
            tracing::warn!(%error, "partitions could not be looked after; they are made days ahead");
        }
        if pause(PARTITIONS_EVERY, &stop).await.is_break() {
            break;
        }
    }
}

/// Waits, unless the process is told to stop.
pub(crate) async fn pause(wait: Duration, stop: &CancellationToken) -> ControlFlow<()> {
    tokio::select! {
        () = stop.cancelled() => ControlFlow::Break(()),
        () = tokio::time::sleep(wait) => ControlFlow::Continue(()),
    }
}
