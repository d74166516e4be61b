//! What the nth customer wants and does: all of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::demo::shop;

/// A supply that there is enough of, one that runs out, and one that is not there.
pub(super) const SUPPLIES: [&str; 3] = ["FOOD", "BALL", "GONE"];

/// Pets whose number ends in 1 to so many are above the limit: their owner decides.
const DEAR: i64 = 3;

/// A customer's wish.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    /// Its idempotency key.
    pub(super) key: String,
    /// The order.
    pub(super) order: Value,
    /// How often it is sent, all at once.
    pub(super) times: usize,
    /// Whether another order under the same key follows.
    pub(super) contradicts: bool,
    /// What follows.
    pub(super) then: Vec<Word>,
    /// How long the customer thinks before that.
    pub(super) thinks: Duration,
}

/// What people say of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// I want it.
    Place,
    /// The customer wants it no longer.
    Cancel,
    /// The owner agrees.
    Approve,
    /// The customer has it.
    Deliver,
}

impl Wish {
    /// The nth wish of a campaign with so many pets. Two or three customers want each pet.
    #[must_use]
    pub(super) fn of(seed: u64, n: u64, pets: i64) -> Self {
        let mut rng = Rng::with_seed(seed.rotate_left(32) ^ n);
        let at = i64::try_from(n).unwrap_or_default() * 2 / 5;
        let pet = if rng.u8(..50) == 0 { 900_000_000 + at } else { at % pets.max(1) + 1 };
        let items = items(&mut rng);
        let order = shop::order(pet, &format!("customer{n}@example.com"), &items);
        let then = match rng.u8(..10) {
            0..=2 => vec![],
            3 => vec![Word::Cancel],
            4 => vec![Word::Approve],
            5 => vec![Word::Approve, Word::Deliver],
            6 => vec![Word::Approve, Word::Cancel],
            7 => vec![Word::Cancel, Word::Approve],
            8 => vec![Word::Approve, Word::Deliver, Word::Cancel],
            _ => vec![Word::Deliver],
        };
        Self {
            key: format!("wish-{seed}-{n}"),
            order,
            times: if rng.u8(..4) == 0 { rng.usize(2..=3) } else { 1 },
            contradicts: rng.u8(..10) == 0,
            then,
            thinks: Duration::from_millis(rng.u64(0..1_000)),
        }
    }

    /// The wish for a pet that nobody else wants, and a supply that there is enough of.
    #[must_use]
    pub(super) fn for_probe(seed: u64, pet: i64) -> Self {
        let order = shop::order(pet, "probe@example.com", &[(SUPPLIES[0], 1)]);
        let key = format!("probe-{seed}-{pet}");
        Self { key, order, times: 1, contradicts: false, then: Vec::new(), thinks: Duration::ZERO }
    }

    /// Another order, for under the same key.
    #[must_use]
    pub(super) fn other(&self) -> Value {
        let mut other = self.order.clone();
        other["shipDate"] = json!("2030-01-01T00:00:00Z");
        other
    }
}

/// What a pet costs, in minor units.
#[must_use]
pub(super) fn price(pet: i64) -> i64 {
    if (1..=DEAR).contains(&(pet % 10)) { 60_000 } else { 1_000 + pet % 10 * 500 }
}

fn items(rng: &mut Rng) -> Vec<(&'static str, u32)> {
    let quantity = rng.u32(1..=3);
    match rng.u8(..20) {
        0..=7 => vec![],
        8..=14 => vec![(SUPPLIES[0], quantity)],
        15..=16 => vec![(SUPPLIES[1], 1)],
        17..=18 => vec![(SUPPLIES[1], quantity), (SUPPLIES[0], 1)],
        _ => vec![(SUPPLIES[2], 1)],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_customers_and_they_want_everything() {
        let wishes = |seed| (0..500).map(|n| Wish::of(seed, n, 200)).collect::<Vec<Wish>>();
        assert_eq!(wishes(1), wishes(1));
        assert_ne!(wishes(1), wishes(2));
        let all = wishes(1);
        let words: BTreeSet<&Vec<Word>> = all.iter().map(|wish| &wish.then).collect();
        let keys: BTreeSet<&str> = all.iter().map(|wish| wish.key.as_str()).collect();
        assert_eq!((words.len(), keys.len()), (8, 500));
        assert!(all.iter().any(|wish| wish.contradicts) && all.iter().any(|wish| wish.times == 3));
        assert!(all.iter().all(|wish| wish.other() != wish.order));
    }
}
