//! A process whose business is to count: transactions are whole, and each message counts once.

use saga_contract::messages::StockSet;
use saga_contract::{Currency, Money, OnHand};
use saga_core::Body;

use super::super::START;
use super::*;

const QUEUE: &str = "inventory.commands";

/// Counts messages; one from subject `early` is put off until two were counted, one from `bad` is parked.
#[derive(Default)]
struct Counter {
    counted: u32,
}

impl Tables for Counter {
    type Write = u32;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, message: &Message, _: Time) -> (Verdict, u32) {
        match message.subject.as_str() {
            "early" if self.counted < 2 => (Verdict::PutOff { reason: "too early".to_owned() }, 0),
            "bad" => (Verdict::Park { reason: "bad", detail: "for ever".to_owned() }, 0),
            "quiet" => (Verdict::ignored("nothing to say"), 0),
            _ => (Verdict::send(vec![message_of(message.id.as_u128() + 100, "answer")]), 1),
        }
    }

    fn write(&mut self, rows: u32) {
        self.counted += rows;
    }
}

fn message_of(id: u128, subject: &str) -> Message {
    let price = Money::new(1, Currency::EUR).unwrap();
    let body = StockSet { sku: "TOY-BALL".parse().unwrap(), quantity: OnHand::MIN, price };
    Message::new(Uuid::from_u128(id), "test", subject, Body::of(&body).unwrap(), START)
}

fn letter(id: u128, subject: &str) -> Letter {
    Rc::new(message_of(id, subject))
}

fn deliver(process: &mut Process<Counter>, letter: &Letter, is_due: bool) -> After {
    let attempt = process.attempt(QUEUE, letter, START, is_due);
    process.commit(attempt, START)
}

#[test]
fn an_attempt_that_is_not_committed_never_happened() {
    let process = Process::new(Counter::default());
    drop(process.attempt(QUEUE, &letter(1, "one"), START, false));
    assert_eq!(process.tables.counted, 0);
    assert!(process.book.inbox.is_empty() && process.book.journal.is_empty() && process.book.outbox.is_empty());
}

#[test]
fn a_message_that_comes_again_counts_once_and_is_answered_again() {
    let mut process = Process::new(Counter::default());
    let first = deliver(&mut process, &letter(1, "one"), false);
    let again = deliver(&mut process, &letter(1, "one"), false);
    assert_eq!((first.became, again.became), (Became::Handled, Became::Repeated));
    assert_eq!((process.tables.counted, process.book.journal.len(), again.again), (1, 1, 1));
    let answers: Vec<_> = [first.publish, again.publish].concat();
    let sent: Vec<Uuid> = answers.iter().map(|mark| process.book.load(*mark).unwrap().0.id).collect();
    assert_eq!(sent, [Uuid::from_u128(101); 2], "the same message, twice");
    answers.into_iter().for_each(|mark| process.book.confirmed(mark));
    assert!(process.book.outbox.is_empty());
}

#[test]
fn another_message_under_the_same_id_is_a_conflict() {
    let mut process = Process::new(Counter::default());
    deliver(&mut process, &letter(1, "one"), false);
    let other = deliver(&mut process, &letter(1, "two"), false);
    assert_eq!(other.became, Became::Parked("conflict".to_owned()));
    assert_eq!((process.tables.counted, process.book.parked.len()), (1, 1));
}

#[test]
fn a_message_that_comes_too_early_waits_and_is_handled_when_it_is_due() {
    let mut process = Process::new(Counter::default());
    let early = letter(9, "early");
    assert_eq!(deliver(&mut process, &early, false).due, Some(START + Duration::SECOND));
    assert_eq!(deliver(&mut process, &early, false).became, Became::Repeated, "a copy of what waits is dropped");
    assert_eq!(deliver(&mut process, &early, true).due, Some(START + Duration::seconds(2)), "a little longer");
    deliver(&mut process, &letter(1, "one"), false);
    deliver(&mut process, &letter(2, "two"), false);
    assert_eq!(deliver(&mut process, &early, true).became, Became::Handled);
    assert!(process.book.deferred.is_empty());
}

#[test]
fn a_message_that_is_put_off_for_ever_is_parked_in_the_end() {
    let mut process = Process::new(Counter::default());
    let early = letter(9, "early");
    let times = (0..100).take_while(|n| deliver(&mut process, &early, *n > 0).due.is_some()).count();
    assert_eq!(times, usize::try_from(MOST_ATTEMPTS).unwrap());
    assert!(process.book.deferred.is_empty());
    assert_eq!(process.book.parked[0].reason, "put_off_too_often: too early");
    assert_eq!(deliver(&mut process, &early, false).became, Became::Repeated, "a copy of what is parked is dropped");
}

#[test]
fn what_would_be_journalled_twice_is_rolled_back_whole() {
    let mut process = Process::new(Counter::default());
    process.change(0, Output { send: vec![message_of(101, "answer").into()], ..Output::default() });
    let twice = deliver(&mut process, &letter(1, "one"), false);
    assert_eq!(twice.became, Became::PutOff);
    assert_eq!((process.tables.counted, process.book.journal.len(), process.book.inbox.len()), (0, 1, 0));
}

#[test]
fn what_is_wrong_is_parked_and_what_changes_nothing_is_noted() {
    let mut process = Process::new(Counter::default());
    assert_eq!(deliver(&mut process, &letter(1, "bad"), false).became, Became::Parked("bad: for ever".to_owned()));
    assert_eq!(deliver(&mut process, &letter(2, "quiet"), false).became, Became::Ignored("nothing to say"));
    assert_eq!(process.book.inbox[&(QUEUE, Uuid::from_u128(2))].note, Some("nothing to say"));
}

#[test]
fn a_built_in_fault_makes_it_handle_a_message_again() {
    let mut process = Process::new(Counter::default());
    process.forgets_what_it_handled = true;
    deliver(&mut process, &letter(1, "one"), false);
    assert_eq!(deliver(&mut process, &letter(1, "one"), false).became, Became::PutOff, "its answer is there already");
}
