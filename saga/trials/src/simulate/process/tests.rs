//! A process whose business is to count: transactions are whole, and each message counts once.

use saga_contract::messages::StockSet;
use saga_contract::{Currency, Money, OnHand};
use saga_core::Body;
use uuid::Uuid;

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

    fn handle(&self, batch: &[Letter], _: Time) -> (Vec<Verdict>, u32) {
        let mut counted = 0;
        let handle = |message: &Letter| match message.subject.as_str() {
            "early" if self.counted < 2 => Verdict::PutOff { reason: "too early".to_owned() },
            "bad" => Verdict::Park { reason: "bad", detail: "for ever".to_owned() },
            "quiet" => Verdict::ignored("nothing to say"),
            _ => {
                counted += 1;
                Verdict::send(vec![message_of(message.id.as_u128() + 100, "answer")])
            }
        };
        let verdicts = batch.iter().map(handle).collect();
        (verdicts, counted)
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

fn process() -> Process<Counter> {
    Process::new(Counter::default(), START, None)
}

fn taken(letter: &Letter) -> Taken {
    Taken { letter: letter.clone(), times: 0, attempts: 0 }
}

/// Delivers one message; a copy of one that was put off, or that one itself as it is due.
fn deliver(process: &mut Process<Counter>, letter: &Letter, is_due: bool) -> Became {
    let attempts = process.book.deferred.get(&(QUEUE, letter.id)).map_or(0, |deferred| deferred.attempts);
    let batch = [Taken { attempts, ..taken(letter) }];
    process.settle(QUEUE, &batch, START, is_due).became.remove(0).1
}

#[test]
fn an_attempt_that_is_not_committed_never_happened() {
    let process = process();
    drop(process.attempt(QUEUE, &[taken(&letter(1, "one"))], START, false));
    assert_eq!(process.tables.counted, 0);
    assert!(process.book.inbox.is_empty() && process.book.journal.is_empty() && process.book.outbox.is_empty());
}

#[test]
fn a_message_that_comes_again_counts_once_and_is_answered_again() {
    let (mut process, one) = (process(), letter(1, "one"));
    let first = process.settle(QUEUE, &[taken(&one)], START, false);
    let again = process.settle(QUEUE, &[taken(&one)], START, false);
    assert_eq!((&first.became[0].1, &again.became[0].1), (&Became::Handled, &Became::Repeated));
    assert_eq!((process.tables.counted, process.book.journal.len(), again.again), (1, 1, 1));
    let out: Vec<_> = first.publish.iter().chain(&again.publish).collect();
    let ids: Vec<Uuid> = out.iter().map(|outbound| outbound.letter.id).collect();
    assert_eq!(ids, [Uuid::from_u128(101); 2], "the same message, twice");
    out.iter().for_each(|outbound| process.book.confirmed(outbound.mark));
    assert!(process.book.outbox.is_empty());
}

#[test]
fn a_batch_is_one_transaction_and_counts_what_is_in_it_twice_once() {
    let (mut process, one, two) = (process(), letter(1, "one"), letter(2, "two"));
    let batch = [taken(&one), taken(&two), taken(&one), taken(&letter(2, "other"))];
    let after = process.settle(QUEUE, &batch, START, false);
    let became: Vec<Became> = after.became.into_iter().map(|(_, became)| became).collect();
    let conflict = Became::Parked("conflict".to_owned());
    assert_eq!(became, [Became::Handled, Became::Handled, Became::Repeated, conflict]);
    assert_eq!((process.tables.counted, process.book.journal.len(), process.book.outbox.len()), (2, 2, 2));
}

#[test]
fn another_message_under_the_same_id_is_a_conflict() {
    let mut process = process();
    deliver(&mut process, &letter(1, "one"), false);
    assert_eq!(deliver(&mut process, &letter(1, "two"), false), Became::Parked("conflict".to_owned()));
    assert_eq!((process.tables.counted, process.book.parked.len()), (1, 1));
}

#[test]
fn a_message_that_comes_too_early_waits_and_is_handled_when_it_is_due() {
    let (mut process, early) = (process(), letter(9, "early"));
    assert_eq!(deliver(&mut process, &early, false), Became::PutOff);
    assert_eq!(process.book.next_due(QUEUE), Some(START + Duration::SECOND));
    assert!(process.book.due(QUEUE, START).is_empty());
    assert_eq!(deliver(&mut process, &early, false), Became::Repeated, "a copy of what waits is dropped");
    assert_eq!(deliver(&mut process, &early, true), Became::PutOff);
    assert_eq!(process.book.next_due(QUEUE), Some(START + Duration::seconds(2)), "a little longer");
    deliver(&mut process, &letter(1, "one"), false);
    deliver(&mut process, &letter(2, "two"), false);
    assert_eq!(process.book.due(QUEUE, START + Duration::seconds(2)).len(), 1);
    assert_eq!(deliver(&mut process, &early, true), Became::Handled);
    assert!(process.book.deferred.is_empty());
}

#[test]
fn a_message_from_further_ahead_than_clocks_differ_waits_for_its_time() {
    let (mut process, one) = (process(), letter(1, "one"));
    let slow = START - MOST_AHEAD - Duration::SECOND;
    let after = process.settle(QUEUE, &[taken(&one)], slow, false);
    assert_eq!((&after.became[0].1, process.book.next_due(QUEUE)), (&Became::PutOff, Some(START)));
}

#[test]
fn a_message_that_is_put_off_for_ever_is_parked_in_the_end() {
    let (mut process, early) = (process(), letter(9, "early"));
    let times = (0..100).take_while(|n| deliver(&mut process, &early, *n > 0) == Became::PutOff).count();
    assert_eq!(times, 20);
    assert!(process.book.deferred.is_empty());
    assert_eq!(process.book.parked[&(QUEUE, early.id)].reason, "put_off_too_often: too early");
    assert_eq!(deliver(&mut process, &early, false), Became::Repeated, "a copy of what is parked is dropped");
}

#[test]
fn what_crashes_its_consumer_again_and_again_is_parked() {
    let mut process = process();
    let batch = [Taken { times: CRASH_LOOP, ..taken(&letter(1, "one")) }];
    process.settle(QUEUE, &batch, START, false);
    assert_eq!((process.tables.counted, process.book.parked.len()), (0, 1));
}

#[test]
fn what_is_sent_twice_is_counted() {
    let mut process = process();
    process.change(0, sending(vec![message_of(101, "answer")]));
    process.settle(QUEUE, &[taken(&letter(2, "two")), taken(&letter(1, "one"))], START, false);
    let ids: Vec<Uuid> = process.book.sent_twice.iter().map(|letter| letter.id).collect();
    assert_eq!((process.tables.counted, ids), (2, vec![Uuid::from_u128(101)]));
}

#[test]
fn what_is_wrong_is_parked_and_what_changes_nothing_is_noted() {
    let (mut process, quiet) = (process(), letter(2, "quiet"));
    assert_eq!(deliver(&mut process, &letter(1, "bad"), false), Became::Parked("bad: for ever".to_owned()));
    assert_eq!(deliver(&mut process, &quiet, false), Became::Ignored("nothing to say"));
    assert_eq!(process.book.inbox[&(QUEUE, key(&quiet))].note, Some("nothing to say"));
}

#[test]
fn a_mark_that_nobody_removed_is_left_over_once_in_a_while() {
    let (mut process, left_for) = (process(), Duration::seconds(10));
    deliver(&mut process, &letter(1, "one"), false);
    assert!(process.book.leftovers(left_for).is_empty(), "somebody is at it");
    process.book.clock += left_for;
    assert_eq!(process.book.leftovers(left_for).len(), 1);
    assert!(process.book.leftovers(left_for).is_empty(), "whoever took it over has as long");
}

#[test]
fn a_built_in_fault_makes_it_handle_a_message_again() {
    let (mut process, one) = (Process::new(Counter::default(), START, Some(Bug::NoDedupe)), taken(&letter(1, "one")));
    process.settle(QUEUE, std::slice::from_ref(&one), START, false);
    process.settle(QUEUE, &[one], START, false);
    assert_eq!((process.tables.counted, process.book.sent_twice.len()), (2, 1), "and answers it again");
}
