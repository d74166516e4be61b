//! One message of each type, as it could have happened: Alice orders Miso the cat and two bags of
//! food. The golden files were written from these.

use idforge::Salt;
use saga_contract::messages::*;
use saga_contract::processes::{INVENTORY_SERVICE, ORDER_SERVICE, PET_SERVICE, SAGA};
use saga_contract::{
    Category, Currency, DEFAULT_DOMAIN, Item, Items, Money, Names, OnHand, OrderNumber, PetNumber, PetStatus,
    PricedItem, Quantity, Reason, ShipDate, Sku, order_saga_id, steps,
};
use saga_core::{
    Body, Direction, Ids, Message, NeedsIntervention, Outcome, Payload, PayloadError, SagaCancelled, SagaCompleted,
    SagaPrepared, SagaRejected, Time,
};
use serde::Serialize;
use time::macros::datetime;
use uuid::Uuid;

/// A message, what its Rust type is called, and how a program reads it and writes it again.
pub(crate) struct Sample {
    pub(crate) message: Message,
    pub(crate) rust_type: &'static str,
    pub(crate) rewrite: fn(&Message) -> Result<Body, PayloadError>,
}

/// One message of each type, in the order of the topology.
pub(crate) fn all() -> Vec<Sample> {
    let story = Story::new();
    [story.commands(), story.pet_events(), story.order_events(), story.inventory_events(), story.saga_events()]
        .into_iter()
        .flatten()
        .collect()
}

pub(crate) fn salt() -> Salt {
    Salt::new("contract-vectors-2f6c").unwrap()
}

struct Story {
    ids: Ids,
    user: Uuid,
    order: Uuid,
    pet: Uuid,
    saga: Uuid,
    request: Uuid,
}

const START: Time = datetime!(2026-11-20 12:00:00 UTC);
const PET_ID: i64 = 7;
const ORDER_ID: i64 = 1001;
/// The version of the order after a person's word on it.
const DECIDED: u64 = 4;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Story {
    fn new() -> Self {
        let (names, ids) = (Names::new(&salt(), DEFAULT_DOMAIN), Ids::new(&salt(), DEFAULT_DOMAIN));
        let user = names.user("alice@example.com").unwrap();
        let order = names.order(user, "checkout-42");
        let saga = order_saga_id(&ids, user, order);
        let request = ids.event_at(&order.to_string(), 1, OrderRequested::TYPE);
        Self { user, order, pet: names.pet(pet_id()), saga, request, ids }
    }

    fn commands(&self) -> Vec<Sample> {
        let (pet, order, user_id) = (self.pet, self.order, self.user);
        let (outcome, reason) = (Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER);
        let (pet_id, order_id, quantity) = (pet_id(), order_id(), Quantity::ONE);
        let (items, ship_date) = (items(), ship_date());
        let reserve = ReservePet { pet, pet_id, order, order_id, user_id, quantity, items, ship_date };
        let release = ReleasePet { pet, pet_id, order, outcome, reason: reason.clone() };
        let close = CloseOrder { order, outcome, reason };
        let approve = ApproveOrder { order, total: eur(32_400) };
        vec![
            self.command(2, steps::RESERVE_PET, Direction::Do, self.request, &reserve),
            self.command(14, steps::RESERVE_PET, Direction::Undo, self.closed(), &release),
            self.command(12, steps::CREATE_ORDER, Direction::Undo, self.cancelled(), &close),
            self.command(12, steps::APPROVE_ORDER, Direction::Do, self.granted(), &approve),
            self.command(12, steps::RESERVE_INVENTORY, Direction::Undo, self.cancelled(), &ReleaseInventory { order }),
        ]
    }

    fn pet_events(&self) -> Vec<Sample> {
        let (pet, order, user_id, price) = (self.pet, self.order, self.user, eur(29_900));
        let (pet_id, order_id, quantity) = (pet_id(), order_id(), Quantity::ONE);
        let (name, reason, category) = ("Miso".to_owned(), Reason::PET_TAKEN, cats());
        let reserved = PetReserved {
            pet,
            pet_id,
            name: name.clone(),
            status: PetStatus::Pending,
            price,
            order,
            order_id,
            user_id,
            quantity,
            items: items(),
            ship_date: ship_date(),
        };
        let available = PetStatus::Available;
        let created =
            PetCreated { pet, pet_id, name: name.clone(), status: available, category: category.clone(), price };
        let updated =
            PetUpdated { pet, pet_id, name: name.clone(), status: available, category: category.clone(), price };
        let deleted = PetDeleted { pet, pet_id, name, status: available, category, price };
        let refused = PetReservationRefused { pet, pet_id, order, reason };
        let released = PetReleased { pet, pet_id, order, status: Some(available) };
        let sold = PetSold { pet, pet_id, order, status: PetStatus::Sold };
        let step = steps::RESERVE_PET;
        vec![
            self.own(PET_SERVICE, self.pet, 1, &created),
            self.own(PET_SERVICE, self.pet, 2, &updated),
            self.own(PET_SERVICE, self.pet, 5, &deleted),
            self.answer(4, PET_SERVICE, self.pet, Some(3), step, self.asked(step, Direction::Do), &reserved),
            self.answer(4, PET_SERVICE, self.pet, None, step, self.asked(step, Direction::Do), &refused),
            self.answer(16, PET_SERVICE, self.pet, Some(4), step, self.asked(step, Direction::Undo), &released),
            self.answer(16, PET_SERVICE, self.pet, Some(4), steps::SELL_PET, self.approved(), &sold),
        ]
    }

    fn order_events(&self) -> Vec<Sample> {
        let (pet, order, user_id, reason) = (self.pet, self.order, self.user, Reason::OUT_OF_STOCK);
        let (pet_id, order_id, quantity, total) = (pet_id(), order_id(), Quantity::ONE, eur(32_400));
        let (items, ship_date) = (items(), ship_date());
        let requested =
            OrderRequested { order, order_id, user_id, pet, pet_id, quantity, items: items.clone(), ship_date };
        let created = OrderCreated { order, order_id, pet, pet_id, user_id };
        let refused = OrderRefused { order, order_id, reason: Reason::CANCELLED };
        let granted = OrderApprovalGranted { order, by: "store-owner".to_owned() };
        let (by, mind) = ("customer".to_owned(), Reason::CANCELLED_BY_CUSTOMER);
        let cancellation = OrderCancellationRequested { order, by, reason: mind.clone() };
        let approved = OrderApproved { order, order_id, pet, pet_id, user_id, items, total };
        let (create, undo) = (steps::CREATE_ORDER, self.asked(steps::CREATE_ORDER, Direction::Undo));
        let approve = self.asked(steps::APPROVE_ORDER, Direction::Do);
        let mut requested = self.own(ORDER_SERVICE, order, 1, &requested);
        self.join(&mut requested.message);
        vec![
            requested,
            self.answer(6, ORDER_SERVICE, order, Some(2), create, self.reserved(), &created),
            self.answer(6, ORDER_SERVICE, order, None, create, self.reserved(), &refused),
            self.answer(14, ORDER_SERVICE, order, Some(3), create, undo, &OrderRejected { order, reason }),
            self.answer(14, ORDER_SERVICE, order, Some(5), create, undo, &OrderCancelled { order, reason: mind }),
            self.word(&granted),
            self.word(&cancellation),
            self.answer(14, ORDER_SERVICE, order, Some(5), steps::APPROVE_ORDER, approve, &approved),
            self.own(ORDER_SERVICE, order, 6, &OrderDelivered { order, order_id }),
        ]
    }

    fn inventory_events(&self) -> Vec<Sample> {
        let (order, items) = (self.order, items());
        let priced = Items::new(vec![PricedItem { sku: food(), quantity: two(), price: eur(1_250) }]).unwrap();
        let reserved = InventoryReserved { order, total: priced.total().unwrap().unwrap(), items: priced };
        let refused = InventoryRefused { order, reason: Reason::OUT_OF_STOCK, sku: Some(food()) };
        let step = steps::RESERVE_INVENTORY;
        let undo = self.asked(step, Direction::Undo);
        let released = InventoryReleased { order, items: items.clone() };
        let committed = InventoryCommitted { order, items };
        let set = StockSet { sku: food(), quantity: OnHand::new(40).unwrap(), price: eur(1_250) };
        vec![
            self.answer(7, INVENTORY_SERVICE, order, Some(1), step, self.reserved(), &reserved),
            self.answer(7, INVENTORY_SERVICE, order, None, step, self.reserved(), &refused),
            self.answer(14, INVENTORY_SERVICE, order, Some(2), step, undo, &released),
            self.answer(16, INVENTORY_SERVICE, order, Some(2), steps::COMMIT_INVENTORY, self.approved(), &committed),
            self.own(INVENTORY_SERVICE, food(), 3, &set),
        ]
    }

    fn saga_events(&self) -> Vec<Sample> {
        let definition = "order_saga".to_owned();
        let result = serde_json::to_value(OrderResult { total: eur(32_400) }).unwrap();
        let prepared = SagaPrepared { definition: definition.clone(), result: result.clone() };
        let completed = SagaCompleted { definition: definition.clone(), result };
        let rejected = SagaRejected { definition: definition.clone(), reason: Reason::OUT_OF_STOCK.to_string() };
        let cancelled =
            SagaCancelled { definition: definition.clone(), reason: Reason::RESERVATION_EXPIRED.to_string() };
        let needs = NeedsIntervention { definition, step: steps::SELL_PET.to_owned(), direction: "do".to_owned() };
        vec![
            self.of_saga(9, 4, &prepared),
            self.of_saga(18, 7, &completed),
            self.of_saga(15, 6, &rejected),
            self.of_saga(15, 6, &cancelled),
            self.of_saga(16, 7, &needs),
        ]
    }

    /// A command of the orchestrator.
    fn command<P: Payload>(&self, ms: i64, step: &str, direction: Direction, cause: Uuid, payload: &P) -> Sample {
        let id = self.ids.command(self.saga, step, direction, 0);
        let message = message(id, SAGA, self.order, ms, payload).for_step(step, 0);
        self.joined::<P>(message, cause)
    }

    /// A participant's answer to what started a step.
    #[expect(clippy::too_many_arguments, reason = "each message differs in all of them")]
    fn answer<P: Payload>(
        &self,
        ms: i64,
        source: &str,
        subject: Uuid,
        version: Option<u64>,
        step: &str,
        cause: Uuid,
        payload: &P,
    ) -> Sample {
        let id = self.ids.event_caused(cause, P::TYPE);
        let mut message = message(id, source, subject, ms, payload).for_step(step, 0);
        message.aggregate_version = version;
        self.joined::<P>(message, cause)
    }

    /// A person's word on the approval, from a request over HTTP.
    fn word<P: Payload>(&self, payload: &P) -> Sample {
        let message = message(self.said(P::TYPE), ORDER_SERVICE, self.order, 10, payload).for_step(steps::APPROVAL, 0);
        let mut sample = sample::<P>(message.at_version(DECIDED));
        self.join(&mut sample.message);
        sample
    }

    /// What an owner tells of itself, outside of any saga.
    fn own<P: Payload>(&self, source: &str, subject: impl ToString, version: u64, payload: &P) -> Sample {
        let subject = subject.to_string();
        let id = self.ids.event_at(&subject, version, P::TYPE);
        sample::<P>(message(id, source, subject, 0, payload).at_version(version))
    }

    /// What the orchestrator tells of the saga.
    fn of_saga<P: Payload>(&self, ms: i64, version: u64, payload: &P) -> Sample {
        let cause = self.ids.event_caused(self.reserved(), OrderCreated::TYPE);
        let id = self.ids.event_caused(cause, P::TYPE);
        self.joined::<P>(message(id, SAGA, self.order, ms, payload).at_version(version), cause)
    }

    fn joined<P: Payload>(&self, mut message: Message, cause: Uuid) -> Sample {
        message.causation_id = Some(cause);
        self.join(&mut message);
        sample::<P>(message)
    }

    fn join(&self, message: &mut Message) {
        message.saga_id = Some(self.saga);
        message.correlation_id = self.ids.correlation(self.saga);
        message.traceparent = Some(TRACE.to_owned());
    }

    fn asked(&self, step: &str, direction: Direction) -> Uuid {
        self.ids.command(self.saga, step, direction, 0)
    }

    fn reserved(&self) -> Uuid {
        self.ids.event_caused(self.asked(steps::RESERVE_PET, Direction::Do), PetReserved::TYPE)
    }

    fn said(&self, kind: &str) -> Uuid {
        self.ids.event_at(&self.order.to_string(), DECIDED, kind)
    }

    fn granted(&self) -> Uuid {
        self.said(OrderApprovalGranted::TYPE)
    }

    fn cancelled(&self) -> Uuid {
        self.said(OrderCancellationRequested::TYPE)
    }

    fn closed(&self) -> Uuid {
        self.ids.event_caused(self.asked(steps::CREATE_ORDER, Direction::Undo), OrderCancelled::TYPE)
    }

    fn approved(&self) -> Uuid {
        self.ids.event_caused(self.asked(steps::APPROVE_ORDER, Direction::Do), OrderApproved::TYPE)
    }
}

fn message<P: Payload + Serialize>(id: Uuid, source: &str, subject: impl ToString, ms: i64, payload: &P) -> Message {
    let time = START + time::Duration::milliseconds(ms);
    Message::new(id, source, subject.to_string(), Body::of(payload).unwrap(), time)
}

fn sample<P: Payload>(message: Message) -> Sample {
    let rust_type = std::any::type_name::<P>().rsplit("::").next().unwrap();
    Sample { message, rust_type, rewrite: |message| Body::of(&message.payload::<P>()?) }
}

fn pet_id() -> PetNumber {
    PetNumber::new(PET_ID).unwrap()
}

fn order_id() -> OrderNumber {
    OrderNumber::new(ORDER_ID).unwrap()
}

fn eur(amount: i64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

fn food() -> Sku {
    "FOOD-CAT-2KG".parse().unwrap()
}

fn two() -> Quantity {
    Quantity::new(2).unwrap()
}

fn items() -> Items {
    Items::new(vec![Item { sku: food(), quantity: two() }]).unwrap()
}

fn ship_date() -> Option<ShipDate> {
    Some(ShipDate::new(datetime!(2026-11-24 09:00:00 UTC)).unwrap())
}

fn cats() -> Option<Category> {
    Some(Category { id: Some(2), name: Some("Cats".to_owned()) })
}
