//! How long to wait before the next resend: exponential, with jitter.

use time::Duration;
use uuid::Uuid;

/// Exponential backoff with full jitter between the first wait and a doubling bound.
///
/// The jitter is no random number: it is read from the timer's forged id, so that the same saga
/// makes the same decision wherever and whenever it is decided. After M. Brooker, "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015), except that a resend never comes sooner than
/// the first wait: an answer may well be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before resend number `attempt` (0 is the first), between [`Backoff::first`] and
    /// `first * 2^attempt`, at most [`Backoff::cap`].
    #[must_use]
    pub fn wait(&self, attempt: u32, jitter: Uuid) -> Duration {
        let doubled = self.first.checked_mul(2_i32.saturating_pow(attempt.min(30)));
        let bound = doubled.map_or(self.cap, |wait| wait.min(self.cap)).max(self.first);
        let spread = bound.whole_milliseconds() - self.first.whole_milliseconds();
        let share = i128::from(fraction(jitter)) * spread / i128::from(u32::MAX);
        self.first + Duration::milliseconds(i64::try_from(share).unwrap_or(i64::MAX))
    }
}

/// The last 32 bits of an id, which carry no version or variant.
fn fraction(id: Uuid) -> u32 {
    let bytes = id.as_bytes();
    u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::seconds(5), cap: Duration::seconds(60) };

    #[test]
    fn the_first_wait_is_exact_and_the_rest_stays_within_the_doubling_bound() {
        for (attempt, bound) in [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (40, 60)] {
            for jitter in [Uuid::nil(), Uuid::max(), Uuid::from_u128(0x1234_5678)] {
                let wait = BACKOFF.wait(attempt, jitter);
                assert!(wait >= BACKOFF.first && wait <= Duration::seconds(bound), "{attempt}: {wait}");
            }
            assert_eq!(BACKOFF.wait(attempt, Uuid::max()), Duration::seconds(bound));
        }
    }
}
