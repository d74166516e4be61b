//! For each step, what was done less what was undone: by the journals, and by what the participants remember.

use std::collections::BTreeMap;

use saga::order_saga::order_saga;
use saga_core::{Definition, Ids, Instance, Kind, Phase, StepState};
use uuid::Uuid;

use super::{Databases, rows};
use crate::servers::Trouble;

/// Everything that a participant did or undid for a saga. An undo of what never happened carries no version.
const JOURNALLED: &str = "
    SELECT saga_id, type, convert_from(body, 'UTF8')::json ->> 'aggregateversion' IS NOT NULL
    FROM journal WHERE saga_id IS NOT NULL";
const REMEMBERED: &str = "SELECT saga_id, step FROM effects WHERE state = 'done'";
const ENDED: &str = "SELECT state FROM sagas WHERE ended_at IS NOT NULL";

type Times = BTreeMap<(Uuid, String), i64>;

impl Databases {
    /// Steps of sagas that ended, done more or less often than their end says: once each if the saga completed, and
    /// never otherwise. For sagas of the participants that keep such tables, once all is quiet.
    ///
    /// # Errors
    /// When a database cannot be asked.
    pub async fn effects_against_end(&self) -> Result<Vec<String>, Trouble> {
        let definition = definition()?;
        let (mut done, mut remembered) = (Times::new(), Times::new());
        for client in [&self.pets, &self.orders, &self.inventory] {
            for row in rows(client, JOURNALLED).await? {
                count(&definition, &mut done, row.get(0), row.get(1), row.get(2));
            }
            for row in rows(client, REMEMBERED).await? {
                *remembered.entry((row.get(0), row.get(1))).or_default() += 1;
            }
        }
        let mut against = Vec::new();
        for row in rows(&self.sagas, ENDED).await? {
            let unreadable = |error: serde_json::Error| Trouble::Unmet(format!("a saga cannot be read: {error}"));
            let saga: Instance = serde_json::from_str(row.get(0)).map_err(unreadable)?;
            against.extend(judge(&definition, &saga, &done, &remembered));
        }
        Ok(against)
    }
}

/// The table of steps; ids and limit play no part in it.
fn definition() -> Result<Definition, Trouble> {
    let salt = idforge::Salt::new("only-the-names-of-steps-are-read-here");
    let salt = salt.map_err(|error| Trouble::Unmet(error.to_string()))?;
    order_saga(&Ids::new(&salt, saga_contract::DEFAULT_DOMAIN), 0).map_err(|error| Trouble::Unmet(error.to_string()))
}

fn count(definition: &Definition, times: &mut Times, saga: Uuid, kind: &str, changed: bool) {
    for step in definition.steps {
        let undone = step.undo.is_some_and(|undo| undo.undone.contains(&kind));
        let change = i64::from(step.done == kind) - i64::from(undone && changed);
        *times.entry((saga, step.name.to_owned())).or_default() += change;
    }
}

fn judge(definition: &Definition, saga: &Instance, done: &Times, remembered: &Times) -> Vec<String> {
    let steps = definition.steps.iter().zip(&saga.steps).filter(|(step, _)| step.kind != Kind::Pivot);
    let wrong = steps.filter_map(|(step, record)| {
        let key = (saga.id, step.name.to_owned());
        let of = |times: &Times| times.get(&key).copied().unwrap_or_default();
        let expected = i64::from(saga.phase == Phase::Completed && record.state != StepState::Skipped);
        let (done, remembered) = (of(done), of(remembered));
        let (name, phase) = (step.name, saga.phase.as_str());
        (done != expected || remembered != expected).then(|| {
            format!("{name} of saga {} was done {done} times, remembered as {remembered}; the saga is {phase}", saga.id)
        })
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAGA: Uuid = Uuid::from_u128(1);

    fn times(events: &[(&str, bool)]) -> Times {
        let (definition, mut times) = (definition().unwrap(), Times::new());
        for (kind, changed) in events {
            count(&definition, &mut times, SAGA, kind, *changed);
        }
        times
    }

    #[test]
    fn done_and_undone_is_nothing_and_an_undo_of_nothing_does_not_count() {
        let times = times(&[
            ("PET_RESERVED", true),
            ("PET_RELEASED", true),
            ("ORDER_CREATED", true),
            ("INVENTORY_RELEASED", false),
            ("INVENTORY_RESERVED", true),
            ("INVENTORY_RESERVED", true),
        ]);
        let of = |step: &str| times[&(SAGA, step.to_owned())];
        assert_eq!((of("reserve_pet"), of("create_order"), of("reserve_inventory")), (0, 1, 2));
    }
}
