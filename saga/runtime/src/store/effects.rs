//! What a participant did for each step: the keys of its effects, and the tombstones.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::effect::{Effect, EffectState};
use saga_core::{MessageRef, Time};
use uuid::Uuid;

use super::{Statements, Transaction, Value, Writes, execute, query};
use crate::error::StoreError;
use crate::participant::StepRequest;
use crate::values;

const LOCK: &str = "
    SELECT e.saga_id, e.step, e.epoch, e.state, e.answer_id, e.answer_time
    FROM effects e JOIN unnest($1::uuid[], $2::text[]) AS k(saga_id, step)
      ON e.saga_id = k.saga_id AND e.step = k.step
    WHERE e.saga_id = ANY($1)
    ORDER BY e.saga_id, e.step FOR UPDATE OF e";

// A plain INSERT: if somebody else was first, this fails, the batch is rolled back and run again,
// and then it sees what they did.
const INSERT: &str = "
    INSERT INTO effects (saga_id, step, epoch, state, answer_id, answer_time, updated_at)
    SELECT t.*, $7 FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::text[], $5::uuid[], $6::timestamptz[]) AS t";

const UPDATE: &str = "
    UPDATE effects e SET epoch = t.epoch, state = t.state, answer_id = t.answer_id,
           answer_time = t.answer_time, updated_at = $7
    FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::text[], $5::uuid[], $6::timestamptz[])
         AS t(saga_id, step, epoch, state, answer_id, answer_time)
    WHERE e.saga_id = t.saga_id AND e.step = t.step AND e.saga_id = ANY($1)";

// What nobody looked for, and nobody wrote.
const UNSEEN: &str = "
    SELECT overtaken() FROM unnest($1::uuid[], $2::text[]) AS t(saga_id, step)
    WHERE EXISTS (SELECT FROM effects e WHERE e.saga_id = t.saga_id AND e.step = t.step OFFSET 0)";

const FORGET: &str = "
    DELETE FROM effects e USING (
        SELECT saga_id, step FROM effects WHERE state <> 'done' AND updated_at < $1
        ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
    WHERE e.saga_id = old.saga_id AND e.step = old.step";

type Key = (Uuid, String);

/// The effects that a batch touches: locked, changed in memory, written once.
#[derive(Debug, Default)]
pub struct Effects {
    known: BTreeMap<Key, Effect>,
    stored: BTreeSet<Key>,
    changed: BTreeSet<Key>,
    /// Steps for which nobody looked.
    unseen: BTreeSet<(Uuid, &'static str)>,
}

impl Effects {
    /// Locks and reads what is remembered of the steps that these ask for, in key order. Nothing is expected of a step that
    /// is asked for the first time, so nobody looks: should something be known of it after all, what [`Self::writes`] returns
    /// fails, and the batch is run again, with a look.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock<'a>(
        transaction: &Transaction<'_>,
        requests: impl IntoIterator<Item = StepRequest<'a>>,
    ) -> Result<Self, StoreError> {
        let (first, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(StepRequest::is_first);
        let first: BTreeSet<_> = first.iter().map(StepRequest::key).collect();
        let mut keys: BTreeSet<_> = others.iter().map(StepRequest::key).collect();
        let mut effects = Self::default();
        if transaction.expects_news() {
            effects.unseen = &first - &keys;
        } else {
            keys.extend(&first);
        }
        if keys.is_empty() {
            return Ok(effects);
        }
        let (sagas, steps): (Vec<Uuid>, Vec<&str>) = keys.into_iter().unzip();
        for row in query(transaction, LOCK, &[&sagas, &steps]).await? {
            let key: Key = (row.get(0), row.get(1));
            let effect = Effect {
                epoch: u32::try_from(row.get::<_, i32>(2)).unwrap_or_default(),
                state: read_state(row.get(3))?,
                answer: MessageRef { id: row.get(4), time: row.get(5) },
            };
            effects.stored.insert(key.clone());
            effects.known.insert(key, effect);
        }
        if first.iter().any(|(saga, step)| effects.get(*saga, step).is_some()) {
            transaction.met_repeat();
        }
        Ok(effects)
    }

    /// What is remembered of these steps, without asking a database.
    #[must_use]
    pub fn of(known: impl IntoIterator<Item = ((Uuid, String), Effect)>) -> Self {
        let known: BTreeMap<Key, Effect> = known.into_iter().collect();
        let stored = known.keys().cloned().collect();
        Self { known, stored, ..Self::default() }
    }

    /// Forgets refusals and tombstones from before a time, the oldest first, at most `limit`; says how many. What was
    /// done stays: an undo of it must find it for as long as the saga may ask.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget(on: &impl Statements, before: Time, limit: i64) -> Result<u64, StoreError> {
        execute(on, FORGET, &[&before, &limit]).await
    }

    /// What was changed, by saga and step.
    pub fn changed(&self) -> impl Iterator<Item = (&(Uuid, String), &Effect)> {
        self.changed.iter().filter_map(|key| self.known.get_key_value(key))
    }

    /// What is remembered of a step, with what this batch changed.
    #[must_use]
    pub fn get(&self, saga: Uuid, step: &str) -> Option<&Effect> {
        self.known.get(&(saga, step.to_owned()))
    }

    pub(crate) fn set(&mut self, saga: Uuid, step: &str, effect: Effect) {
        let key = (saga, step.to_owned());
        self.changed.insert(key.clone());
        self.known.insert(key, effect);
    }

    /// What changed. It meets a unique violation when a step was asked for before, or another copy was first, and the batch
    /// is to be run again.
    #[must_use]
    pub fn writes(self, now: Time) -> Writes {
        let (old, new): (Vec<_>, Vec<_>) = self.changed.iter().partition(|key| self.stored.contains(*key));
        let mut writes = Writes::default();
        // Each that is written is judged by its key.
        let unseen = self.unseen.iter().filter(|(saga, step)| !self.changed.contains(&(*saga, (*step).to_owned())));
        let (sagas, steps): (Vec<Uuid>, Vec<&str>) = unseen.copied().unzip();
        if !sagas.is_empty() {
            writes.add(UNSEEN, values![sagas, steps]);
        }
        if !new.is_empty() {
            writes.add(INSERT, self.columns(&new, now));
        }
        if !old.is_empty() {
            writes.add_exactly(old.len(), UPDATE, self.columns(&old, now));
        }
        writes
    }

    fn columns(&self, keys: &[&Key], now: Time) -> Vec<Value> {
        let effects: Vec<&Effect> = keys.iter().filter_map(|key| self.known.get(*key)).collect();
        let sagas: Vec<Uuid> = keys.iter().map(|(saga, _)| *saga).collect();
        let steps: Vec<String> = keys.iter().map(|(_, step)| step.clone()).collect();
        let epochs: Vec<i32> = effects.iter().map(|e| i32::try_from(e.epoch).unwrap_or(i32::MAX)).collect();
        let states: Vec<&str> = effects.iter().map(|e| e.state.as_str()).collect();
        let answers: Vec<Uuid> = effects.iter().map(|e| e.answer.id).collect();
        let times: Vec<Time> = effects.iter().map(|e| e.answer.time).collect();
        values![sagas, steps, epochs, states, answers, times, now]
    }
}

fn read_state(name: &str) -> Result<EffectState, StoreError> {
    EffectState::from_name(name)
        .ok_or_else(|| StoreError::Corrupt { what: "effects".to_owned(), why: format!("unknown state {name}") })
}
