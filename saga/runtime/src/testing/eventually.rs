//! Waiting for what will be so, without sleeping for longer than it takes.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// What a probe found: there, or not yet.
pub trait Reached {
    /// What it is, once there.
    type Value;

    /// The value, if it is there.
    fn reached(self) -> Option<Self::Value>;
}

impl Reached for bool {
    type Value = ();

    fn reached(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Reached for Option<T> {
    type Value = T;

    fn reached(self) -> Self {
        self
    }
}

/// Asks `probe` again and again until it says `true` or `Some`, and gives that back.
///
/// # Panics
/// When `deadline` has passed, with `what` it waited for.
pub async fn eventually<R: Reached>(what: &str, deadline: Duration, mut probe: impl AsyncFnMut() -> R) -> R::Value {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(2);
    loop {
        let asked = timeout_at(end, probe()).await;
        match asked.ok().and_then(Reached::reached) {
            Some(value) => return value,
            None if Instant::now() >= end => panic!("waited {deadline:?} in vain until {what}"),
            None => {}
        }
        sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_as_soon_as_the_probe_finds_something() {
        let mut asked = 0;
        let found = eventually("three questions were asked", Duration::from_secs(5), async || {
            asked += 1;
            (asked == 3).then_some("found")
        });
        assert_eq!(found.await, "found");
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited 20ms in vain until pigs fly")]
    async fn it_says_what_it_waited_for() {
        eventually("pigs fly", Duration::from_millis(20), async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain until an answer came")]
    async fn a_probe_that_hangs_does_not_hang_the_test() {
        eventually("an answer came", Duration::from_millis(20), async || std::future::pending::<bool>().await).await;
    }
}
