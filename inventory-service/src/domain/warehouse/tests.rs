//! Given a warehouse, when something is asked of it, then this holds.

use proptest::prelude::*;
use saga_contract::{Currency, Line, Quantity};

use super::*;

const SAGA: Uuid = Uuid::from_u128(1);
const ORDER: Uuid = Uuid::from_u128(2);

fn money(amount: i64, currency: &str) -> Money {
    Money::new(amount, currency.parse().unwrap()).unwrap()
}

fn eur(amount: i64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn supply(name: &str, on_hand: i64, price: Money) -> Stock {
    Stock { on_hand, version: 1, ..Stock::unset(sku(name), price) }
}

fn items(lines: &[(&str, i64)]) -> Items {
    let line = |(name, quantity): &(&str, i64)| Item { sku: sku(name), quantity: Quantity::new(*quantity).unwrap() };
    Items::new(lines.iter().map(line).collect()).unwrap()
}

fn demand(items: &Items) -> Demand<'_> {
    Demand { saga: SAGA, order: ORDER, items, pet_price: eur(10_000) }
}

fn shop() -> Warehouse {
    let food = supply("FOOD-CAT-2KG", 10, eur(1250));
    let yarn = supply("TOY-YARN", 5, money(300, "USD"));
    Warehouse::new([food, supply("TOY-BALL", 12, eur(250)), yarn], BTreeMap::new())
}

fn levels(warehouse: &Warehouse, name: &str) -> (i64, i64, i64) {
    let stock = warehouse.supply(&sku(name)).unwrap();
    (stock.on_hand, stock.reserved, stock.taken)
}

fn refusal(warehouse: &mut Warehouse, lines: &[(&str, i64)]) -> (String, Option<Sku>) {
    let before = warehouse.clone();
    let refused = warehouse.reserve(demand(&items(lines))).unwrap_err();
    assert_eq!(*warehouse, before, "a refusal changes nothing");
    match refused {
        NotReserved::Refused(event) => (event.reason.to_string(), event.sku),
        NotReserved::Contradiction(why) => panic!("{why}"),
    }
}

#[test]
fn all_lines_are_set_aside_at_the_prices_of_the_moment() {
    let mut shop = shop();
    let reserved = shop.reserve(demand(&items(&[("TOY-BALL", 2), ("FOOD-CAT-2KG", 1)]))).unwrap();
    assert_eq!(reserved.version, Some(1));
    assert_eq!(reserved.event.total, eur(1750));
    let prices: Vec<_> = reserved.event.items.iter().map(|line| (line.sku().as_str(), line.price.amount())).collect();
    assert_eq!(prices, [("FOOD-CAT-2KG", 1250), ("TOY-BALL", 250)]);
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 2, 2));
    assert_eq!(levels(&shop, "FOOD-CAT-2KG"), (10, 1, 1));
}

#[test]
fn one_line_that_cannot_be_had_refuses_all_and_is_named() {
    let named = |word: &str, name: &str| (word.to_owned(), Some(sku(name)));
    let mut shop = shop();
    assert_eq!(refusal(&mut shop, &[("FOOD-CAT-2KG", 1), ("TOY-BALL", 13)]), named("out_of_stock", "TOY-BALL"));
    assert_eq!(refusal(&mut shop, &[("FOOD-CAT-2KG", 1), ("TOY-BIRD", 1)]), named("sku_unknown", "TOY-BIRD"));
    assert_eq!(refusal(&mut shop, &[("FOOD-CAT-2KG", 1), ("TOY-YARN", 1)]), named("currency_mixed", "TOY-YARN"));
    assert_eq!(
        refusal(&mut shop, &[("TOY-BALL", 99), ("FOOD-CAT-2KG", 99)]),
        named("out_of_stock", "FOOD-CAT-2KG"),
        "the first in the order of names"
    );
}

#[test]
fn a_sum_that_nobody_could_pay_is_refused() {
    let mut shop = Warehouse::new([supply("GOLD", 10, eur(Money::MAX_AMOUNT))], BTreeMap::new());
    assert_eq!(refusal(&mut shop, &[("GOLD", 2)]), ("total_too_large".to_owned(), None));
    assert_eq!(refusal(&mut shop, &[("GOLD", 1)]), ("total_too_large".to_owned(), None), "with the pet it is");
}

#[test]
fn what_is_released_can_be_had_by_another() {
    let mut shop = shop();
    shop.reserve(demand(&items(&[("TOY-BALL", 12)]))).unwrap();
    let released = shop.release(SAGA, ORDER).unwrap();
    assert_eq!(released.version, Some(2));
    assert_eq!(released.event.items, items(&[("TOY-BALL", 12)]));
    assert_eq!(levels(&shop, "TOY-BALL"), (12, 0, 0));
    let (saga, order) = (Uuid::from_u128(8), Uuid::from_u128(9));
    assert!(shop.reserve(Demand { saga, order, ..demand(&items(&[("TOY-BALL", 12)])) }).is_ok());
}

#[test]
fn what_is_committed_is_gone_and_stays_taken() {
    let mut shop = shop();
    shop.reserve(demand(&items(&[("TOY-BALL", 2)]))).unwrap();
    let committed = shop.commit(SAGA, ORDER).unwrap();
    assert_eq!(committed.version, Some(2));
    assert_eq!(committed.event.items, items(&[("TOY-BALL", 2)]));
    assert_eq!(levels(&shop, "TOY-BALL"), (10, 0, 2));
}

#[test]
fn a_retry_after_an_undo_reserves_anew_at_the_new_price() {
    let mut shop = shop();
    shop.reserve(demand(&items(&[("TOY-BALL", 2)]))).unwrap();
    shop.release(SAGA, ORDER).unwrap();
    shop.stock(supply("TOY-BALL", 3, eur(275)));
    let again = shop.reserve(demand(&items(&[("TOY-BALL", 3)]))).unwrap();
    assert_eq!((again.version, again.event.total), (Some(3), eur(825)));
    assert_eq!(levels(&shop, "TOY-BALL"), (3, 3, 3));
}

#[test]
fn requests_that_make_no_sense_change_nothing_and_say_why() {
    let wanted = items(&[("TOY-BALL", 2)]);
    let other = Uuid::from_u128(77);
    let mut shop = shop();
    assert_eq!(shop.release(SAGA, ORDER).unwrap_err(), Contradiction::Nothing);
    assert_eq!(shop.commit(SAGA, ORDER).unwrap_err(), Contradiction::Nothing);
    let nothing = shop.reserve(demand(&Items::none())).unwrap_err();
    assert_eq!(nothing, NotReserved::Contradiction(Contradiction::NoItems));
    shop.reserve(demand(&wanted)).unwrap();
    let before = shop.clone();
    let contradiction = |of: Result<_, NotReserved>| match of {
        Err(NotReserved::Contradiction(why)) => why,
        Err(NotReserved::Refused(_)) | Ok(_) => panic!("reserved or refused"),
    };
    assert_eq!(
        contradiction(shop.reserve(Demand { order: other, ..demand(&wanted) })),
        Contradiction::OtherOrder(ORDER)
    );
    assert_eq!(shop.release(SAGA, other).unwrap_err(), Contradiction::OtherOrder(ORDER));
    assert_eq!(shop, before);
    let mut handed_out = shop.clone();
    handed_out.commit(SAGA, ORDER).unwrap();
    assert_eq!(handed_out.release(SAGA, ORDER).unwrap_err(), Contradiction::Committed);
    shop.release(SAGA, ORDER).unwrap();
    assert_eq!(shop.commit(SAGA, ORDER).unwrap_err(), Contradiction::Released);
}

/// Asks twice: the second time the same is told, of no new version, and nothing changes.
fn twice<P, E>(shop: &mut Warehouse, mut ask: impl FnMut(&mut Warehouse) -> Result<Told<P>, E>)
where
    P: PartialEq + std::fmt::Debug,
    E: std::fmt::Debug,
{
    let first = ask(shop).unwrap();
    assert!(first.version.is_some());
    let before = shop.clone();
    assert_eq!(ask(shop).unwrap(), Told { version: None, ..first });
    assert_eq!(*shop, before);
}

#[test]
fn what_is_so_already_is_told_again_and_changes_nothing() {
    let wanted = items(&[("TOY-BALL", 2)]);
    let mut shop = shop();
    twice(&mut shop, |shop| shop.reserve(demand(&wanted)));
    let mut undone = shop.clone();
    twice(&mut undone, |shop| shop.release(SAGA, ORDER));
    twice(&mut shop, |shop| shop.commit(SAGA, ORDER));
    let late = shop.reserve(demand(&wanted)).unwrap();
    assert_eq!((late.version, late.event.total), (None, eur(500)), "the supplies are handed out already");
}

#[test]
fn a_reservation_whose_supply_is_missing_is_left_as_it_is() {
    let mut whole = shop();
    whole.reserve(demand(&items(&[("TOY-BALL", 2), ("FOOD-CAT-2KG", 1)]))).unwrap();
    let reservations = whole.reservations().map(|(saga, known)| (*saga, known.clone())).collect();
    let food = whole.supply(&sku("FOOD-CAT-2KG")).unwrap().clone();
    let mut torn = Warehouse::new([food], reservations);
    let before = torn.clone();
    assert_eq!(torn.release(SAGA, ORDER).unwrap_err(), Contradiction::NoSupply);
    assert_eq!(torn, before);
}

#[test]
fn a_state_is_read_as_it_is_named() {
    for state in [ReservationState::Reserved, ReservationState::Committed, ReservationState::Released] {
        assert_eq!(ReservationState::from_name(state.as_str()), Some(state));
    }
    assert_eq!(ReservationState::from_name("gone"), None);
}

/// What somebody asks of the warehouse, for one of a few sagas.
#[derive(Debug, Clone)]
enum Ask {
    Reserve(u8, Vec<(u8, i64)>),
    Release(u8),
    Commit(u8),
}

const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];
const ON_HAND: i64 = 20;

fn ask() -> impl Strategy<Value = Ask> {
    let lines = prop::collection::btree_map(0..NAMES.len() as u8, 1..9_i64, 1..=NAMES.len());
    prop_oneof![
        3 => (0..8_u8, lines).prop_map(|(saga, lines)| Ask::Reserve(saga, lines.into_iter().collect())),
        1 => (0..8_u8).prop_map(Ask::Release),
        1 => (0..8_u8).prop_map(Ask::Commit),
    ]
}

fn put(warehouse: &mut Warehouse, ask: Ask) {
    let ids = |saga: u8| (Uuid::from_u128(saga.into()), Uuid::from_u128(u128::from(saga) + 100));
    match ask {
        Ask::Reserve(saga, lines) => {
            let (saga, order) = ids(saga);
            let lines: Vec<_> = lines.into_iter().map(|(name, units)| (NAMES[usize::from(name)], units)).collect();
            let _ = warehouse.reserve(Demand { saga, order, ..demand(&items(&lines)) });
        }
        Ask::Release(saga) => drop(warehouse.release(ids(saga).0, ids(saga).1)),
        Ask::Commit(saga) => drop(warehouse.commit(ids(saga).0, ids(saga).1)),
    }
}

/// How many units of a supply the reservations of a state have.
fn units(warehouse: &Warehouse, name: &str, state: ReservationState) -> i64 {
    let in_state = warehouse.reservations().filter(|(_, known)| known.state == state);
    let lines = in_state.flat_map(|(_, known)| known.items.iter());
    lines.filter(|line| line.sku.as_str() == name).map(|line| line.quantity.get()).sum()
}

proptest! {
    #[test]
    fn whatever_is_asked_no_unit_is_lost_or_sold_twice(asks in prop::collection::vec(ask(), 0..60)) {
        let mut warehouse = Warehouse::new(NAMES.map(|name| supply(name, ON_HAND, eur(100))), BTreeMap::new());
        for ask in asks {
            put(&mut warehouse, ask);
            for name in NAMES {
                let (on_hand, reserved, taken) = levels(&warehouse, name);
                let aside = units(&warehouse, name, ReservationState::Reserved);
                let gone = units(&warehouse, name, ReservationState::Committed);
                prop_assert!(0 <= reserved && reserved <= on_hand);
                prop_assert_eq!(reserved, aside);
                prop_assert_eq!(taken, aside + gone);
                prop_assert_eq!(on_hand + gone, ON_HAND);
            }
        }
    }
}
