//! What the order saga computes from its answers: the total, the commands' data, the undo's reason.
//! Played with the golden messages, which tell one order's story.

use std::path::Path;

use idforge::Salt;
use saga::order_saga::order_saga;
use saga_contract::{DEFAULT_DOMAIN, processes};
use saga_core::{Engine, Ids, Input, Instance, Message, Phase, Timings};
use serde_json::{Value, json};

/// The salt that the golden messages were made with.
const SALT: &str = "contract-vectors-2f6c";

fn golden(kind: &str) -> Message {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contract/golden/{kind}.v1.json"));
    Message::parse(&std::fs::read(path).unwrap()).unwrap()
}

/// A golden message that says something else in one place.
fn saying(kind: &str, pointer: &str, value: Value) -> Message {
    let mut message = golden(kind);
    *message.data.pointer_mut(pointer).unwrap() = value;
    message
}

struct Play {
    engine: Engine,
    saga: Option<Instance>,
    sent: Vec<Message>,
}

impl Play {
    fn below(approval_limit: i64) -> Self {
        let ids = Ids::new(&Salt::new(SALT).unwrap(), DEFAULT_DOMAIN);
        let definition = order_saga(&ids, approval_limit).unwrap();
        let engine = Engine { definition, ids, timings: Timings::default(), source: processes::SAGA };
        Self { engine, saga: None, sent: Vec::new() }
    }

    fn take(mut self, message: &Message) -> Self {
        let decision = self.engine.decide(self.saga.as_ref(), Input::Message(message), message.time).unwrap();
        self.sent.extend(decision.send.into_iter().map(|send| send.message));
        self.saga = Some(decision.next);
        self
    }

    fn takes(self, kinds: &[&str]) -> Self {
        kinds.iter().fold(self, |play, kind| play.take(&golden(kind)))
    }

    fn phase(&self) -> Phase {
        self.saga.as_ref().unwrap().phase
    }

    fn sent(&self, kind: &str) -> Option<&Message> {
        self.sent.iter().find(|message| message.kind == kind)
    }
}

/// What was sent says what the golden message of its type says, under the same id.
fn assert_golden(play: &Play, kind: &str) {
    let (sent, golden) = (play.sent(kind).unwrap_or_else(|| panic!("no {kind} was sent")), golden(kind));
    assert_eq!(sent.data, golden.data, "{kind}");
    assert_eq!((sent.id, &sent.step, &sent.subject), (golden.id, &golden.step, &golden.subject), "{kind}");
}

const PREPARED: [&str; 4] = ["ORDER_REQUESTED", "PET_RESERVED", "INVENTORY_RESERVED", "ORDER_CREATED"];

#[test]
fn the_total_is_the_pets_price_and_the_supplies() {
    let play = Play::below(0).takes(&PREPARED);
    assert_eq!(play.phase(), Phase::Prepared);
    assert_golden(&play, "RESERVE_PET");
    assert_golden(&play, "SAGA_PREPARED");
    assert_eq!(
        play.sent("SAGA_PREPARED").unwrap().data["result"]["total"],
        json!({"amount": 32_400, "currency": "EUR"})
    );
}

#[test]
fn without_supplies_the_total_is_the_pets_price_and_nobody_waits_for_inventory() {
    let start = saying("ORDER_REQUESTED", "/items", json!([]));
    let pet = saying("PET_RESERVED", "/items", json!([]));
    let play = Play::below(0).take(&start).take(&pet).takes(&["ORDER_CREATED"]);
    assert_eq!(play.phase(), Phase::Prepared);
    assert_eq!(play.sent("SAGA_PREPARED").unwrap().data["result"]["total"]["amount"], 29_900);
}

#[test]
fn an_order_below_the_limit_is_approved_by_rule_and_one_at_the_limit_is_not() {
    let by_rule = Play::below(32_401).takes(&PREPARED);
    assert_eq!(by_rule.phase(), Phase::Completing);
    assert_golden(&by_rule, "APPROVE_ORDER");
    let at_the_limit = Play::below(32_400).takes(&PREPARED);
    assert_eq!(at_the_limit.phase(), Phase::Prepared);
    assert!(at_the_limit.sent("APPROVE_ORDER").is_none());
}

#[test]
fn an_order_above_the_limit_is_approved_when_the_owner_grants_it() {
    let play = Play::below(0).takes(&PREPARED).takes(&["ORDER_APPROVAL_GRANTED"]);
    assert_eq!(play.phase(), Phase::Completing);
    assert_golden(&play, "APPROVE_ORDER");
    let done = play.takes(&["ORDER_APPROVED", "INVENTORY_COMMITTED", "PET_SOLD"]);
    assert_eq!(done.phase(), Phase::Completed);
    assert_eq!(done.sent("SAGA_COMPLETED").unwrap().data["result"]["total"]["amount"], 32_400);
}

#[test]
fn a_cancellation_tells_each_participant_that_it_was_one_and_why() {
    let prepared = ["ORDER_REQUESTED", "PET_RESERVED", "ORDER_CREATED", "INVENTORY_RESERVED"];
    let play = Play::below(0).takes(&prepared).takes(&[
        "ORDER_CANCELLATION_REQUESTED",
        "INVENTORY_RELEASED",
        "ORDER_CANCELLED",
        "PET_RELEASED",
    ]);
    assert_eq!(play.phase(), Phase::Cancelled);
    for undo in ["RELEASE_INVENTORY", "CLOSE_ORDER", "RELEASE_PET"] {
        assert_golden(&play, undo);
    }
}

#[test]
fn prices_that_do_not_add_up_are_a_rejection_and_not_a_stuck_saga() {
    for (pointer, value) in [("/total/currency", json!("USD")), ("/total/amount", json!(9_007_199_254_740_991_i64))] {
        let supplies = saying("INVENTORY_RESERVED", pointer, value);
        let play =
            Play::below(50_000).takes(&["ORDER_REQUESTED", "PET_RESERVED"]).take(&supplies).takes(&["ORDER_CREATED"]);
        assert_eq!(play.phase(), Phase::Compensating, "{pointer}");
        assert_eq!(play.saga.as_ref().unwrap().end.as_ref().unwrap().reason, "result_invalid", "{pointer}");
        assert!(play.sent("SAGA_PREPARED").is_none(), "{pointer}");
    }
}

#[test]
fn a_request_whose_ids_come_from_another_salt_starts_nothing() {
    let other = Play::below(0);
    let ids = Ids::new(&Salt::new("another salt than theirs").unwrap(), DEFAULT_DOMAIN);
    let engine = Engine { definition: order_saga(&ids, 0).unwrap(), ids, ..other.engine };
    let start = golden("ORDER_REQUESTED");
    let refused = engine.decide(None, Input::Message(&start), start.time).unwrap_err();
    assert!(refused.to_string().contains("same salt and domain"), "{refused}");
}
