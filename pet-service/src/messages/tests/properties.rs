//! Rules that hold for every order and repetition of messages.

use std::collections::BTreeMap;

use proptest::prelude::*;
use saga_contract::messages::{PetReleased, PetReserved, PetSold};

use super::*;

#[derive(Debug, Clone, Copy)]
enum Sent {
    Reserve(u128, u32),
    Release(u128, u32),
    Approve(u128),
}

/// Requests of three sagas for one pet: repeated, retried and in any order.
fn schedule() -> impl Strategy<Value = Vec<Sent>> {
    let sent = prop_oneof![
        (1..4u128, 0..3u32).prop_map(|(n, epoch)| Sent::Reserve(n, epoch)),
        (1..4u128, 0..3u32).prop_map(|(n, epoch)| Sent::Release(n, epoch)),
        (1..4u128).prop_map(Sent::Approve),
    ];
    proptest::collection::vec(sent, 0..40)
}

impl Sent {
    fn message(self, shop: &Shop) -> Message {
        match self {
            Self::Reserve(n, epoch) => shop.reserve_at(saga(n), epoch),
            Self::Release(n, epoch) => shop.release_at(saga(n), epoch),
            Self::Approve(n) => shop.approved(saga(n)),
        }
    }
}

/// The events by which the pet changed, with the saga of each.
fn changes(shop: &mut Shop, schedule: &[Sent]) -> Vec<(Uuid, String, u64)> {
    let mut changes = Vec::new();
    for sent in schedule {
        let message = sent.message(shop);
        if let Verdict::Done(output) = shop.comes(&message) {
            let changed = output.send.into_iter().map(|outgoing| outgoing.message);
            changes.extend(changed.filter_map(|m| Some((m.saga_id?, m.kind, m.aggregate_version?))));
        }
    }
    changes
}

proptest! {
    #[test]
    fn for_each_saga_times_reserved_minus_times_released_is_0_or_1(schedule in schedule()) {
        let mut shop = Shop::new();
        let mut held: BTreeMap<Uuid, i32> = BTreeMap::new();
        for (saga, kind, _) in changes(&mut shop, &schedule) {
            let count = held.entry(saga).or_default();
            match kind.as_str() {
                PetReserved::TYPE => *count += 1,
                PetReleased::TYPE => *count -= 1,
                PetSold::TYPE => {}
                other => prop_assert!(false, "{other} changed the pet"),
            }
            prop_assert!((0..=1).contains(count));
            prop_assert!(held.values().sum::<i32>() <= 1, "one order at most holds it");
        }
        let holder = match shop.state() {
            State::Reserved(by) | State::Sold(by) => Some(by.saga),
            State::Available | State::Deleted => None,
        };
        let counted = held.iter().find(|(_, count)| **count == 1).map(|(saga, _)| *saga);
        prop_assert_eq!(holder, counted, "what was told agrees with where the pet stands");
    }

    #[test]
    fn versions_are_told_one_by_one(schedule in schedule()) {
        let mut shop = Shop::new();
        let versions: Vec<u64> = changes(&mut shop, &schedule).into_iter().map(|(_, _, version)| version).collect();
        let expected: Vec<u64> = (2..).take(versions.len()).collect();
        prop_assert_eq!(&versions, &expected);
        prop_assert_eq!(shop.miso().version, versions.last().copied().unwrap_or(1));
    }

    #[test]
    fn a_reservation_that_was_undone_stays_undone_up_to_its_epoch(schedule in schedule(), n in 1..4u128) {
        let mut shop = Shop::new();
        changes(&mut shop, &schedule);
        let sold = matches!(shop.state(), State::Sold(_));
        shop.comes(&shop.release_at(saga(n), 2));
        let late: Vec<Sent> = (0..=2).map(|epoch| Sent::Reserve(n, epoch)).collect();
        changes(&mut shop, &late);
        prop_assert!(sold || shop.state() != State::Reserved(saga(n).holder()));
    }
}
