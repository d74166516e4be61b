//! pet-service's code on tables in memory.

use std::collections::BTreeMap;

use pet_service::domain::Pet;
use pet_service::messages::{Asked, Participant};
use pet_service::store::Pets;
use saga_contract::PetNumber;
use saga_core::{Ids, Message, Time};
use saga_runtime::Verdict;

use super::effects::{EffectRows, EffectTable, changed};
use super::process::Tables;

pub(super) struct PetTables {
    pub(super) pets: BTreeMap<PetNumber, Pet>,
    pub(super) effects: EffectTable,
    ids: Ids,
}

#[derive(Default)]
pub(super) struct PetRows {
    pub(super) pets: Vec<Pet>,
    effects: EffectRows,
}

impl PetTables {
    pub(super) fn new(ids: Ids, effects: EffectTable) -> Self {
        Self { pets: BTreeMap::new(), effects, ids }
    }
}

impl PetRows {
    pub(super) fn of(pets: Vec<Pet>) -> Self {
        Self { pets, effects: EffectRows::new() }
    }
}

impl Tables for PetTables {
    type Write = PetRows;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, message: &Message, now: Time) -> (Verdict, PetRows) {
        let asked = match Asked::parse(message) {
            Ok(asked) => asked,
            Err(parked) => return (parked, PetRows::default()),
        };
        let number = asked.pet_number();
        let (pets, effects) = (Pets::of(self.pets.get(&number).cloned()), self.effects.read(Some(asked.key())));
        let mut participant = Participant::new(self.ids.clone(), pets, effects);
        let verdict = participant.answer(message, asked, now);
        let pets = participant.pet(number).cloned().into_iter().collect();
        (verdict, PetRows { pets, effects: changed(participant.effects()) })
    }

    fn write(&mut self, rows: PetRows) {
        self.pets.extend(rows.pets.into_iter().map(|pet| (pet.number, pet)));
        self.effects.write(rows.effects);
    }
}
