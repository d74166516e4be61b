//! What the relay holds in memory: bounded in number and bytes, and known by mark, so that the
//! sweep hands nothing over twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::{Mark, Settled};

/// How many messages are held at most. The rest stays marked, and the sweep comes for it.
pub(crate) const MOST_MESSAGES: usize = 20_000;
/// How many bytes of bodies are held at most.
const MOST_BYTES: usize = 64 << 20;

/// The marks of the messages in memory. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    inner: Arc<Mutex<Inner>>,
    ended: UnboundedSender<Ended>,
}

#[derive(Debug, Default)]
struct Inner {
    marks: HashSet<i64>,
    messages: usize,
    bytes: usize,
}

/// The place of one message. Dropped: it was not published.
#[derive(Debug)]
pub(crate) struct Place {
    hold: Arc<Hold>,
    bit: u64,
}

/// A mark, some of whose messages are on their way.
#[derive(Debug)]
pub(crate) struct Hold {
    of: u32,
    published: AtomicU64,
    room: Option<Room>,
}

/// A mark whose messages are all settled, and some of them published. It is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) settled: Settled,
    _room: Room,
}

/// What a mark takes of the memory, given back when dropped.
#[derive(Debug)]
struct Room {
    id: i64,
    messages: usize,
    bytes: usize,
    held: Held,
}

/// Why a mark is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// It is held already.
    Twice,
    /// Memory is full.
    Full,
}

impl Held {
    /// Nothing is held; and where marks come out whose messages are settled.
    pub(crate) fn new() -> (Self, UnboundedReceiver<Ended>) {
        let (ended, settled) = mpsc::unbounded_channel();
        (Self { inner: Arc::default(), ended }, settled)
    }

    /// Takes a mark, of which so many messages with so many bytes are to be published.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub(crate) fn hold(&self, mark: Mark, messages: usize, bytes: usize) -> Result<Arc<Hold>, NotHeld> {
        let mut inner = self.lock();
        // One mark always fits, however large.
        let full = inner.messages + messages > MOST_MESSAGES || inner.bytes + bytes > MOST_BYTES;
        if inner.marks.contains(&mark.id) {
            return Err(NotHeld::Twice);
        }
        if full && !inner.marks.is_empty() {
            return Err(NotHeld::Full);
        }
        inner.marks.insert(mark.id);
        inner.messages += messages;
        inner.bytes += bytes;
        let room = Room { id: mark.id, messages, bytes, held: self.clone() };
        Ok(Arc::new(Hold { of: mark.of, published: AtomicU64::new(0), room: Some(room) }))
    }

    /// How many messages are held.
    pub(crate) fn len(&self) -> usize {
        self.lock().messages
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// The place of one of its messages.
    pub(crate) fn place(self: &Arc<Self>, mark: Mark) -> Place {
        Place { hold: Arc::clone(self), bit: 1 << mark.n }
    }
}

impl Place {
    /// It was published.
    pub(crate) fn published(self) {
        self.hold.published.fetch_or(self.bit, Ordering::Relaxed);
    }
}

/// The last of its messages is settled.
impl Drop for Hold {
    fn drop(&mut self) {
        let published = *self.published.get_mut();
        if let Some(room) = self.room.take()
            && published != 0
        {
            let ended = room.held.ended.clone();
            let settled = Settled { id: room.id, of: self.of, done: published };
            // Nobody listens any more when the process is leaving: the mark stays, and its messages go out again.
            let _ = ended.send(Ended { settled, _room: room });
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut inner = self.held.lock();
        inner.marks.remove(&self.id);
        inner.messages -= self.messages;
        inner.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: i64, n: u32, of: u32) -> Mark {
        Mark { id, n, of }
    }

    #[test]
    fn a_mark_is_held_once_and_until_its_end_is_dealt_with() {
        let (held, mut ended) = Held::new();
        let hold = held.hold(of(7, 0, 2), 2, 10).unwrap();
        let (first, second) = (hold.place(of(7, 0, 2)), hold.place(of(7, 1, 2)));
        drop(hold);
        assert_eq!(held.len(), 2);
        assert_eq!(held.hold(of(7, 0, 2), 2, 10).err(), Some(NotHeld::Twice));
        second.published();
        assert!(ended.try_recv().is_err(), "one is still on its way");
        first.published();
        let end = ended.try_recv().unwrap();
        assert_eq!(end.settled, Settled { id: 7, of: 2, done: 0b11 });
        assert!(end.settled.wholly());
        assert_eq!(held.hold(of(7, 0, 2), 2, 10).err(), Some(NotHeld::Twice));
        drop(end);
        assert_eq!(held.len(), 0);
        assert!(held.hold(of(7, 0, 2), 2, 10).is_ok());
    }

    #[test]
    fn what_of_a_mark_was_not_published_is_told_whichever_ends_last() {
        let (held, mut ended) = Held::new();
        for (last, done) in [(0, 0b110), (2, 0b011)] {
            let hold = held.hold(of(1, 0, 3), 3, 0).unwrap();
            let mut places: Vec<Place> = (0..3).map(|n| hold.place(of(1, n, 3))).collect();
            drop(hold);
            let last = places.remove(last);
            places.into_iter().for_each(Place::published);
            drop(last);
            assert_eq!(ended.try_recv().unwrap().settled, Settled { id: 1, of: 3, done });
        }
        // Of these only some could be read, and none was published: there is nothing to tell.
        drop(held.hold(of(1, 0, 3), 1, 0).unwrap().place(of(1, 2, 3)));
        assert!(ended.try_recv().is_err());
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let (held, _ended) = Held::new();
        let large = held.hold(Mark::alone(0), 1, MOST_BYTES + 1).unwrap();
        assert_eq!(held.hold(Mark::alone(1), 1, 1).err(), Some(NotHeld::Full));
        drop(large);
        let all: Vec<Arc<Hold>> = (0..).map_while(|id| held.hold(of(id, 0, 50), 50, 1).ok()).collect();
        assert_eq!(50 * all.len(), MOST_MESSAGES);
        drop(all);
        assert!(held.hold(Mark::alone(1), 1, MOST_BYTES).is_ok());
    }
}
