//! pet-service's code on tables in memory.

use std::collections::BTreeMap;

use pet_service::domain::Pet;
use pet_service::messages::{Asked, Participant, answers};
use pet_service::store::Pets;
use saga_contract::PetNumber;
use saga_core::{Ids, Time};
use saga_runtime::Verdict;

use super::broker::Letter;
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

    fn handle(&self, batch: &[Letter], now: Time) -> (Vec<Verdict>, PetRows) {
        let asked: Vec<Result<Asked<'_>, Verdict>> = batch.iter().map(|letter| Asked::parse(letter)).collect();
        let numbers: Vec<PetNumber> = asked.iter().flatten().map(Asked::pet_number).collect();
        let pets = Pets::of(numbers.iter().filter_map(|number| self.pets.get(number).cloned()));
        let effects = self.effects.read(asked.iter().flatten().map(|asked| asked.step.key()));
        let answers = answers(&self.ids, now);
        let mut participant = Participant::new(pets, effects);
        let answer = |asked: Result<Asked<'_>, Verdict>| {
            asked.map_or_else(|parked| parked, |asked| participant.answer(asked, answers))
        };
        let verdicts = asked.into_iter().map(answer).collect();
        let pets = numbers.into_iter().filter_map(|number| participant.pet(number).cloned()).collect();
        (verdicts, PetRows { pets, effects: changed(participant.effects()) })
    }

    fn write(&mut self, rows: PetRows) {
        self.pets.extend(rows.pets.into_iter().map(|pet| (pet.number, pet)));
        self.effects.write(rows.effects);
    }
}
