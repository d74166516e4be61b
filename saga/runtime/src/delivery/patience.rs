//! How long messages in hand wait for a database that does not take them.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff};
use tokio_util::sync::CancellationToken;

use crate::broker::GivenUp;
use crate::error::StoreError;

/// How long they wait for a server that cannot be reached. Then they go back to the broker: another copy may reach it, and
/// RabbitMQ takes away after half an hour what nobody settles.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The waits from one attempt to the next, and whether they have been long enough.
#[derive(Debug)]
pub(crate) struct Patience {
    waits: ExponentialBackoff,
    /// Since when the database could not be reached, without a moment in which it could.
    unreachable: Option<Instant>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        let waits = backon::ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter();
        Self { waits: waits.build(), unreachable: None }
    }

    /// Waits after a failed attempt, a little longer each time, having said for how many milliseconds.
    ///
    /// # Errors
    /// The database could not be reached for 10 seconds, or the process is stopping.
    pub(crate) async fn wait(
        &mut self,
        error: &StoreError,
        stop: &CancellationToken,
        say: impl FnOnce(u128),
    ) -> Result<(), GivenUp> {
        if self.is_over(error) {
            return Err(GivenUp);
        }
        let wait = self.next();
        say(wait.as_millis());
        stop.run_until_cancelled(tokio::time::sleep(wait)).await.ok_or(GivenUp)
    }

    /// How long to wait for the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(LONGEST_WAIT)
    }

    fn is_over(&mut self, error: &StoreError) -> bool {
        if !error.is_unreachable() {
            self.unreachable = None;
            return false;
        }
        let is_over = self.unreachable.get_or_insert_with(Instant::now).elapsed() >= PATIENCE;
        if is_over {
            tracing::error!(%error, "the database cannot be reached; messages go back to RabbitMQ until it can");
        }
        is_over
    }
}
