//! What the relay holds in memory: bounded in number and bytes, and known by mark, so that the
//! sweep hands nothing over twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many messages are held at most. The rest stays marked, and the sweep comes for it.
pub(crate) const MOST_MESSAGES: usize = 20_000;
/// How many bytes of bodies are held at most.
const MOST_BYTES: usize = 64 << 20;

/// The marks of the messages in memory. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    marks: HashSet<i64>,
    bytes: usize,
}

/// The place of one message, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    mark: i64,
    bytes: usize,
    held: Held,
}

/// Why a message gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// It is held already.
    Twice,
    /// Memory is full.
    Full,
}

impl Held {
    /// A place for a message.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(crate) fn place(&self, mark: i64, bytes: usize) -> Result<Place, NoPlace> {
        let mut inner = self.lock();
        // One message always fits, however large.
        let full = !inner.marks.is_empty() && (inner.marks.len() >= MOST_MESSAGES || inner.bytes + bytes > MOST_BYTES);
        if inner.marks.contains(&mark) {
            return Err(NoPlace::Twice);
        }
        if full {
            return Err(NoPlace::Full);
        }
        inner.marks.insert(mark);
        inner.bytes += bytes;
        Ok(Place { mark, bytes, held: self.clone() })
    }

    /// How many messages are held.
    pub(crate) fn len(&self) -> usize {
        self.lock().marks.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn mark(&self) -> i64 {
        self.mark
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.held.lock();
        inner.marks.remove(&self.mark);
        inner.bytes = inner.bytes.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_held_once_and_its_place_is_given_back() {
        let held = Held::default();
        let place = held.place(7, 10).unwrap();
        assert_eq!((place.mark(), held.len()), (7, 1));
        assert_eq!(held.place(7, 10).err(), Some(NoPlace::Twice));
        drop(place);
        assert_eq!(held.len(), 0);
        assert!(held.place(7, 10).is_ok());
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let held = Held::default();
        let large = held.place(0, MOST_BYTES + 1).unwrap();
        assert_eq!(held.place(1, 1).err(), Some(NoPlace::Full));
        drop(large);
        let places: Vec<Place> = (0..).map_while(|mark| held.place(mark, 1).ok()).collect();
        assert_eq!(places.len(), MOST_MESSAGES);
        drop(places);
        assert!(held.place(1, MOST_BYTES).is_ok());
    }
}
