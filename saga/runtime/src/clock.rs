//! The one place that reads the clock.

use saga_core::Time;

/// Now, UTC. Read once per batch, request or tick, and handed to the pure code.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    Time::now_utc()
}
