//! Who orders what: several want the same pet at once, supplies run out, some pets and supplies do not
//! exist, some orders cost so much that the store's owner has a word, and people change their minds.

use std::collections::BTreeMap;

use fastrand::Rng;
use inventory_service::domain::Stock;
use order_service::domain::{Draft as OrderDraft, DraftItem};
use pet_service::domain::{Draft as PetDraft, Pet};
use saga_contract::{Currency, Money, Names, OnHand, PetNumber, Sku};
use time::Duration;

use super::dice::{one_of, up_to};
use super::{Stopped, lawful};

/// Supplies: name, price, currency, and how many units there are for a hundred orders.
const SUPPLIES: [(&str, i64, &str, u32); 5] = [
    ("FOOD-CAT-2KG", 1_250, "EUR", 200),
    ("TOY-BALL", 490, "EUR", 9),
    ("BED-DOG", 5_900, "EUR", 9),
    ("LEASH-RED", 1_490, "EUR", 25),
    ("LAMP-HEAT-75W", 2_900, "USD", 100),
];
const NO_SUPPLY: &str = "FOOD-UNICORN-1KG";

/// So many orders come at once, within so long.
const AT_ONCE: u32 = 8;
/// From how many pets a customer chooses.
const WANTED_BY_EACH: u32 = 4;
const WITHIN: Duration = Duration::milliseconds(24);

/// The crowd of one simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    seed: u64,
    sagas: u32,
    pets: u32,
    /// How long after the one before an order comes, on average.
    between: Duration,
}

/// What one customer does, and what the store's owner does about it.
pub(super) struct Intent {
    pub(super) draft: OrderDraft,
    /// Words that are said, each so long after the order.
    pub(super) words: Vec<(Duration, Says)>,
}

/// What a person says about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// The owner approves.
    Approve,
    /// The customer cancels.
    Cancel,
}

impl Crowd {
    pub(super) fn new(seed: u64, sagas: u32, between: Duration) -> Self {
        Self { seed, sagas, pets: sagas / 4 * 3 + 2, between }
    }

    /// The pets that the next orders may be for, and when they come into the store, after the first
    /// order: fewer than customers, and those of one moment want the same few.
    pub(super) fn pets(self, names: &Names) -> Result<Vec<(Duration, Vec<Pet>)>, Stopped> {
        let born = |n: u32| {
            let number = lawful(PetNumber::new(i64::from(n)))?;
            let draft = PetDraft { name: format!("Pet {n}"), price: Some(price(n)), ..PetDraft::default() };
            lawful(Pet::born(number, names.pet(number), draft))
        };
        let (mut known, mut arrivals) = (0, Vec::new());
        for first in (0..self.sagas.max(1)).step_by(AT_ONCE as usize) {
            let wanted = (self.near(first + AT_ONCE) + WANTED_BY_EACH).min(self.pets);
            let pets = (known + 1..=wanted).map(born).collect::<Result<_, _>>()?;
            arrivals.push((self.between * first.saturating_sub(AT_ONCE), pets));
            known = known.max(wanted);
        }
        Ok(arrivals)
    }

    /// The supplies of the store.
    pub(super) fn stock(self) -> Result<BTreeMap<Sku, Stock>, Stopped> {
        let supply = |(sku, amount, currency, per_hundred): (&str, i64, &str, u32)| {
            let currency: Currency = lawful(currency.parse())?;
            let (sku, price): (Sku, Money) = (lawful(sku.parse())?, lawful(Money::new(amount, currency))?);
            let units = i64::from(self.sagas) * i64::from(per_hundred) / 100 + 1;
            let mut stock = Stock::unset(sku.clone(), price);
            lawful(stock.set(lawful(OnHand::new(units))?, price))?;
            Ok((sku, stock))
        };
        SUPPLIES.into_iter().map(supply).collect()
    }

    /// When order number `n` comes, after the first.
    pub(super) fn comes_after(self, n: u32) -> Duration {
        let (dice, crowd) = (&mut self.dice(n, 0), n / AT_ONCE);
        self.between * (crowd * AT_ONCE) + up_to(dice, WITHIN)
    }

    /// What the customer of order number `n` does; the same whenever they are asked.
    pub(super) fn intent(self, n: u32) -> Intent {
        let dice = &mut self.dice(n, 1);
        let pet = self.wanted(n, dice);
        let items = match dice.u32(0..100) {
            0..50 => Vec::new(),
            50..80 => vec![line(dice)],
            _ => vec![line(dice), line(dice)],
        };
        let draft = OrderDraft {
            pet_id: Some(i64::from(pet)),
            items,
            customer_email: Some(format!("customer{}@example.com", n / 3)),
            ..OrderDraft::default()
        };
        Intent { draft, words: words(pet, dice) }
    }

    /// Dice for one matter of one order.
    fn dice(self, n: u32, matter: u64) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(n) << 1 | matter))
    }

    /// One of a few pets, which the customers before and after want too; or one that nobody has.
    fn wanted(self, n: u32, dice: &mut Rng) -> u32 {
        if one_of(dice, 30) {
            return self.pets + 1_000 + n;
        }
        (self.near(n) + dice.u32(1..=WANTED_BY_EACH)).min(self.pets)
    }

    /// Where order number `n` looks for pets.
    fn near(self, n: u32) -> u32 {
        let near = u64::from(n) * u64::from(self.pets) / u64::from(self.sagas.max(1));
        u32::try_from(near).unwrap_or_default()
    }
}

/// Each fifth pet is dear: its orders wait for the owner.
fn is_dear(pet: u32) -> bool {
    pet.is_multiple_of(5)
}

fn price(pet: u32) -> i64 {
    let odd = i64::from(pet * 37 % 300) * 100;
    if is_dear(pet) { 60_000 + odd } else { 9_000 + odd }
}

fn line(dice: &mut Rng) -> DraftItem {
    let sku = match dice.u32(0..100) {
        0..40 => SUPPLIES[0].0,
        40..60 => SUPPLIES[1].0,
        60..75 => SUPPLIES[2].0,
        75..95 => SUPPLIES[3].0,
        95..97 => SUPPLIES[4].0,
        _ => NO_SUPPLY,
    };
    DraftItem { sku: sku.to_owned(), quantity: dice.i64(1..=3) }
}

fn words(pet: u32, dice: &mut Rng) -> Vec<(Duration, Says)> {
    let mut words = Vec::new();
    if one_of(dice, 90) {
        words.push((up_to(dice, Duration::milliseconds(40)), Says::Cancel));
    }
    if one_of(dice, 20) {
        words.push((up_to(dice, Duration::milliseconds(10)), Says::Approve));
    }
    if is_dear(pet) {
        let later = Duration::minutes(dice.i64(1..=29));
        match dice.u32(0..100) {
            0..55 => words.push((later, Says::Approve)),
            55..75 => words.push((later, Says::Cancel)),
            // Both at once: one of them wins.
            75..80 => words.extend([(later, Says::Approve), (later, Says::Cancel)]),
            _ => {}
        }
    }
    words
}
