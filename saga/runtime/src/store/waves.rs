//! When a wave sets out: which of those who ask at the same time go on together.
//!
//! What is asked for together stays together: its messages share AMQP messages, and each stage on their way handles them in
//! one transaction. So how many set out together decides what all that follows costs. As with Nagle's algorithm for small
//! packets (RFC 896), few wait while others are under way, and many go at once: a wave sets out once as many wait as are
//! under way, or enough for a wave of their own. Whoever is alone waits for nobody.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many set out whatever is under way: waiting for a larger wave would make each of them a little cheaper, and all later.
const ENOUGH: usize = 64;
/// Nobody waits for a wave that set out longer ago: what holds it up is not how busy everybody is.
const PATIENCE: Duration = Duration::from_millis(100);
/// Somebody whose wait is over often asks again, and all of a wave end at once. They are waited for while one comes so soon
/// after the other,
const BETWEEN_TWO: Duration = Duration::from_millis(1);
/// but no longer than this.
const IN_ALL: Duration = Duration::from_millis(5);

/// The waves that are under way, and who may come back of them.
#[derive(Debug)]
pub(super) struct Waves {
    patience: Duration,
    /// The oldest first.
    under_way: VecDeque<Wave>,
    last_number: u64,
    returning: Option<Returning>,
}

#[derive(Debug)]
struct Wave {
    number: u64,
    left: usize,
    set_out: Instant,
}

/// Those who ended, and may come back.
#[derive(Debug, Clone, Copy)]
struct Returning {
    count: usize,
    until_next: Instant,
    until_all: Instant,
}

impl Returning {
    fn until(&self) -> Instant {
        self.until_next.min(self.until_all)
    }
}

impl Waves {
    /// No waves yet; each will be waited for no longer than this, by default 100 ms.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, under_way: VecDeque::new(), last_number: 0, returning: None }
    }

    /// A wave of so many sets out; its number is for [`Waves::ended`].
    pub(super) fn set_out(&mut self, count: usize, now: Instant) -> u64 {
        self.last_number += 1;
        self.under_way.push_back(Wave { number: self.last_number, left: count, set_out: now });
        self.returning = None;
        self.last_number
    }

    /// One of this wave is no longer under way.
    pub(super) fn ended(&mut self, wave: u64, now: Instant) {
        if let Ok(place) = self.under_way.binary_search_by_key(&wave, |wave| wave.number) {
            self.under_way[place].left -= 1;
            if self.under_way[place].left == 0 {
                self.under_way.remove(place);
            }
        }
        let first = Returning { count: 0, until_next: now + BETWEEN_TWO, until_all: now + IN_ALL };
        self.returning.get_or_insert(first).count += 1;
    }

    /// So many came.
    pub(super) fn came(&mut self, count: usize, now: Instant) {
        self.returning = self.returning.and_then(|returning| {
            let count = returning.count.checked_sub(count).filter(|count| *count > 0)?;
            Some(Returning { count, until_next: now + BETWEEN_TWO, ..returning })
        });
    }

    /// Whether those who wait set out.
    pub(super) fn may_set_out(&mut self, waiting: usize, now: Instant) -> bool {
        self.forget(now);
        let under_way: usize = self.under_way.iter().map(|wave| wave.left).sum();
        self.returning.is_none() && waiting >= under_way.min(ENOUGH)
    }

    /// What was waited for long enough is waited for no longer.
    pub(super) fn forget(&mut self, now: Instant) {
        self.under_way.retain(|wave| now < wave.set_out + self.patience);
        self.returning = self.returning.filter(|returning| now < returning.until());
    }

    /// When they may although nobody comes or ends.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.returning {
            Some(returning) => Some(returning.until()),
            None => self.under_way.front().map(|wave| wave.set_out + self.patience),
        }
    }
}

impl Default for Waves {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody_and_a_second_one_neither() {
        let (mut waves, now) = (Waves::default(), Instant::now());
        for _ in 0..3 {
            assert!(waves.may_set_out(1, now));
            let wave = waves.set_out(1, now);
            waves.ended(wave, now);
            waves.came(1, now);
        }
        waves.set_out(1, now);
        assert!(waves.may_set_out(1, now));
        waves.set_out(1, now);
        assert!(!waves.may_set_out(1, now), "two are under way");
        assert!(waves.may_set_out(2, now));
    }

    #[tokio::test]
    async fn a_wave_sets_out_once_as_many_wait_as_are_under_way() {
        let (mut waves, now) = (Waves::default(), Instant::now());
        let wave = waves.set_out(10, now);
        assert!(!waves.may_set_out(9, now));
        assert_eq!(waves.until(), Some(now + PATIENCE));
        assert!(waves.may_set_out(10, now));
        waves.ended(wave, now);
        assert!(!waves.may_set_out(9, now), "the one that ended may come back");
        assert_eq!(waves.until(), Some(now + BETWEEN_TWO));
        waves.came(1, now);
        assert!(waves.may_set_out(9, now));
    }

    #[tokio::test]
    async fn enough_set_out_whatever_is_under_way_but_wait_for_those_who_come_back() {
        let (mut waves, now) = (Waves::default(), Instant::now());
        let wave = waves.set_out(1_000, now);
        assert!(!waves.may_set_out(ENOUGH - 1, now));
        assert!(waves.may_set_out(ENOUGH, now));
        waves.ended(wave, now);
        assert!(!waves.may_set_out(ENOUGH, now), "the one that ended may come back");
        assert!(waves.may_set_out(ENOUGH, now + BETWEEN_TWO));
    }

    #[tokio::test]
    async fn those_who_ended_are_waited_for_while_one_comes_soon_after_the_other_and_not_for_long() {
        let (mut waves, mut now) = (Waves::default(), Instant::now());
        let (wave, began) = (waves.set_out(100, now), now);
        (0..100).for_each(|_| waves.ended(wave, now));
        assert!(!waves.may_set_out(50, now));
        assert!(waves.may_set_out(50, now + BETWEEN_TWO), "nobody came");
        let wave = waves.set_out(100, now);
        (0..100).for_each(|_| waves.ended(wave, now));
        while now < began + IN_ALL {
            assert!(!waves.may_set_out(50, now));
            now += BETWEEN_TWO / 2;
            waves.came(1, now);
        }
        assert!(waves.may_set_out(50, now), "not for ever");
    }

    #[tokio::test]
    async fn nobody_waits_for_what_is_stuck() {
        let (mut waves, now) = (Waves::default(), Instant::now());
        let stuck = waves.set_out(1_000, now);
        waves.set_out(5, now + PATIENCE / 2);
        assert!(!waves.may_set_out(1, now + PATIENCE / 2));
        assert!(!waves.may_set_out(1, now + PATIENCE));
        assert!(waves.may_set_out(5, now + PATIENCE));
        assert_eq!(waves.until(), Some(now + PATIENCE / 2 + PATIENCE));
        waves.ended(stuck, now + PATIENCE);
        waves.came(1, now + PATIENCE);
        assert!(waves.may_set_out(1, now + PATIENCE * 2));
    }

    /// What happens to waves.
    #[derive(Debug, Clone)]
    enum Step {
        Came(usize),
        Ended(prop::sample::Index),
        Later(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1_usize..20).prop_map(Step::Came),
            5 => any::<prop::sample::Index>().prop_map(Step::Ended),
            2 => (1_u64..30_000).prop_map(Step::Later),
        ]
    }

    proptest! {
        #[test]
        fn nobody_waits_for_longer_than_it_is_said(steps in prop::collection::vec(step(), 1..80)) {
            let (mut waves, mut now) = (Waves::default(), Instant::now());
            let (mut waiting, mut since, mut travelling) = (0, now, Vec::<u64>::new());
            for step in steps {
                match step {
                    Step::Came(count) => {
                        since = if waiting == 0 { now } else { since };
                        waiting += count;
                        waves.came(count, now);
                    }
                    Step::Ended(_) if travelling.is_empty() => {}
                    Step::Ended(which) => {
                        let wave = travelling.swap_remove(which.index(travelling.len()));
                        waves.ended(wave, now);
                    }
                    Step::Later(micros) => now += Duration::from_micros(micros),
                }
                if waiting > 0 && waves.may_set_out(waiting, now) {
                    let wave = waves.set_out(waiting, now);
                    travelling.extend(std::iter::repeat_n(wave, std::mem::take(&mut waiting)));
                }
                prop_assert!(waiting == 0 || now < since + PATIENCE + IN_ALL);
                let left: usize = waves.under_way.iter().map(|wave| wave.left).sum();
                prop_assert!(left <= travelling.len());
                prop_assert!(waves.under_way.iter().is_sorted_by_key(|wave| wave.number));
            }
            while waiting > 0 && !waves.may_set_out(waiting, now) {
                let until = waves.until();
                prop_assert!(until.is_some_and(|until| until > now), "it waits for nothing");
                now = until.unwrap_or(now);
            }
        }
    }
}
