//! What a consumer has in hand: messages that it took and did not hand on, and which of them it is time for.

use std::collections::{BTreeMap, HashSet};

use tokio::time::Instant;
use uuid::Uuid;

use super::consumer::BATCH;
use super::{Company, Incoming, Waits};

/// The messages of one AMQP message, and its number.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) messages: Vec<Incoming>,
    pub(super) tag: u64,
}

/// A message, and the number of the AMQP message that it came in.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) message: Incoming,
    pub(super) tag: u64,
}

/// Messages that were taken, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Hand {
    held: Vec<Held>,
    /// Which messages are here that wait for others of their saga.
    here: HashSet<(Uuid, &'static str)>,
    /// How many wait for nothing.
    hurried: usize,
    /// How many wait for the next batch.
    waiting: usize,
}

#[derive(Debug)]
struct Held {
    tagged: Tagged,
    saga: Option<Uuid>,
    /// Its type, while it waits for others of its saga.
    awaited: Option<&'static str>,
    until: Until,
}

/// Until when a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// It does not.
    Now,
    /// Until the next batch, at the latest to this time.
    Batch(Instant),
    /// Until its saga is called, at the latest to this time.
    Called(Instant),
}

impl Hand {
    /// Takes up what arrived; `company` says what each of the messages may wait for.
    pub(super) fn take_up(&mut self, arrived: Arrived, now: Instant, company: impl Fn(&Incoming) -> Company) {
        let Arrived { messages, tag } = arrived;
        // What comes again is settled at once, and so is all that came before it: acknowledgements go in order.
        if messages.iter().any(|message| message.delivery_count > 0) {
            self.hurry(u64::MAX);
        }
        for message in messages {
            let Company { saga, waits } = company(&message);
            let (mut until, mut awaited) = (Until::Now, None);
            match waits {
                _ if message.delivery_count > 0 => {}
                Waits::No => {}
                Waits::ForBatch(patience) => {
                    until = Until::Batch(now + patience);
                    self.waiting += 1;
                }
                Waits::ForAll { kind, all, patience } => {
                    awaited = Some(kind);
                    if !self.completes(saga, kind, &all) {
                        until = Until::Called(now + patience);
                    }
                }
            }
            if until == Until::Now {
                self.hurried += 1;
            }
            self.held.push(Held { tagged: Tagged { message, tag }, saga, awaited, until });
        }
    }

    /// Whether with this message all that its saga waits for is in hand.
    fn completes(&mut self, saga: Option<Uuid>, kind: &'static str, all: &[&'static str]) -> bool {
        let Some(saga) = saga else { return true };
        self.here.insert((saga, kind));
        all.iter().all(|kind| self.here.contains(&(saga, *kind)))
    }

    /// What came up to this number waits no longer.
    pub(super) fn hurry(&mut self, last: u64) {
        for held in self.held.iter_mut().take_while(|held| held.tagged.tag <= last) {
            match std::mem::replace(&mut held.until, Until::Now) {
                Until::Now => {}
                Until::Batch(_) => (self.hurried, self.waiting) = (self.hurried + 1, self.waiting - 1),
                Until::Called(_) => self.hurried += 1,
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether it is time for a batch: something waits for nothing, or as much as makes a batch waits for one.
    pub(super) fn is_time(&self) -> bool {
        self.hurried > 0 || self.is_full()
    }

    /// Whether the next batch is large enough.
    pub(super) fn is_full(&self) -> bool {
        self.hurried + self.waiting >= BATCH
    }

    /// When something in hand will have waited long enough.
    pub(super) fn until(&self) -> Option<Instant> {
        let until = self.held.iter().filter_map(|held| match held.until {
            Until::Now => None,
            Until::Batch(until) | Until::Called(until) => Some(until),
        });
        until.min()
    }

    /// Hands on a batch: what it is time for, what goes with any batch, and whatever else is in hand of the same sagas.
    pub(super) fn batch(&mut self, now: Instant) -> Vec<Tagged> {
        let calls = |held: &&Held| match held.until {
            Until::Now => true,
            Until::Batch(until) | Until::Called(until) => until <= now,
        };
        let called: HashSet<Uuid> = self.held.iter().filter(calls).filter_map(|held| held.saga).collect();
        let goes = |held: &Held| match held.until {
            Until::Now | Until::Batch(_) => true,
            Until::Called(_) => held.saga.is_some_and(|saga| called.contains(&saga)),
        };
        let (gone, stays): (Vec<Held>, Vec<Held>) = std::mem::take(&mut self.held).into_iter().partition(goes);
        (self.held, self.hurried, self.waiting) = (stays, 0, 0);
        let tagged = gone.into_iter().map(|Held { tagged, saga, awaited, .. }| {
            if let (Some(saga), Some(kind)) = (saga, awaited) {
                self.here.remove(&(saga, kind));
            }
            tagged
        });
        tagged.collect()
    }
}

/// AMQP messages that are not handled wholly, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// How many messages each still holds.
    left: BTreeMap<u64, usize>,
    last: u64,
}

impl Unsettled {
    pub(super) fn add(&mut self, arrived: &Arrived) {
        self.last = arrived.tag;
        if !arrived.messages.is_empty() {
            self.left.insert(arrived.tag, arrived.messages.len());
        }
    }

    /// A message of this AMQP message is handled.
    pub(super) fn settle(&mut self, tag: u64) {
        if let Some(left) = self.left.get_mut(&tag) {
            *left -= 1;
            if *left == 0 {
                self.left.remove(&tag);
            }
        }
    }

    /// How many the broker handed out that cannot be acknowledged together with what came before them.
    pub(super) fn span(&self) -> u64 {
        self.last - self.settled()
    }

    /// The number in the middle of these.
    pub(super) fn middle(&self) -> u64 {
        self.last - self.span() / 2
    }

    /// The numbers of what is handled although something before it is not.
    pub(super) fn settled_beyond(&self) -> Vec<u64> {
        (self.settled() + 1..=self.last).filter(|tag| !self.left.contains_key(tag)).collect()
    }

    /// Everything up to this number is handled.
    pub(super) fn settled(&self) -> u64 {
        self.left.first_key_value().map_or(self.last, |(tag, _)| tag - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    /// Text that says what a message may wait for.
    fn company(message: &Incoming) -> Company {
        let saga = |text: &[u8]| Some(if text.ends_with(b"1") { ONE } else { OTHER });
        let rest = |kind| Waits::ForAll { kind, all: vec!["A", "B"].into(), patience: LONG };
        match &message.body[..] {
            b"note" => Company { saga: None, waits: Waits::ForBatch(LONG) },
            text @ (b"A1" | b"A2") => Company { saga: saga(text), waits: rest("A") },
            text @ (b"B1" | b"B2") => Company { saga: saga(text), waits: rest("B") },
            text @ (b"C1" | b"C2") => Company { saga: saga(text), waits: Waits::No },
            _ => Company::default(),
        }
    }

    /// A hand, and what is not settled of it.
    #[derive(Default)]
    struct Table {
        hand: Hand,
        unsettled: Unsettled,
        tag: u64,
    }

    impl Table {
        fn take_up(&mut self, texts: &[&'static str], again: bool, now: Instant) {
            self.tag += 1;
            let message = |text: &&'static str| {
                let mut message = Incoming::of_bytes(text.as_bytes());
                message.delivery_count = u32::from(again);
                message
            };
            let arrived = Arrived { messages: texts.iter().map(message).collect(), tag: self.tag };
            self.unsettled.add(&arrived);
            self.hand.take_up(arrived, now, company);
        }

        fn batch(&mut self, now: Instant) -> Vec<String> {
            let batch = self.hand.batch(now);
            batch.iter().for_each(|tagged| self.unsettled.settle(tagged.tag));
            batch.iter().map(|tagged| String::from_utf8_lossy(&tagged.message.body).into_owned()).collect()
        }
    }

    #[test]
    fn what_waits_for_the_rest_of_its_saga_lets_batches_pass_by() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.take_up(&["A1"], false, now);
        assert_eq!((table.hand.is_time(), table.hand.until()), (false, Some(now + LONG)));
        table.take_up(&["hurries"], false, now);
        table.take_up(&["B2"], false, now);
        assert_eq!(table.batch(now), ["hurries"]);
        assert_eq!(table.unsettled.settled(), 0, "what came first is not handled");
        assert!(!table.hand.is_time());
        table.take_up(&["B1"], false, now);
        assert!(table.hand.is_time());
        assert_eq!(table.batch(now), ["A1", "B1"]);
        assert_eq!(table.unsettled.settled(), 2);
        table.take_up(&["A2"], false, now);
        assert_eq!(table.batch(now), ["B2", "A2"], "whichever comes last");
        assert_eq!((table.unsettled.settled(), table.unsettled.span()), (5, 0));
        assert!(table.hand.is_empty() && table.hand.here.is_empty());
    }

    #[test]
    fn a_message_that_hurries_takes_along_what_waits_of_its_saga_and_what_waits_for_any_batch() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.take_up(&["A1", "A2", "note"], false, now);
        assert!(!table.hand.is_time());
        table.take_up(&["C1"], false, now);
        assert_eq!(table.batch(now), ["A1", "note", "C1"]);
        assert_eq!(table.unsettled.settled(), 0, "one of the first three is still in hand");
        table.take_up(&["B1"], false, now);
        assert!(!table.hand.is_time(), "what it waits for is no longer in hand");
        table.take_up(&["C2"], false, now);
        assert_eq!(table.batch(now), ["A2", "C2"]);
        assert_eq!((table.unsettled.settled(), table.unsettled.span()), (2, 2));
        assert_eq!(table.unsettled.settled_beyond(), [4]);
    }

    #[test]
    fn nothing_waits_for_longer_than_its_patience() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.take_up(&["note"], false, now);
        table.take_up(&["A1"], false, now + LONG / 3);
        assert_eq!(table.hand.until(), Some(now + LONG));
        assert_eq!(table.batch(now), ["note"], "with any batch");
        assert_eq!(table.hand.until(), Some(now + LONG / 3 + LONG));
        table.take_up(&["A2"], false, now + LONG);
        table.take_up(&["A1"], false, now + LONG);
        assert_eq!(table.batch(now + LONG / 3 + LONG), ["A1", "A1"], "with what else is there of its saga");
        assert_eq!(table.hand.until(), Some(now + LONG + LONG));
    }

    #[test]
    fn the_older_half_waits_no_longer_when_too_much_cannot_be_acknowledged() {
        let (mut table, now) = (Table::default(), Instant::now());
        for texts in [["A1"], ["hurries"], ["note"], ["A2"]] {
            table.take_up(&texts, false, now);
        }
        assert_eq!((table.unsettled.span(), table.unsettled.middle()), (4, 2));
        assert_eq!(table.batch(now), ["hurries", "note"]);
        assert_eq!((table.unsettled.span(), table.unsettled.settled_beyond()), (4, vec![2, 3]));
        table.hand.hurry(table.unsettled.middle());
        assert!(table.hand.is_time());
        assert_eq!(table.batch(now), ["A1"]);
        assert_eq!((table.unsettled.span(), table.unsettled.settled()), (1, 3));
    }

    #[test]
    fn what_comes_again_waits_for_nothing_and_neither_does_what_came_before_it() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.take_up(&["A1", "note"], false, now);
        table.take_up(&["A2"], true, now);
        table.take_up(&["B1"], false, now);
        assert_eq!(table.batch(now), ["A1", "note", "A2", "B1"], "B1 completes its saga");
        table.take_up(&["A1", "A2"], false, now);
        assert!(!table.hand.is_time());
        table.hand.hurry(u64::MAX);
        assert!(table.hand.is_time());
        assert_eq!(table.batch(now), ["A1", "A2"]);
        assert_eq!(table.unsettled.settled(), 4);
    }

    /// What happens to a hand.
    #[derive(Debug, Clone)]
    enum Step {
        Arrives(Vec<&'static str>, bool),
        Hurry,
        Batch,
        Later,
    }

    fn step() -> impl Strategy<Value = Step> {
        let text = prop::sample::select(vec!["A1", "B1", "C1", "A2", "B2", "C2", "note", "hurries"]);
        let arrives = (prop::collection::vec(text, 0..5), prop::bool::weighted(0.1));
        prop_oneof![
            5 => arrives.prop_map(|(texts, again)| Step::Arrives(texts, again)),
            1 => Just(Step::Hurry),
            3 => Just(Step::Batch),
            1 => Just(Step::Later),
        ]
    }

    proptest! {
        #[test]
        fn every_message_leaves_once_in_the_order_of_its_saga_and_with_whatever_is_there_of_it(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let (mut table, mut now) = (Table::default(), Instant::now());
            let (mut arrived, mut left) = (0, 0);
            for step in steps {
                match step {
                    Step::Arrives(texts, again) => {
                        arrived += texts.len();
                        table.take_up(&texts, again, now);
                    }
                    Step::Hurry => table.hand.hurry(table.unsettled.middle()),
                    Step::Later => now += LONG / 2,
                    Step::Batch => {
                        let was_time = table.hand.is_time();
                        let batch = table.hand.batch(now);
                        prop_assert!(!batch.is_empty() || !was_time);
                        prop_assert!(batch.is_sorted_by_key(|tagged| tagged.tag));
                        batch.iter().for_each(|tagged| table.unsettled.settle(tagged.tag));
                        left += batch.len();
                        let sagas = batch.iter().filter_map(|tagged| company(&tagged.message).saga);
                        let gone: HashSet<Uuid> = sagas.collect();
                        prop_assert!(!batch.is_empty() || table.hand.until().is_none_or(|until| until > now));
                        let torn = table.hand.held.iter().any(|held| held.saga.is_some_and(|saga| gone.contains(&saga)));
                        prop_assert!(!torn, "of a saga that is handled nothing stays");
                    }
                }
                let held = &table.hand.held;
                prop_assert_eq!(held.len() + left, arrived);
                prop_assert_eq!(table.hand.hurried, held.iter().filter(|held| held.until == Until::Now).count());
                let waiting = held.iter().filter(|held| matches!(held.until, Until::Batch(_))).count();
                prop_assert_eq!(table.hand.waiting, waiting);
                let here: HashSet<_> = held.iter().filter_map(|held| Some((held.saga?, held.awaited?))).collect();
                prop_assert_eq!(&table.hand.here, &here);
                let open: HashSet<u64> = held.iter().map(|held| held.tagged.tag).collect();
                let beyond = table.unsettled.settled_beyond();
                for tag in 1..=table.tag {
                    let settled = tag <= table.unsettled.settled() || beyond.contains(&tag);
                    prop_assert_eq!(settled, !open.contains(&tag));
                }
            }
        }
    }
}
