//! A model of one process: its tables, and transactions that happen whole or not at all.
//!
//! It follows `saga-runtime`'s delivery: an [`Attempt`] is a transaction before its commit, made by
//! reading alone; dropping it is a rollback. [`Process::commit`] is the commit. What was committed
//! is published later, one mark after the other, and a mark goes once it is.

use std::collections::BTreeMap;
use std::rc::Rc;

use saga_core::{Message, Time};
use saga_runtime::{Output, Verdict};
use time::Duration;
use uuid::Uuid;

use super::broker::Letter;

/// A message that was put off this often needs a person.
const MOST_ATTEMPTS: u32 = 20;

/// The business half of a process.
pub(super) trait Tables {
    /// Rows that a transaction would write.
    type Write: Default;
    /// Whether a request that comes again is answered again.
    const ANSWERS_AGAIN: bool;

    /// What becomes of a message: reads rows and writes none.
    fn handle(&self, message: &Message, now: Time) -> (Verdict, Self::Write);

    /// Writes rows.
    fn write(&mut self, rows: Self::Write);
}

/// One process.
pub(super) struct Process<T> {
    /// The rows of its business.
    pub(super) tables: T,
    /// The rows of its pipeline.
    pub(super) book: Book,
    /// Built in by tests: it does not look whether it handled a message before.
    pub(super) forgets_what_it_handled: bool,
}

/// What the pipeline keeps, the same in every process.
#[derive(Default)]
pub(super) struct Book {
    /// What was handled, by queue and message.
    pub(super) inbox: BTreeMap<(&'static str, Uuid), Handled>,
    /// What was sent.
    pub(super) journal: BTreeMap<Uuid, Letter>,
    /// What others sent and may have to be sent again from here.
    pub(super) kept: BTreeMap<Uuid, Letter>,
    /// What is to be published.
    pub(super) outbox: BTreeMap<u64, Mark>,
    /// What was put off, with how often.
    pub(super) deferred: BTreeMap<(&'static str, Uuid), u32>,
    /// What was set aside.
    pub(super) parked: Vec<Parked>,
    marks: u64,
}

/// A message that was handled.
pub(super) struct Handled {
    pub(super) letter: Letter,
    pub(super) at: Time,
    pub(super) note: Option<&'static str>,
    answers: Vec<Uuid>,
}

/// A stored message that is to be published.
pub(super) struct Mark {
    message: Uuid,
    queue: Option<String>,
}

/// A message that was set aside.
pub(super) struct Parked {
    pub(super) letter: Letter,
    pub(super) queue: &'static str,
    pub(super) reason: String,
}

/// A transaction before its commit.
pub(super) struct Attempt<W> {
    queue: &'static str,
    letter: Letter,
    /// How often the message was put off before.
    times: u32,
    fate: Fate<W>,
}

enum Fate<W> {
    Repeated(Vec<Uuid>),
    Waiting,
    Conflict,
    Handled(Verdict, W),
}

/// What a commit leaves to be done.
#[derive(Default)]
pub(super) struct After {
    /// What became of the message, in a word or two.
    pub(super) became: Became,
    /// The marks to publish.
    pub(super) publish: Vec<u64>,
    /// How many of them were sent before.
    pub(super) again: usize,
    /// When the message is to be looked at again.
    pub(super) due: Option<Time>,
}

/// What became of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Became {
    /// It changed something.
    #[default]
    Handled,
    /// It changed nothing, rightly.
    Ignored(&'static str),
    /// It was handled before.
    Repeated,
    /// It comes back later.
    PutOff,
    /// It was set aside.
    Parked(String),
}

impl<T: Tables> Process<T> {
    pub(super) fn new(tables: T) -> Self {
        Self { tables, book: Book::default(), forgets_what_it_handled: false }
    }

    /// The transaction of a delivery, up to its commit.
    pub(super) fn attempt(&self, queue: &'static str, letter: &Letter, now: Time, is_due: bool) -> Attempt<T::Write> {
        let key = (queue, letter.id);
        let times = self.book.deferred.get(&key).copied();
        let known = self.book.inbox.get(&key).filter(|_| !self.forgets_what_it_handled);
        let fate = match known {
            Some(known) if same(&known.letter, letter) => Fate::Repeated(known.answers.clone()),
            Some(_) => Fate::Conflict,
            None if (times.is_some() && !is_due) || self.book.is_parked(&key) => Fate::Waiting,
            None => {
                let (verdict, rows) = self.tables.handle(letter, now);
                Fate::Handled(verdict, rows)
            }
        };
        Attempt { queue, letter: letter.clone(), times: times.unwrap_or_default(), fate }
    }

    /// Commits a delivery.
    pub(super) fn commit(&mut self, attempt: Attempt<T::Write>, now: Time) -> After {
        let Attempt { queue, letter, times, fate } = attempt;
        match fate {
            Fate::Repeated(answers) if T::ANSWERS_AGAIN => self.book.answer_again(answers),
            Fate::Repeated(_) | Fate::Waiting => After { became: Became::Repeated, ..After::default() },
            Fate::Conflict => self.book.park(queue, letter, "conflict".to_owned()),
            Fate::Handled(Verdict::PutOff { reason }, _) => self.book.put_off(queue, letter, times, &reason, now),
            Fate::Handled(Verdict::Park { reason, detail }, _) => {
                self.book.park(queue, letter, format!("{reason}: {detail}"))
            }
            Fate::Handled(Verdict::Done(output), rows) => match self.book.sent_twice(&output) {
                Some(twice) => {
                    let reason = format!("{} {} was sent before", twice.kind, twice.id);
                    self.book.put_off(queue, letter, times, &reason, now)
                }
                None => {
                    self.tables.write(rows);
                    self.book.settle(queue, &letter, output, now)
                }
            },
        }
    }

    /// Commits a change that no message caused: a person's, or an alarm's.
    pub(super) fn change(&mut self, rows: T::Write, output: Output) -> After {
        self.tables.write(rows);
        self.book.send(output).0
    }
}

impl Book {
    /// The message of a mark, and the queue that it goes straight into.
    pub(super) fn load(&self, mark: u64) -> Option<(Letter, Option<String>)> {
        let Mark { message, queue } = self.outbox.get(&mark)?;
        let letter = self.journal.get(message).or_else(|| self.kept.get(message))?;
        Some((letter.clone(), queue.clone()))
    }

    /// The broker has a message: its mark goes.
    pub(super) fn confirmed(&mut self, mark: u64) {
        self.outbox.remove(&mark);
    }

    fn is_parked(&self, key: &(&'static str, Uuid)) -> bool {
        self.parked.iter().any(|parked| (parked.queue, parked.letter.id) == *key)
    }

    /// The journal takes each id once.
    fn sent_twice<'a>(&self, output: &'a Output) -> Option<&'a Message> {
        output.send.iter().map(|outgoing| &outgoing.message).find(|message| self.journal.contains_key(&message.id))
    }

    fn settle(&mut self, queue: &'static str, letter: &Letter, output: Output, now: Time) -> After {
        let note = output.note;
        if output.keep {
            self.kept.insert(letter.id, letter.clone());
        }
        let (mut after, answers) = self.send(output);
        after.became = note.map_or(Became::Handled, Became::Ignored);
        self.deferred.remove(&(queue, letter.id));
        self.inbox.insert((queue, letter.id), Handled { letter: letter.clone(), at: now, note, answers });
        after
    }

    /// Journals and marks what goes out; says what of it answers the message that led to it.
    fn send(&mut self, output: Output) -> (After, Vec<Uuid>) {
        let (mut after, mut answers) = (After { again: output.resend.len(), ..After::default() }, Vec::new());
        for outgoing in output.send {
            let message = outgoing.message.id;
            self.journal.insert(message, Rc::new(as_read(outgoing.message)));
            answers.push(message);
            after.publish.push(self.mark(message, outgoing.queue));
        }
        for again in output.resend {
            if again.queue.is_none() {
                answers.push(again.message.id);
            }
            after.publish.push(self.mark(again.message.id, again.queue));
        }
        (after, answers)
    }

    fn answer_again(&mut self, answers: Vec<Uuid>) -> After {
        let again = answers.len();
        let publish = answers.into_iter().map(|message| self.mark(message, None)).collect();
        After { became: Became::Repeated, publish, again, due: None }
    }

    fn mark(&mut self, message: Uuid, queue: Option<String>) -> u64 {
        self.marks += 1;
        self.outbox.insert(self.marks, Mark { message, queue });
        self.marks
    }

    fn put_off(&mut self, queue: &'static str, letter: Letter, times: u32, reason: &str, now: Time) -> After {
        if times >= MOST_ATTEMPTS {
            return self.park(queue, letter, format!("put_off_too_often: {reason}"));
        }
        self.deferred.insert((queue, letter.id), times + 1);
        After { became: Became::PutOff, due: Some(now + wait(times)), ..After::default() }
    }

    fn park(&mut self, queue: &'static str, letter: Letter, reason: String) -> After {
        self.deferred.remove(&(queue, letter.id));
        self.parked.push(Parked { letter, queue, reason: reason.clone() });
        After { became: Became::Parked(reason), ..After::default() }
    }
}

/// What consumers read is what was written: a message once it went through its bytes. One that does
/// not survive that is left without data, so that the rules find it parked. It costs as much as all
/// the rest, so one message in eight stands for the others.
fn as_read(mut message: Message) -> Message {
    if !message.id.as_u128().is_multiple_of(8) {
        return message;
    }
    Message::parse(&message.to_bytes()).unwrap_or_else(|_| {
        message.data = serde_json::Value::Null;
        message
    })
}

/// Copies of one stored message are one; otherwise the content says.
fn same(one: &Letter, other: &Letter) -> bool {
    Rc::ptr_eq(one, other) || one.content_hash() == other.content_hash()
}

/// How long a message is put off: a second at first, doubling, at most a minute.
fn wait(times: u32) -> Duration {
    Duration::seconds(2_i64.saturating_pow(times.min(6)).min(60))
}

#[cfg(test)]
mod tests;
