//! Where copies go, and when; and what the broker does to them.

use saga_contract::messages::{OrderApproved, ReservePet};
use saga_contract::queues;
use saga_core::{Body, Payload};
use uuid::Uuid;

use super::super::START;
use super::super::faults::{Faults, Level};
use super::*;

fn letter<P: Payload>() -> Letter {
    let body = Body { kind: P::TYPE, version: P::VERSION, data: serde_json::json!({}) };
    Rc::new(Message::new(Uuid::nil(), "test", "subject", body, START))
}

fn dice(kinds: &[Fault]) -> Dice {
    Dice::new(1, Faults::of(Level::Heavy).only(kinds))
}

/// The queues of what was published so often, and how many of each outcome.
fn publish(kind: Fault, times: usize) -> (Vec<usize>, BTreeMap<&'static str, usize>) {
    let (broker, letter, mut dice) = (Broker::new(START), letter::<ReservePet>(), dice(&[kind]));
    let (mut copies, mut outcomes) = (Vec::new(), BTreeMap::new());
    for _ in 0..times {
        let (arriving, outcome) = broker.publish(&letter, None, &mut dice);
        copies.push(arriving.len());
        let name = match outcome {
            PublishOutcome::Confirmed => "confirmed",
            PublishOutcome::Returned => "returned",
            PublishOutcome::Nacked => "nacked",
            PublishOutcome::Unanswered => "unanswered",
        };
        *outcomes.entry(name).or_default() += 1;
    }
    (copies, outcomes)
}

#[test]
fn a_message_goes_to_each_queue_that_is_bound_to_it_or_straight_into_one() {
    let broker = Broker::new(START);
    assert_eq!(broker.routes(&letter::<ReservePet>(), None), [queues::PET_COMMANDS]);
    let approved = letter::<OrderApproved>();
    let all = [queues::INVENTORY_ORDER_EVENTS, queues::PET_ORDER_EVENTS, queues::SAGA_INBOX];
    assert_eq!(broker.routes(&approved, None), all, "the stream aside");
    assert_eq!(broker.routes(&approved, Some(queues::PET_ORDER_EVENTS)), [queues::PET_ORDER_EVENTS]);
}

#[test]
fn a_copy_may_come_twice() {
    let (copies, outcomes) = publish(Fault::Duplicate, 1_000);
    assert!(copies.contains(&1) && copies.contains(&2), "{copies:?}");
    assert_eq!(outcomes, [("confirmed", 1_000)].into());
}

#[test]
fn what_is_refused_or_returned_is_in_no_queue_and_what_has_no_answer_may_be_in_one() {
    for (kind, name) in [(Fault::Nack, "nacked"), (Fault::Return, "returned")] {
        let (copies, outcomes) = publish(kind, 1_000);
        assert!(
            outcomes[name] > 0 && copies.iter().filter(|copies| **copies == 0).count() == outcomes[name],
            "{outcomes:?}"
        );
    }
    let (copies, outcomes) = publish(Fault::Loss, 1_000);
    let lost = copies.iter().filter(|copies| **copies == 0).count();
    assert!(lost > 0 && lost < outcomes["unanswered"], "{lost} of {outcomes:?}");
}

#[test]
fn most_copies_are_quick_some_are_late_and_so_they_overtake() {
    let mut dice = dice(&[Fault::Delay]);
    let [late, very_late] = dice.faults.lateness();
    let ways: Vec<Duration> = (0..10_000).map(|_| way(&mut dice)).collect();
    let slower_than = |limit: Duration| ways.iter().filter(|way| **way > limit).count();
    let slow = slower_than(USUAL);
    assert!((500..1_500).contains(&slow), "{slow} of 10,000 were late");
    assert!((1..200).contains(&slower_than(late)), "very few were very late");
    assert_eq!(slower_than(very_late), 0);
    assert!(ways.iter().all(|way| way.is_positive()) && !ways.is_sorted());
}

#[test]
fn what_was_handed_out_often_goes_alone() {
    let mut broker = Broker::new(START);
    for times in [0, 1, 2, 0] {
        broker.put(queues::PET_COMMANDS, Delivery { letter: letter::<ReservePet>(), times });
    }
    let sizes: Vec<usize> = (0..4).map(|_| broker.take(queues::PET_COMMANDS, 8).len()).collect();
    assert_eq!(sizes, [2, 1, 1, 0]);
    assert!(!broker.has(queues::PET_COMMANDS));
}
