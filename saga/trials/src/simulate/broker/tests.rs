//! Where copies go, and when.

use saga_contract::messages::{OrderApproved, ReservePet};
use saga_contract::queues;
use saga_core::{Body, Payload};
use uuid::Uuid;

use super::super::START;
use super::*;

fn letter<P: Payload>() -> Letter {
    let body = Body { kind: P::TYPE, version: P::VERSION, data: serde_json::json!({}) };
    Rc::new(Message::new(Uuid::nil(), "test", "subject", body, START))
}

fn queues_of(letter: &Letter, queue: Option<&str>, conditions: Conditions) -> Vec<&'static str> {
    let copies = Broker::new(conditions).publish(letter, queue, &mut Rng::with_seed(1));
    copies.into_iter().map(|copy| copy.queue).collect()
}

const ONCE: Conditions = Conditions { twice: 0, ..Conditions::GOOD_DAY };

#[test]
fn a_message_goes_to_each_queue_that_is_bound_to_it_or_straight_into_one() {
    assert_eq!(queues_of(&letter::<ReservePet>(), None, ONCE), [queues::PET_COMMANDS]);
    let approved = letter::<OrderApproved>();
    let all = [queues::INVENTORY_ORDER_EVENTS, queues::PET_ORDER_EVENTS, queues::SAGA_INBOX];
    assert_eq!(queues_of(&approved, None, ONCE), all, "the stream aside");
    assert_eq!(queues_of(&approved, Some(queues::PET_ORDER_EVENTS), ONCE), [queues::PET_ORDER_EVENTS]);
}

#[test]
fn a_copy_may_come_twice() {
    let always = Conditions { twice: 1000, ..ONCE };
    assert_eq!(queues_of(&letter::<ReservePet>(), None, always), [queues::PET_COMMANDS; 2]);
}

#[test]
fn most_copies_are_quick_some_are_late_and_so_they_overtake() {
    let (broker, letter, mut dice) = (Broker::new(ONCE), letter::<ReservePet>(), Rng::with_seed(1));
    let ways: Vec<Duration> = (0..10_000).map(|_| broker.publish(&letter, None, &mut dice)[0].after).collect();
    let slower_than = |limit: Duration| ways.iter().filter(|way| **way > limit).count();
    let late = slower_than(ONCE.usual);
    assert!((200..900).contains(&late), "{late} of 10,000 were late");
    assert!((1..100).contains(&slower_than(ONCE.late.1)), "very few were very late");
    assert_eq!(slower_than(ONCE.very_late.1), 0);
    assert!(ways.iter().all(|way| way.is_positive()) && !ways.is_sorted());
}
