//! The one place that reads the clock; and waiting for a moment that may never come.

use saga_core::Time;
use time::Duration;
use time::macros::datetime;
use tokio::time::Instant;

/// Before and after everything.
pub(crate) const EVER: (Time, Time) = (datetime!(0001-01-01 0:00 UTC), datetime!(9999-12-31 0:00 UTC));
/// How far the clocks of processes and servers may be apart.
pub(crate) const MOST_APART: Duration = Duration::minutes(5);

/// Now, UTC, to the microsecond. Read once per batch, request or tick, and handed to the pure code.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    let now = Time::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}

/// Waits until this moment; for ever, if there is none.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
