//! Rules that hold for a pet whatever is done to it, in whatever order.

use proptest::prelude::*;
use saga_contract::{PetNumber, Quantity};
use uuid::Uuid;

use super::{Draft, Holder, Pet, State};

#[derive(Debug, Clone)]
enum Wish {
    Update(u8),
    Delete,
    Reserve(u8),
    Release(u8),
    Sell(u8),
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = prop_oneof![
        (0..3u8).prop_map(Wish::Update),
        Just(Wish::Delete),
        (0..3u8).prop_map(Wish::Reserve),
        (0..3u8).prop_map(Wish::Release),
        (0..3u8).prop_map(Wish::Sell),
    ];
    proptest::collection::vec(wish, 0..60)
}

fn draft(name: u8) -> Draft {
    Draft { name: format!("Pet {name}"), ..Draft::default() }
}

fn order(n: u8) -> Holder {
    Holder { order: Uuid::from_u128(n.into()), saga: Uuid::from_u128(u128::from(n) + 100) }
}

/// The pet after a wish; a refusal leaves it as it was.
fn after(pet: &Pet, wish: &Wish) -> Option<Pet> {
    match wish {
        Wish::Update(name) => pet.update(draft(*name)).ok().flatten(),
        Wish::Delete => pet.delete().ok(),
        Wish::Reserve(n) => pet.reserve(order(*n), Quantity::ONE).ok().flatten(),
        Wish::Release(n) => pet.release(order(*n)).ok().flatten(),
        Wish::Sell(n) => pet.sell(order(*n)).ok().flatten(),
    }
}

/// Whether this wish may lead from one state to the other.
fn allowed(before: State, wish: &Wish, after: State) -> bool {
    match (before, after) {
        (State::Available, State::Reserved(by)) => matches!(wish, Wish::Reserve(n) if order(*n) == by),
        (State::Reserved(by), State::Available) => matches!(wish, Wish::Release(n) if order(*n) == by),
        (State::Reserved(by), State::Sold(to)) => by == to && matches!(wish, Wish::Sell(n) if order(*n) == by),
        (State::Available, State::Deleted) => matches!(wish, Wish::Delete),
        (before, after) => before == after && matches!(wish, Wish::Update(_)),
    }
}

proptest! {
    #[test]
    fn a_pet_moves_only_along_its_life(wishes in wishes()) {
        let mut pet = Pet::born(PetNumber::MIN, Uuid::nil(), draft(0)).unwrap();
        for wish in &wishes {
            let Some(next) = after(&pet, wish) else { continue };
            prop_assert!(allowed(pet.state, wish, next.state), "{:?} -{wish:?}-> {:?}", pet.state, next.state);
            prop_assert_eq!(next.version, pet.version + 1);
            prop_assert_eq!((next.number, next.id), (pet.number, pet.id));
            prop_assert!(next.entry != pet.entry || next.state != pet.state, "a version without a change");
            pet = next;
        }
    }

    #[test]
    fn a_wish_that_comes_twice_changes_nothing_the_second_time(wishes in wishes(), last in wishes()) {
        let mut pet = Pet::born(PetNumber::MIN, Uuid::nil(), draft(0)).unwrap();
        for wish in &wishes {
            pet = after(&pet, wish).unwrap_or(pet);
        }
        for wish in &last {
            if let Some(next) = after(&pet, wish) {
                prop_assert_eq!(after(&next, wish), None);
                pet = next;
            }
        }
    }
}
