//! Whole histories, in any order and repetition.

use super::*;

/// How the saga of an order goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    Reserved,
    Undone,
    Approved,
}

const SUPPLIES: [(&str, i64); 3] = [("A", 9), ("B", 7), ("C", 5)];

/// The messages of some sagas in an order in which they may arrive: an undo may come before its do,
/// an approval comes after the reservation that it rests on, and each may come several times.
fn history() -> impl Strategy<Value = Vec<Message>> {
    let lines = prop::collection::btree_map(0..SUPPLIES.len(), 1..5_i64, 1..=SUPPLIES.len());
    let life = prop::sample::select(vec![Life::Reserved, Life::Undone, Life::Approved]);
    let sagas = prop::collection::vec((life, lines, any::<[u8; 4]>()), 1..10);
    sagas.prop_map(|sagas| {
        let mut at: Vec<(u32, Message)> = Vec::new();
        for (saga, (life, lines, [first, second, copy, undo])) in (1_u128..).zip(sagas) {
            let lines: Vec<_> = lines.into_iter().map(|(n, units)| (SUPPLIES[n].0, units)).collect();
            let request = pet_reserved(saga * 10, saga, &lines);
            at.push((first.into(), request.clone()));
            at.push((copy.into(), request));
            let after = u32::from(first) + u32::from(second) + 256;
            match life {
                Life::Reserved => {}
                Life::Undone => at.push((undo.into(), release(saga * 10 + 1, saga, 0))),
                Life::Approved => at.push((after, approved(saga * 10 + 2, saga, &lines))),
            }
        }
        at.sort_by_key(|(at, _)| *at);
        at.into_iter().map(|(_, message)| message).collect()
    })
}

/// Every row, as far as it can differ.
fn rows(inventory: &Inventory, messages: &[Message]) -> impl PartialEq + std::fmt::Debug + use<> {
    let effects: Vec<_> = messages
        .iter()
        .filter_map(|message| message.saga_id)
        .flat_map(|saga| [RESERVE_INVENTORY, COMMIT_INVENTORY].map(|step| inventory.effects.get(saga, step).copied()))
        .collect();
    (inventory.warehouse.clone(), inventory.pets.clone(), effects)
}

/// What the sagas would send: an order whose supplies were refused is never approved.
fn possible(inventory: &Inventory, message: &Message) -> bool {
    let refused = |saga| inventory.warehouse.reservation(&saga).is_none();
    message.kind != "ORDER_APPROVED" || !message.saga_id.is_some_and(refused)
}

proptest! {
    #[test]
    fn a_replay_of_everything_in_any_order_changes_no_row(
        (history, replays) in history().prop_flat_map(|history| {
            let replays = prop::collection::vec(Just(history.clone()).prop_shuffle(), 5);
            (Just(history), replays)
        })
    ) {
        let mut shop = shop(&SUPPLIES);
        for message in &history {
            if possible(&shop, message) {
                output(deliver(&mut shop, message));
            }
        }
        for (sku, on_hand) in SUPPLIES {
            let (left, reserved, taken) = levels(&shop, sku);
            prop_assert!(0 <= reserved && reserved <= left && left <= on_hand && taken <= on_hand);
        }
        let settled = rows(&shop, &history);
        for message in replays.iter().flatten() {
            if possible(&shop, message) {
                output(deliver(&mut shop, message));
            }
            prop_assert_eq!(&rows(&shop, &history), &settled, "after {} of {:?}", message.kind, message.saga_id);
        }
    }
}
