//! The table `effects` of a participant.

use std::collections::BTreeMap;

use saga_core::effect::{Effect, EffectState};
use saga_runtime::Effects;
use uuid::Uuid;

use super::Bug;

/// What a participant remembers of its steps.
#[derive(Default)]
pub(super) struct EffectTable {
    rows: BTreeMap<(Uuid, String), Effect>,
    bug: Option<Bug>,
}

/// Rows to write.
pub(super) type EffectRows = Vec<((Uuid, String), Effect)>;

impl EffectTable {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { rows: BTreeMap::new(), bug }
    }

    /// What is remembered of a step.
    pub(super) fn read(&self, key: Option<(Uuid, &'static str)>) -> Effects {
        let key = key.filter(|_| self.bug != Some(Bug::NoDedupe)).map(|(saga, step)| (saga, step.to_owned()));
        Effects::of(key.and_then(|key| Some((key.clone(), *self.rows.get(&key)?))))
    }

    pub(super) fn write(&mut self, rows: EffectRows) {
        for (key, effect) in rows {
            let is_tombstone = effect.state == EffectState::Undone && !self.rows.contains_key(&key);
            if !(is_tombstone && self.bug == Some(Bug::NoTombstones)) {
                self.rows.insert(key, effect);
            }
        }
    }

    /// What became of a step.
    pub(super) fn state(&self, saga: Uuid, step: &str) -> Option<EffectState> {
        self.rows.get(&(saga, step.to_owned())).map(|effect| effect.state)
    }
}

/// What a transaction changed.
pub(super) fn changed(effects: &Effects) -> EffectRows {
    effects.changed().map(|(key, effect)| (key.clone(), *effect)).collect()
}
