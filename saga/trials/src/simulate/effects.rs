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

    /// What is remembered of these steps.
    pub(super) fn read(&self, keys: impl IntoIterator<Item = (Uuid, &'static str)>) -> Effects {
        let keys = keys.into_iter().map(|(saga, step)| (saga, step.to_owned()));
        let known = keys.filter_map(|key| self.rows.get(&key).map(|effect| (key, *effect)));
        Effects::of(known.filter(|_| self.bug != Some(Bug::NoDedupe)))
    }

    pub(super) fn write(&mut self, rows: EffectRows) {
        for (key, mut effect) in rows {
            let is_undone = effect.state == EffectState::Undone;
            if is_undone && !self.rows.contains_key(&key) && self.bug == Some(Bug::NoTombstones) {
                continue;
            }
            if is_undone && self.bug == Some(Bug::TombstonesWithoutEpoch) {
                effect.epoch = 0;
            }
            self.rows.insert(key, effect);
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
