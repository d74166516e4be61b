//! What is to happen when: the virtual clock.

use std::collections::BTreeMap;

use saga_core::Time;

/// Events in order of their times; those of one time in the order in which they were entered.
pub(super) struct Agenda<E> {
    now: Time,
    entered: u64,
    due: BTreeMap<(Time, u64), E>,
}

impl<E> Agenda<E> {
    pub(super) fn new(now: Time) -> Self {
        Self { now, entered: 0, due: BTreeMap::new() }
    }

    /// The time of what is happening.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Enters an event; what is past happens next.
    pub(super) fn enter(&mut self, at: Time, event: E) {
        self.entered += 1;
        self.due.insert((at.max(self.now), self.entered), event);
    }

    /// When the next event is due.
    pub(super) fn next_time(&self) -> Option<Time> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next event, and moves the clock there.
    pub(super) fn take(&mut self) -> Option<E> {
        let ((at, _), event) = self.due.pop_first()?;
        self.now = at;
        Some(event)
    }

    /// Moves the clock forward to something that is not entered here.
    pub(super) fn forward_to(&mut self, at: Time) {
        self.now = self.now.max(at);
    }
}
