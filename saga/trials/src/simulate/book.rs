//! The rows of a process's pipeline, the same in every process: inbox, journal, kept messages, outbox,
//! deferred and parked ones.

use std::collections::BTreeMap;
use std::rc::Rc;

use saga_core::{Message, Time};
use saga_runtime::Output;
use time::{Date, Duration};
use uuid::Uuid;

use super::Bug;
use super::broker::Letter;
use super::bugs;

/// A message that was put off this often needs a person.
const MOST_ATTEMPTS: u32 = 20;
/// Why it is parked.
const TOO_OFTEN: &str = "put_off_too_often";

/// What a message is known by: the day of its time, and its id.
pub(super) type Key = (Date, Uuid);

/// What the pipeline keeps.
pub(super) struct Book {
    /// The database's own clock.
    pub(super) clock: Time,
    /// What was handled, by queue and message.
    pub(super) inbox: BTreeMap<(&'static str, Key), Handled>,
    /// What was sent.
    pub(super) journal: BTreeMap<Key, Sent>,
    /// What was sent again under an id of the same day: the database takes that.
    pub(super) sent_twice: Vec<Letter>,
    /// What others sent and may have to be sent again from here.
    pub(super) kept: BTreeMap<Key, Letter>,
    /// What is to be published.
    pub(super) outbox: BTreeMap<u64, Mark>,
    /// What was put off.
    pub(super) deferred: BTreeMap<(&'static str, Uuid), Deferred>,
    /// What was set aside.
    pub(super) parked: BTreeMap<(&'static str, Uuid), Parked>,
    /// Built in by tests.
    pub(super) bug: Option<Bug>,
    marks: u64,
    /// Counts the rows of inbox and journal.
    rows: u64,
}

/// A message that was handled.
pub(super) struct Handled {
    pub(super) letter: Letter,
    pub(super) at: Time,
    /// Its place among the rows of inbox and journal.
    pub(super) row: u64,
    pub(super) note: Option<&'static str>,
    pub(super) answers: Vec<Key>,
}

/// A message that was sent.
pub(super) struct Sent {
    pub(super) letter: Letter,
    /// The queue that it went straight into.
    pub(super) queue: Option<String>,
    /// Its place among the rows of inbox and journal.
    pub(super) row: u64,
}

/// A stored message that is to be published.
pub(super) struct Mark {
    message: Key,
    queue: Option<String>,
    /// When somebody took it upon them to publish it.
    claimed_at: Time,
}

/// A message that was put off.
pub(super) struct Deferred {
    pub(super) letter: Letter,
    pub(super) attempts: u32,
    pub(super) due_at: Time,
}

/// A message that was set aside.
pub(super) struct Parked {
    pub(super) letter: Letter,
    pub(super) reason: String,
}

/// A message that is to be published, taken out of the book.
#[derive(Clone)]
pub(super) struct Outbound {
    pub(super) mark: u64,
    pub(super) letter: Letter,
    pub(super) queue: Option<String>,
}

/// What a commit leaves to be done.
#[derive(Default)]
pub(super) struct After {
    /// What became of each message.
    pub(super) became: Vec<(Letter, Became)>,
    /// What to publish.
    pub(super) publish: Vec<Outbound>,
    /// How many of these were sent before.
    pub(super) again: usize,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Became {
    /// It changed something.
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

pub(super) fn key(message: &Message) -> Key {
    (message.time.date(), message.id)
}

impl Book {
    pub(super) fn new(clock: Time, bug: Option<Bug>) -> Self {
        Self {
            clock,
            inbox: BTreeMap::new(),
            journal: BTreeMap::new(),
            kept: BTreeMap::new(),
            sent_twice: Vec::new(),
            outbox: BTreeMap::new(),
            deferred: BTreeMap::new(),
            parked: BTreeMap::new(),
            bug,
            marks: 0,
            rows: 0,
        }
    }

    /// A message that was sent, or kept.
    pub(super) fn stored(&self, message: &Key) -> Option<&Letter> {
        self.journal.get(message).map(|sent| &sent.letter).or_else(|| self.kept.get(message))
    }

    /// The message of a mark.
    fn load(&self, mark: u64) -> Option<Outbound> {
        let Mark { message, queue, .. } = self.outbox.get(&mark)?;
        let letter = self.stored(message)?.clone();
        Some(Outbound { mark, letter, queue: queue.clone() })
    }

    /// The broker has a message: its mark goes.
    pub(super) fn confirmed(&mut self, mark: u64) {
        self.outbox.remove(&mark);
    }

    /// Takes over marks that nobody removed for so long. One whose message is gone goes too.
    pub(super) fn leftovers(&mut self, left_for: Duration) -> Vec<Outbound> {
        let is_left = |mark: &Mark| mark.claimed_at + left_for <= self.clock;
        let left: Vec<u64> = self.outbox.iter().filter(|(_, mark)| is_left(mark)).map(|(n, _)| *n).collect();
        let mut loaded = Vec::with_capacity(left.len());
        for number in left {
            match (self.load(number), self.outbox.get_mut(&number)) {
                (Some(outbound), Some(mark)) => {
                    mark.claimed_at = self.clock;
                    loaded.push(outbound);
                }
                (None, _) | (_, None) => drop(self.outbox.remove(&number)),
            }
        }
        loaded
    }

    /// Takes out what was parked because it was put off too often: in time it can be handled.
    pub(super) fn put_off_too_often(&mut self) -> Vec<(&'static str, Letter)> {
        let due = |parked: &Parked| parked.reason.starts_with(TOO_OFTEN);
        let taken = self.parked.extract_if(.., |_, parked| due(parked));
        taken.map(|((queue, _), parked)| (queue, parked.letter)).collect()
    }

    /// What was put off and is due, of one queue.
    pub(super) fn due(&self, queue: &'static str, now: Time) -> Vec<(Letter, u32)> {
        const AT_ONCE: usize = 64;
        let due = self.put_off_in(queue).filter(|deferred| deferred.due_at <= now);
        due.take(AT_ONCE).map(|deferred| (deferred.letter.clone(), deferred.attempts)).collect()
    }

    /// When the next message that was put off is due.
    pub(super) fn next_due(&self, queue: &'static str) -> Option<Time> {
        self.put_off_in(queue).map(|deferred| deferred.due_at).min()
    }

    fn put_off_in(&self, queue: &'static str) -> impl Iterator<Item = &Deferred> {
        let of_queue = self.deferred.range((queue, Uuid::nil())..=(queue, Uuid::max()));
        of_queue.map(|(_, deferred)| deferred)
    }

    /// A message was handled, and this goes out.
    pub(super) fn settle(&mut self, queue: &'static str, letter: Letter, output: Output, now: Time, after: &mut After) {
        let note = output.note;
        if output.keep {
            self.kept.insert(key(&letter), letter.clone());
        }
        let row = self.next_row();
        let answers = self.send(output, after);
        self.inbox.insert((queue, key(&letter)), Handled { letter: letter.clone(), at: now, row, note, answers });
        after.became.push((letter, note.map_or(Became::Handled, Became::Ignored)));
    }

    /// Journals and marks what goes out; says what of it answers the message that led to it.
    pub(super) fn send(&mut self, output: Output, after: &mut After) -> Vec<Key> {
        let mut answers = Vec::new();
        for outgoing in output.send {
            let message = self.journal(outgoing.message, outgoing.queue.clone());
            answers.push(message);
            self.mark(message, outgoing.queue, after);
        }
        for again in output.resend {
            let mut message = (again.message.time.date(), again.message.id);
            if again.queue.is_none() {
                answers.push(message);
            } else if self.bug == Some(Bug::ResendsUnderNewIds) {
                message = self.under_new_id(message, again.queue.clone());
            }
            after.again += 1;
            self.mark(message, again.queue, after);
        }
        answers
    }

    /// A request that comes again is answered again.
    pub(super) fn answer_again(&mut self, letter: Letter, answers: Vec<Key>, after: &mut After) {
        for mut message in answers {
            if self.bug == Some(Bug::AnswersUnderNewIds) {
                message = self.under_new_id(message, None);
            }
            after.again += 1;
            self.mark(message, None, after);
        }
        after.became.push((letter, Became::Repeated));
    }

    fn journal(&mut self, message: Message, queue: Option<String>) -> Key {
        let (key, row) = (key(&message), self.next_row());
        let letter = Rc::new(as_read(message));
        if self.journal.insert(key, Sent { letter: Rc::clone(&letter), queue, row }).is_some() {
            self.sent_twice.push(letter);
        }
        key
    }

    fn under_new_id(&mut self, message: Key, queue: Option<String>) -> Key {
        let Some(renamed) = self.stored(&message).map(|letter| bugs::renamed(letter, self.rows)) else {
            return message;
        };
        self.journal(renamed, queue)
    }

    fn mark(&mut self, message: Key, queue: Option<String>, after: &mut After) {
        self.marks += 1;
        self.outbox.insert(self.marks, Mark { message, queue, claimed_at: self.clock });
        after.publish.extend(self.load(self.marks));
    }

    fn next_row(&mut self) -> u64 {
        self.rows += 1;
        self.rows
    }

    /// Puts a message off, a little longer each time, and parks it in the end.
    pub(super) fn try_later(
        &mut self,
        queue: &'static str,
        letter: Letter,
        attempts: u32,
        reason: &str,
        now: Time,
        after: &mut After,
    ) {
        if attempts >= MOST_ATTEMPTS {
            return self.park(queue, letter, format!("{TOO_OFTEN}: {reason}"), after);
        }
        self.put_off(queue, letter, attempts, now + wait(attempts), after);
    }

    /// Puts a message off until then.
    pub(super) fn put_off(
        &mut self,
        queue: &'static str,
        letter: Letter,
        attempts: u32,
        due_at: Time,
        after: &mut After,
    ) {
        let deferred = Deferred { letter: letter.clone(), attempts: attempts + 1, due_at };
        self.deferred.entry((queue, letter.id)).or_insert(deferred);
        after.became.push((letter, Became::PutOff));
    }

    /// Sets a message aside.
    pub(super) fn park(&mut self, queue: &'static str, letter: Letter, reason: String, after: &mut After) {
        self.parked.insert((queue, letter.id), Parked { letter: letter.clone(), reason: reason.clone() });
        after.became.push((letter, Became::Parked(reason)));
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

/// How long a message is put off: a second at first, doubling, at most a minute.
fn wait(attempts: u32) -> Duration {
    Duration::seconds(2_i64.saturating_pow(attempts.min(6)).min(60))
}
