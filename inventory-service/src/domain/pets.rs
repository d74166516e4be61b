//! The read model: where each pet stands, and how many stand where.

use std::collections::BTreeMap;
use std::ops::Sub;

use saga_contract::PetStatus;
use uuid::Uuid;

/// A pet as the newest of its events told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pet {
    /// Where it stands; `None` once it was deleted. Its row stays, so that no older event brings it back.
    pub status: Option<PetStatus>,
    /// The pet's version after that event.
    pub version: u64,
}

/// What an event tells of a pet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PetChange {
    /// The pet.
    pub pet: Uuid,
    /// How it is after the event.
    pub after: Pet,
}

/// The pets that a batch touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pets(BTreeMap<Uuid, Pet>);

/// The same pets in every generation of the read model that is live: the one that is served, and during a rebuild the
/// one that is filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generations(BTreeMap<i32, Pets>);

/// How many pets have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that anybody may order.
    pub available: i64,
    /// Those reserved by an order.
    pub pending: i64,
    /// Those sold.
    pub sold: i64,
}

impl Pets {
    /// Applies an event. Says whether it was news: an older or repeated version changes nothing.
    pub fn apply(&mut self, change: PetChange) -> bool {
        let known = self.0.get(&change.pet).map_or(0, |pet| pet.version);
        let news = change.after.version > known;
        if news {
            self.0.insert(change.pet, change.after);
        }
        news
    }

    /// How many of these pets have each status.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for pet in self.0.values() {
            match pet.status {
                Some(PetStatus::Available) => counts.available += 1,
                Some(PetStatus::Pending) => counts.pending += 1,
                Some(PetStatus::Sold) => counts.sold += 1,
                None => {}
            }
        }
        counts
    }

    /// The pet of that id.
    #[must_use]
    pub fn get(&self, pet: &Uuid) -> Option<&Pet> {
        self.0.get(pet)
    }

    /// All of them, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&Uuid, &Pet)> {
        self.0.iter()
    }
}

impl FromIterator<(Uuid, Pet)> for Pets {
    fn from_iter<I: IntoIterator<Item = (Uuid, Pet)>>(pets: I) -> Self {
        Self(pets.into_iter().collect())
    }
}

impl Generations {
    /// Applies an event to each. Says whether it was news to any.
    pub fn apply(&mut self, change: PetChange) -> bool {
        self.0.values_mut().fold(false, |news, pets| pets.apply(change) | news)
    }

    /// The pets of one generation.
    #[must_use]
    pub fn get(&self, generation: i32) -> Option<&Pets> {
        self.0.get(&generation)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Pets)> {
        self.0.iter().map(|(generation, pets)| (*generation, pets))
    }
}

impl FromIterator<(i32, Pets)> for Generations {
    fn from_iter<I: IntoIterator<Item = (i32, Pets)>>(generations: I) -> Self {
        Self(generations.into_iter().collect())
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            available: self.available - before.available,
            pending: self.pending - before.pending,
            sold: self.sold - before.sold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(pet: u128, status: Option<PetStatus>, version: u64) -> PetChange {
        PetChange { pet: Uuid::from_u128(pet), after: Pet { status, version } }
    }

    #[test]
    fn an_older_or_repeated_version_changes_nothing() {
        let mut pets = Pets::default();
        assert!(pets.apply(change(1, Some(PetStatus::Pending), 2)));
        for late in [change(1, Some(PetStatus::Available), 1), change(1, Some(PetStatus::Sold), 2)] {
            assert!(!pets.apply(late), "{late:?}");
        }
        assert_eq!(pets.counts(), Counts { pending: 1, ..Counts::default() });
    }

    #[test]
    fn a_deleted_pet_counts_nowhere_and_stays_deleted() {
        let mut pets = Pets::default();
        assert!(pets.apply(change(1, None, 3)));
        assert!(!pets.apply(change(1, Some(PetStatus::Available), 2)));
        assert_eq!(pets.counts(), Counts::default());
        assert!(pets.get(&Uuid::from_u128(1)).is_some(), "remembered");
    }

    #[test]
    fn an_event_is_applied_to_each_generation_by_what_that_one_knows() {
        let ahead: Pets =
            [(Uuid::from_u128(1), Pet { status: Some(PetStatus::Sold), version: 9 })].into_iter().collect();
        let mut generations: Generations = [(0, ahead.clone()), (1, Pets::default())].into_iter().collect();
        assert!(generations.apply(change(1, Some(PetStatus::Pending), 2)), "news to the one that is filled");
        assert_eq!(generations.get(0), Some(&ahead));
        assert_eq!(generations.get(1).map(Pets::counts), Some(Counts { pending: 1, ..Counts::default() }));
        assert!(!generations.apply(change(1, Some(PetStatus::Available), 1)), "news to none");
    }

    #[test]
    fn counts_differ_by_what_changed() {
        let mut pets: Pets =
            [(Uuid::from_u128(1), Pet { status: Some(PetStatus::Available), version: 1 })].into_iter().collect();
        let before = pets.counts();
        pets.apply(change(1, Some(PetStatus::Sold), 2));
        assert_eq!(pets.counts() - before, Counts { available: -1, pending: 0, sold: 1 });
    }

    fn history() -> impl Strategy<Value = (Vec<PetChange>, Vec<PetChange>)> {
        let status = prop_oneof![Just(None), prop::sample::select(&PetStatus::ALL[..]).prop_map(Some)];
        let lives = prop::collection::vec(prop::collection::vec(status, 1..6), 1..5);
        let changes = lives.prop_map(|lives| {
            let of = |(pet, life): (usize, Vec<_>)| {
                life.into_iter().zip(1..).map(move |(status, version)| change(pet as u128, status, version))
            };
            lives.into_iter().enumerate().flat_map(of).collect::<Vec<_>>()
        });
        changes.prop_flat_map(|changes| {
            let twice: Vec<_> = changes.iter().chain(&changes).copied().collect();
            (Just(changes), Just(twice).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_end_the_same((in_order, shuffled) in history()) {
            let (mut one, mut other) = (Pets::default(), Pets::default());
            in_order.into_iter().for_each(|change| { one.apply(change); });
            let mut counted = Counts::default();
            for change in shuffled {
                let before = other.counts();
                other.apply(change);
                let delta = other.counts() - before;
                counted.available += delta.available;
                counted.pending += delta.pending;
                counted.sold += delta.sold;
            }
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(counted, one.counts());
        }
    }
}
