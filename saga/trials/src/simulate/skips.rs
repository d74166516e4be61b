//! What operators skipped.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::Direction;
use uuid::Uuid;

/// What operators counted as done or undone: by saga, rows of the table.
#[derive(Default)]
pub(super) struct Skips(BTreeMap<Uuid, BTreeSet<(usize, bool)>>);

impl Skips {
    /// Whether anything of a saga was skipped.
    pub(super) fn touched(&self, saga: Uuid) -> bool {
        self.0.contains_key(&saga)
    }

    /// Whether a step, or its undo, was.
    pub(super) fn has(&self, saga: Uuid, row: usize, direction: Direction) -> bool {
        self.0.get(&saga).is_some_and(|rows| rows.contains(&(row, direction == Direction::Undo)))
    }

    /// An operator skipped a step, or its undo.
    pub(super) fn add(&mut self, saga: Uuid, row: usize, direction: Direction) {
        self.0.entry(saga).or_default().insert((row, direction == Direction::Undo));
    }
}
