//! The requests of the order saga: every step in each direction, and how a saga is brought to where one is made.

use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use reqwest::Method;
use saga_contract::{queues, steps};
use saga_core::{Message, Route};
use saga_runtime::testing::eventually;
use saga_trials::replayed::{Stored, publish};
use uuid::Uuid;

use crate::shop::{PATIENCE, Shop, order};

/// What one step asks of its participant, in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) step: &'static str,
    pub(super) asks: Asks,
    /// The participant.
    pub(super) process: &'static str,
    /// Where the request waits for it.
    pub(super) queue: &'static str,
    /// The request's type.
    pub(super) kind: &'static str,
    /// The type of the answer that it is done.
    pub(super) answer: &'static str,
}

/// When it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Before the pivot, to do; with the type of a refusal.
    BeforePivot(&'static str),
    /// After the pivot, to do.
    AfterPivot,
    /// To undo.
    Undo,
}

const PETS: &str = "pet-service";
const ORDERS: &str = "order-service";
const INVENTORY: &str = "inventory-service";

#[rustfmt::skip]
pub(super) const ALL: [Request; 9] = [
    Request { step: steps::RESERVE_PET, asks: Asks::BeforePivot("PET_RESERVATION_REFUSED"), process: PETS,
              queue: queues::PET_COMMANDS, kind: "RESERVE_PET", answer: "PET_RESERVED" },
    Request { step: steps::CREATE_ORDER, asks: Asks::BeforePivot("ORDER_REFUSED"), process: ORDERS,
              queue: queues::ORDER_PET_EVENTS, kind: "PET_RESERVED", answer: "ORDER_CREATED" },
    Request { step: steps::RESERVE_INVENTORY, asks: Asks::BeforePivot("INVENTORY_REFUSED"), process: INVENTORY,
              queue: queues::INVENTORY_PET_EVENTS, kind: "PET_RESERVED", answer: "INVENTORY_RESERVED" },
    Request { step: steps::APPROVE_ORDER, asks: Asks::AfterPivot, process: ORDERS,
              queue: queues::ORDER_COMMANDS, kind: "APPROVE_ORDER", answer: "ORDER_APPROVED" },
    Request { step: steps::SELL_PET, asks: Asks::AfterPivot, process: PETS,
              queue: queues::PET_ORDER_EVENTS, kind: "ORDER_APPROVED", answer: "PET_SOLD" },
    Request { step: steps::COMMIT_INVENTORY, asks: Asks::AfterPivot, process: INVENTORY,
              queue: queues::INVENTORY_ORDER_EVENTS, kind: "ORDER_APPROVED", answer: "INVENTORY_COMMITTED" },
    Request { step: steps::RESERVE_INVENTORY, asks: Asks::Undo, process: INVENTORY,
              queue: queues::INVENTORY_COMMANDS, kind: "RELEASE_INVENTORY", answer: "INVENTORY_RELEASED" },
    Request { step: steps::CREATE_ORDER, asks: Asks::Undo, process: ORDERS,
              queue: queues::ORDER_COMMANDS, kind: "CLOSE_ORDER", answer: "ORDER_CANCELLED" },
    Request { step: steps::RESERVE_PET, asks: Asks::Undo, process: PETS,
              queue: queues::PET_COMMANDS, kind: "RELEASE_PET", answer: "PET_RELEASED" },
];

impl Request {
    /// Orders a pet and a supply, and brings that saga to where this request lies in its queue and its participant
    /// does not run. Everything else does.
    pub(super) async fn bring_about(&self, shop: &mut Shop, pet: i64) -> Uuid {
        let saga = match self.asks {
            Asks::BeforePivot(_) => self.place_without(shop, pet).await,
            Asks::AfterPivot => self.say_without(shop, pet, Method::POST, "/approve").await,
            Asks::Undo => self.say_without(shop, pet, Method::DELETE, "").await,
        };
        let channel = channel(shop).await;
        eventually(&format!("{} lies in {}", self.kind, self.queue), PATIENCE, async || {
            waits(&channel, self.queue).await > 0
        })
        .await;
        saga
    }

    async fn place_without(&self, shop: &mut Shop, pet: i64) -> Uuid {
        // order-service takes the order before it is asked to create it.
        let first = if self.process == ORDERS { PETS } else { self.process };
        shop.add_pet(pet, 1000).await;
        shop.stop(first).await;
        let (saga, _) = place(shop, pet).await;
        if first != self.process {
            shop.stop(self.process).await;
            shop.start(first).await;
        }
        saga
    }

    async fn say_without(&self, shop: &mut Shop, pet: i64, method: Method, word: &str) -> Uuid {
        shop.add_pet(pet, 60_000).await;
        let (saga, number) = place(shop, pet).await;
        eventually("the order waits for its owner", PATIENCE, async || phase(shop, saga).await == "prepared").await;
        // order-service hands the word on before the orchestrator asks it for anything.
        let first = if self.process == ORDERS { "saga" } else { self.process };
        shop.stop(first).await;
        let said = shop.order(&number, method, word).await;
        assert!([200, 202].contains(&said.status.as_u16()), "{said:?}");
        if first != self.process {
            shop.stop(self.process).await;
            shop.start(first).await;
        }
        saga
    }
}

async fn place(shop: &Shop, pet: i64) -> (Uuid, String) {
    let taken = shop.place(&format!("order-{pet}"), &order(pet, "ada", &[("FOOD", 1)])).await;
    assert!([200, 202].contains(&taken.status.as_u16()), "{taken:?}");
    (taken.text("sagaId").parse().unwrap(), taken.text("id"))
}

/// Where a saga stands; nothing while it is not known.
pub(super) async fn phase(shop: &Shop, saga: Uuid) -> String {
    let row = shop.databases.sagas.query_opt("SELECT phase FROM sagas WHERE id = $1", &[&saga]).await.unwrap();
    row.map(|row| row.get(0)).unwrap_or_default()
}

pub(super) async fn needs_intervention(shop: &Shop, saga: Uuid) -> bool {
    let row = shop.databases.sagas.query_one("SELECT needs_intervention FROM sagas WHERE id = $1", &[&saga]).await;
    row.unwrap().get(0)
}

pub(super) async fn channel(shop: &Shop) -> Channel {
    let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

async fn waits(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
}

/// Takes everything out of a queue.
pub(super) async fn take(channel: &Channel, queue: &str) -> Vec<Message> {
    let mut taken = Vec::new();
    while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        taken.push(Message::parse(&got.delivery.data).unwrap());
    }
    taken
}

/// Puts messages into a queue, in this order.
pub(super) async fn give(shop: &Shop, queue: &str, messages: &[Message]) {
    let stored = |message: &Message| Stored { route: Route::to_queue(queue), takers: 1, body: message.to_bytes() };
    let stored: Vec<Stored> = messages.iter().map(stored).collect();
    publish(shop.servers.amqp_url(), &stored.iter().collect::<Vec<_>>()).await.unwrap();
}
