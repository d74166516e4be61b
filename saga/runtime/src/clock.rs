//! The one place that reads the clock.

use saga_core::Time;
use time::Duration;

/// How far the clocks of processes and servers may be apart.
pub(crate) const MOST_APART: Duration = Duration::minutes(5);

/// Now, UTC, to the microsecond. Read once per batch, request or tick, and handed to the pure code.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    let now = Time::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
