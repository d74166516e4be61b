//! A model of one process's database: its tables, and transactions that happen whole or not at all.
//!
//! It follows `saga-runtime`'s delivery: an [`Attempt`] is a transaction before its commit, made by
//! reading alone; dropping it is a rollback. [`Process::commit`] is the commit. All copies of a
//! process share it.

use std::collections::BTreeMap;
use std::rc::Rc;

use saga_core::{Message, Time};
use saga_runtime::{Output, Verdict};
use time::Duration;

use super::Bug;
use super::book::{After, Became, Book, Key, key};
use super::broker::Letter;

/// A message from further ahead waits for its time.
const MOST_AHEAD: Duration = Duration::minutes(5);
/// A message that was handed out this often, and nobody settled, crashes its consumer.
const CRASH_LOOP: u32 = 10;

/// The business half of a process.
pub(super) trait Tables {
    /// Rows that a transaction would write.
    type Write: Default;
    /// Whether a request that comes again is answered again.
    const ANSWERS_AGAIN: bool;

    /// What becomes of each message of a batch: reads rows and writes none. A later message sees
    /// what an earlier one changed.
    fn handle(&self, batch: &[Letter], now: Time) -> (Vec<Verdict>, Self::Write);

    /// Writes rows.
    fn write(&mut self, rows: Self::Write);
}

/// One process.
pub(super) struct Process<T> {
    /// The rows of its business.
    pub(super) tables: T,
    /// The rows of its pipeline.
    pub(super) book: Book,
    /// Built in by tests.
    pub(super) bug: Option<Bug>,
}

/// A message that is being handled.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) letter: Letter,
    /// How often the broker handed it out before.
    pub(super) times: u32,
    /// How often it was put off before.
    pub(super) attempts: u32,
}

/// A transaction before its commit.
pub(super) struct Attempt<W> {
    queue: &'static str,
    fates: Vec<(Taken, Fate)>,
    rows: W,
    /// The messages were put off, and are taken out of there.
    held: bool,
}

enum Fate {
    /// It was handled: its answers.
    Repeated(Vec<Key>),
    /// A copy of it waits here already, or is in the same batch.
    Waiting,
    /// Another content under the same id.
    Conflict,
    /// Its time has not come.
    Ahead,
    /// Its handler decided.
    Decided(Verdict),
}

/// A process, whatever its business.
pub(super) trait Service {
    /// Handles a batch in one transaction.
    fn settle(&mut self, queue: &'static str, batch: &[Taken], now: Time, held: bool) -> After;
    /// What a batch would send, were it committed.
    fn would_send(&self, queue: &'static str, batch: &[Taken], now: Time) -> Vec<Message>;
    fn book(&self) -> &Book;
    fn book_mut(&mut self) -> &mut Book;
}

impl<T: Tables> Process<T> {
    pub(super) fn new(tables: T, since: Time, bug: Option<Bug>) -> Self {
        Self { tables, book: Book::new(since, bug), bug }
    }

    /// The transaction of a batch, up to its commit. `held`: it was put off, and is taken out of there.
    pub(super) fn attempt(&self, queue: &'static str, batch: &[Taken], now: Time, held: bool) -> Attempt<T::Write> {
        let (mut fates, mut fresh) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut seen: BTreeMap<Key, &Letter> = BTreeMap::new();
        for taken in batch {
            let fate = match seen.get(&key(&taken.letter)) {
                Some(first) if same(first, &taken.letter) => Some(Fate::Waiting),
                Some(_) => Some(Fate::Conflict),
                None => self.before(queue, taken, now, held),
            };
            seen.entry(key(&taken.letter)).or_insert(&taken.letter);
            fresh.extend(fate.is_none().then(|| taken.letter.clone()));
            fates.push((taken.clone(), fate));
        }
        let (verdicts, rows) = if fresh.is_empty() { Default::default() } else { self.tables.handle(&fresh, now) };
        let mut verdicts = verdicts.into_iter();
        let decided =
            |(taken, fate): (Taken, Option<Fate>)| Some((taken, fate.or_else(|| verdicts.next().map(Fate::Decided))?));
        Attempt { queue, fates: fates.into_iter().filter_map(decided).collect(), rows, held }
    }

    /// What becomes of a message before any handler sees it.
    fn before(&self, queue: &'static str, taken: &Taken, now: Time, held: bool) -> Option<Fate> {
        let letter = &taken.letter;
        if taken.times >= CRASH_LOOP {
            let detail = format!("it was delivered {} times and never settled", taken.times);
            return Some(Fate::Decided(Verdict::Park { reason: "crash_loop", detail }));
        }
        if letter.time - now > MOST_AHEAD {
            return Some(Fate::Ahead);
        }
        let known = self.book.inbox.get(&(queue, key(letter))).filter(|_| self.bug != Some(Bug::NoDedupe));
        let waiting = (queue, letter.id);
        match known {
            Some(known) if same(&known.letter, letter) => Some(Fate::Repeated(known.answers.clone())),
            Some(_) => Some(Fate::Conflict),
            None if self.book.parked.contains_key(&waiting) => Some(Fate::Waiting),
            None if !held && self.book.deferred.contains_key(&waiting) => Some(Fate::Waiting),
            None => None,
        }
    }

    /// Commits a batch.
    pub(super) fn commit(&mut self, attempt: Attempt<T::Write>, now: Time) -> After {
        let Attempt { queue, fates, rows, held } = attempt;
        let (book, mut after) = (&mut self.book, After::default());
        self.tables.write(rows);
        for (Taken { letter, attempts, .. }, fate) in fates {
            if held {
                book.deferred.remove(&(queue, letter.id));
            }
            match fate {
                Fate::Repeated(answers) if T::ANSWERS_AGAIN => book.answer_again(letter, answers, &mut after),
                Fate::Repeated(_) | Fate::Waiting => after.became.push((letter, Became::Repeated)),
                Fate::Conflict => book.park(queue, letter, "conflict".to_owned(), &mut after),
                Fate::Ahead => {
                    let due = letter.time;
                    book.put_off(queue, letter, attempts, due, &mut after);
                }
                Fate::Decided(Verdict::PutOff { reason }) => {
                    book.try_later(queue, letter, attempts, &reason, now, &mut after);
                }
                Fate::Decided(Verdict::Park { reason, detail }) => {
                    book.park(queue, letter, format!("{reason}: {detail}"), &mut after);
                }
                Fate::Decided(Verdict::Done(output)) => book.settle(queue, letter, output, now, &mut after),
            }
        }
        after
    }

    /// Commits a change that no message caused: a person's, or an alarm's.
    pub(super) fn change(&mut self, rows: T::Write, output: Output) -> After {
        let mut after = After::default();
        self.tables.write(rows);
        self.book.send(output, &mut after);
        after
    }
}

impl<T: Tables> Service for Process<T> {
    fn settle(&mut self, queue: &'static str, batch: &[Taken], now: Time, held: bool) -> After {
        let attempt = self.attempt(queue, batch, now, held);
        self.commit(attempt, now)
    }

    fn would_send(&self, queue: &'static str, batch: &[Taken], now: Time) -> Vec<Message> {
        let Attempt { fates, .. } = self.attempt(queue, batch, now, false);
        let outputs = fates.into_iter().filter_map(|(_, fate)| match fate {
            Fate::Decided(Verdict::Done(output)) => Some(output),
            Fate::Decided(Verdict::PutOff { .. } | Verdict::Park { .. })
            | Fate::Repeated(_)
            | Fate::Waiting
            | Fate::Conflict
            | Fate::Ahead => None,
        });
        outputs.flat_map(|output| output.send).map(|outgoing| outgoing.message).collect()
    }

    fn book(&self) -> &Book {
        &self.book
    }

    fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }
}

/// Messages that go out because of a change.
pub(super) fn sending(messages: Vec<Message>) -> Output {
    Output { send: messages.into_iter().map(Into::into).collect(), ..Output::default() }
}

/// Copies of one stored message are one; otherwise the content says.
fn same(one: &Letter, other: &Letter) -> bool {
    Rc::ptr_eq(one, other) || one.content_hash() == other.content_hash()
}

#[cfg(test)]
mod tests;
