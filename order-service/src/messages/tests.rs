//! Messages in any order and any number of times, decided as in a batch, without servers.

use std::collections::{BTreeMap, VecDeque};

use idforge::Salt;
use proptest::prelude::*;
use saga_contract::messages::OrderResult;
use saga_contract::{Items, PetStatus, Quantity};
use saga_core::MessageRef;
use saga_runtime::{Outgoing, Output};
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::domain::request_tests::{money, request};
use crate::domain::{State, View};

const NOW: Time = datetime!(2026-11-20 12:00 UTC);

/// order-service without its servers: what it remembers, and what it sent.
struct Shop {
    ids: Ids,
    ledger: Ledger,
    effects: Effects,
    handled: Vec<Uuid>,
    sent: BTreeMap<Uuid, Message>,
}

impl Shop {
    /// With one request that was just taken.
    fn new() -> Self {
        let ids = Ids::new(&Salt::new("v1").unwrap(), "petstore.example");
        let (effects, sent) = (Effects::default(), BTreeMap::new());
        Self { ids, ledger: Ledger::of([request()]), effects, handled: Vec::new(), sent }
    }

    /// What becomes of a message, as the pipeline would have it: the same one again is a duplicate.
    fn handle(&mut self, message: &Message) -> Option<Verdict> {
        if self.handled.contains(&message.id) {
            return None;
        }
        let answers = answers(&self.ids, NOW);
        let mut decisions = Decisions { answers, ledger: &mut self.ledger, effects: &mut self.effects };
        let verdict = Job::read(message).and_then(|job| decisions.decide(&job)).unwrap_or_else(|park| park);
        if let Verdict::Done(output) = &verdict {
            self.handled.push(message.id);
            let sent = output.send.iter().map(|Outgoing { message, .. }| (message.id, message.clone()));
            self.sent.extend(sent);
        }
        Some(verdict)
    }

    /// The one message that goes out, new or again.
    fn answer(&mut self, message: &Message) -> Message {
        let Some(Verdict::Done(Output { send, resend, .. })) = self.handle(message) else {
            panic!("{} was not handled", message.kind)
        };
        match (send.as_slice(), resend.as_slice()) {
            ([Outgoing { message, .. }], []) => message.clone(),
            ([], [again]) => self.sent[&again.message.id].clone(),
            _ => panic!("{} has no one answer", message.kind),
        }
    }

    /// Hands over messages until none is put off any longer.
    fn settle(&mut self, messages: impl IntoIterator<Item = Message>) {
        let mut waiting: VecDeque<Message> = messages.into_iter().collect();
        let mut put_off_in_a_row = 0;
        while let Some(message) = waiting.pop_front() {
            match self.handle(&message) {
                Some(Verdict::PutOff { .. }) => {
                    put_off_in_a_row += 1;
                    assert!(put_off_in_a_row <= waiting.len() + 1, "{} is put off for ever", message.kind);
                    waiting.push_back(message);
                }
                Some(Verdict::Park { reason, detail }) => panic!("{} was parked: {reason}, {detail}", message.kind),
                Some(Verdict::Done(_)) | None => put_off_in_a_row = 0,
            }
        }
    }

    fn request(&mut self) -> &mut Request {
        self.ledger.get_mut(request().order).unwrap()
    }

    fn view(&mut self) -> View {
        self.request().view()
    }

    fn effect(&self, step: &str) -> Option<EffectState> {
        self.effects.get(request().saga, step).map(|effect| effect.state)
    }
}

/// A message of the saga, whose id stands for its type and `n`.
fn message<P: Payload>(n: u32, subject: Uuid, payload: &P) -> Message {
    let ids = Ids::new(&Salt::new("v1").unwrap(), "petstore.example");
    let id = ids.command(request().saga, P::TYPE, saga_core::Direction::Do, n);
    let mut message = Message::new(id, "test", subject.to_string(), Body::of(payload).unwrap(), NOW);
    message.saga_id = Some(request().saga);
    message
}

fn pet_reserved() -> Message {
    let request = request();
    let payload = PetReserved {
        pet: request.pet,
        pet_id: request.pet_number,
        name: "Miso".to_owned(),
        status: PetStatus::Pending,
        price: money(4_999),
        order: request.order,
        order_id: request.number,
        user_id: request.user,
        quantity: Quantity::ONE,
        items: Items::none(),
        ship_date: None,
    };
    message(0, request.pet, &payload).for_step(steps::RESERVE_PET, 3)
}

fn close_order(outcome: Outcome, reason: Reason, epoch: u32) -> Message {
    let order = request().order;
    message(epoch, order, &CloseOrder { order, outcome, reason }).for_step(steps::CREATE_ORDER, epoch)
}

fn rejecting() -> Message {
    close_order(Outcome::Rejected, Reason::OUT_OF_STOCK, 0)
}

fn approve_order() -> Message {
    let order = request().order;
    message(0, order, &ApproveOrder { order, total: money(7) }).for_step(steps::APPROVE_ORDER, 0)
}

fn saga_prepared() -> Message {
    let result = serde_json::to_value(OrderResult { total: money(7) }).unwrap();
    message(0, request().order, &SagaPrepared { definition: "order_saga".to_owned(), result })
}

fn saga_rejected(reason: &Reason) -> Message {
    let payload = SagaRejected { definition: "order_saga".to_owned(), reason: reason.to_string() };
    message(0, request().order, &payload)
}

fn saga_cancelled(reason: &Reason) -> Message {
    let payload = SagaCancelled { definition: "order_saga".to_owned(), reason: reason.to_string() };
    message(0, request().order, &payload)
}

#[test]
fn a_reserved_pet_makes_an_order() {
    let mut shop = Shop::new();
    let answer = shop.answer(&pet_reserved());
    assert_eq!(
        (answer.kind.as_str(), answer.step.as_deref(), answer.epoch),
        ("ORDER_CREATED", Some("create_order"), 0)
    );
    assert_eq!((answer.saga_id, answer.causation_id), (Some(request().saga), Some(pet_reserved().id)));
    assert_eq!((answer.aggregate_version, answer.subject), (Some(2), request().order.to_string()));
    assert_eq!(shop.view().state, State::Pending);
}

#[test]
fn the_same_request_under_another_id_is_answered_with_the_same_bytes() {
    let mut shop = Shop::new();
    let mut again = pet_reserved();
    again.id = Uuid::max();
    let (first, second) = (shop.answer(&pet_reserved()), shop.answer(&again));
    assert_eq!(first.to_bytes(), second.to_bytes());
    assert_eq!(shop.request().version, 2);
}

#[test]
fn an_undo_that_overtakes_leaves_a_tombstone_and_the_late_request_is_refused() {
    let mut shop = Shop::new();
    let closed = shop.answer(&rejecting());
    assert_eq!((closed.kind.as_str(), closed.aggregate_version), ("ORDER_REJECTED", None));
    let refused = shop.answer(&pet_reserved());
    assert_eq!((refused.kind.as_str(), refused.aggregate_version), ("ORDER_REFUSED", None));
    assert_eq!(refused.payload::<OrderRefused>().unwrap().reason, Reason::CANCELLED);
    assert_eq!(shop.effect(steps::CREATE_ORDER), Some(EffectState::Undone));
    assert_eq!(shop.request().life, None);
}

#[test]
fn a_retry_with_a_higher_epoch_passes_the_tombstone() {
    let mut shop = Shop::new();
    shop.answer(&rejecting());
    let mut retry = pet_reserved().for_step(steps::CREATE_ORDER, 1);
    retry.id = Uuid::max();
    let created = shop.answer(&retry);
    assert_eq!((created.kind.as_str(), created.epoch), ("ORDER_CREATED", 1));
    let mut late = rejecting();
    late.id = Uuid::nil();
    let stale = shop.answer(&late);
    assert_eq!((stale.kind.as_str(), stale.aggregate_version), ("ORDER_REJECTED", None));
    assert_eq!(shop.view().state, State::Pending, "an undo of the first run does not touch the second");
}

#[test]
fn an_order_is_closed_once() {
    let mut shop = Shop::new();
    shop.answer(&pet_reserved());
    let closed = shop.answer(&close_order(Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER, 0));
    assert_eq!((closed.kind.as_str(), closed.aggregate_version), ("ORDER_CANCELLED", Some(3)));
    let mut again = close_order(Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER, 0);
    again.id = Uuid::max();
    assert_eq!(shop.answer(&again).to_bytes(), closed.to_bytes());
    assert_eq!(shop.request().version, 3);
}

#[test]
fn an_approved_order_is_told_with_all_that_others_need() {
    let mut shop = Shop::new();
    shop.settle([pet_reserved(), saga_prepared()]);
    let approved = shop.answer(&approve_order()).payload::<saga_contract::messages::OrderApproved>().unwrap();
    assert_eq!(approved, request().approved_event(money(7)));
    assert_eq!(shop.view().state, State::Approved);
}

#[test]
fn a_saga_that_is_not_the_orders_own_changes_nothing() {
    let mut shop = Shop::new();
    let foreign = |mut message: Message| {
        message.saga_id = Some(Uuid::max());
        message
    };
    let refused = shop.answer(&foreign(pet_reserved()));
    assert_eq!(refused.payload::<OrderRefused>().unwrap().reason, Reason::ORDER_UNKNOWN);
    assert_eq!(shop.answer(&foreign(rejecting())).aggregate_version, None);
    assert!(matches!(shop.handle(&foreign(approve_order())), Some(Verdict::Park { reason: "order_unknown", .. })));
    assert!(matches!(shop.handle(&foreign(saga_prepared())), Some(Verdict::Done(Output { note: Some(_), .. }))));
    assert_eq!(*shop.request(), request());
}

#[test]
fn what_cannot_be_read_is_parked_by_its_reason() {
    let mut shop = Shop::new();
    let mut no_saga = pet_reserved();
    no_saga.saga_id = None;
    let mut malformed = pet_reserved();
    malformed.data = json!({"order": 7});
    let mut newer = pet_reserved();
    newer.schema_version = 99;
    let mut unknown = pet_reserved();
    unknown.kind = "PET_SANG".to_owned();
    let mut no_order = saga_prepared();
    no_order.subject = "Miso".to_owned();
    let mut no_total = saga_prepared();
    no_total.data = json!({"definition": "order_saga", "result": {}});
    for (message, expected) in [
        (no_saga, "no_saga"),
        (malformed, "malformed_data"),
        (newer, "newer_version"),
        (unknown, "unknown_type"),
        (no_order, "malformed_data"),
        (no_total, "malformed_data"),
    ] {
        match shop.handle(&message) {
            Some(Verdict::Park { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert_eq!(*shop.request(), request());
}

#[test]
fn closing_an_approved_order_is_parked_as_no_saga_may_ask_for_it() {
    let mut shop = Shop::new();
    shop.settle([pet_reserved(), approve_order()]);
    assert!(matches!(shop.handle(&rejecting()), Some(Verdict::Park { reason: "order_approved", .. })));
    assert_eq!(shop.view().state, State::Approved);
}

#[test]
fn an_answer_refers_to_what_was_sent() {
    let mut shop = Shop::new();
    let created = shop.answer(&pet_reserved());
    let remembered = shop.effects.get(request().saga, steps::CREATE_ORDER).unwrap().answer;
    assert_eq!(remembered, MessageRef { id: created.id, time: created.time });
}

/// What the messages of a saga come to, in whatever order and however often they come.
#[derive(Debug, Clone)]
struct Story {
    messages: Vec<Message>,
    state: State,
    reason: Option<Reason>,
}

fn stories() -> Vec<Story> {
    let story = |messages, state, reason| Story { messages, state, reason };
    let cancelled = Reason::CANCELLED_BY_CUSTOMER;
    vec![
        story(vec![pet_reserved(), saga_prepared()], State::Placed, None),
        story(vec![pet_reserved(), saga_prepared(), approve_order()], State::Approved, None),
        story(vec![saga_rejected(&Reason::PET_TAKEN)], State::Rejected, Some(Reason::PET_TAKEN)),
        story(
            vec![pet_reserved(), rejecting(), saga_rejected(&Reason::OUT_OF_STOCK)],
            State::Rejected,
            Some(Reason::OUT_OF_STOCK),
        ),
        story(
            vec![
                pet_reserved(),
                saga_prepared(),
                close_order(Outcome::Cancelled, cancelled.clone(), 0),
                saga_cancelled(&cancelled),
            ],
            State::Cancelled,
            Some(cancelled),
        ),
    ]
}

/// A story's messages, some of them twice or thrice, in any order.
fn told() -> impl Strategy<Value = (Story, Vec<Message>)> {
    let told = prop::sample::select(stories()).prop_flat_map(|story| {
        let times = prop::collection::vec(1..=3usize, story.messages.len());
        (Just(story), times)
    });
    told.prop_flat_map(|(story, times)| {
        let messages = story.messages.iter().zip(times);
        let messages: Vec<Message> = messages.flat_map(|(m, n)| std::iter::repeat_n(m.clone(), n)).collect();
        (Just(story), Just(messages).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn messages_in_any_order_and_number_come_to_the_same((story, messages) in told()) {
        let mut shop = Shop::new();
        shop.settle(messages);
        let view = shop.view();
        prop_assert_eq!((view.state, view.reason.clone()), (story.state, story.reason));
        prop_assert_eq!(view.total, view.status().map(|_| money(7)));
        let answers: Vec<&str> = shop.sent.values().map(|message| message.kind.as_str()).collect();
        for kind in ["ORDER_CREATED", "ORDER_REFUSED", "ORDER_REJECTED", "ORDER_CANCELLED", "ORDER_APPROVED"] {
            prop_assert!(answers.iter().filter(|answer| **answer == kind).count() <= 1, "{} twice", kind);
        }
        if view.status().is_none() {
            prop_assert_ne!(shop.effect(steps::CREATE_ORDER), Some(EffectState::Done), "an order is left over");
        }
    }
}
