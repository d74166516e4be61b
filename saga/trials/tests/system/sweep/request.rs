//! The requests of the order saga: every step in each direction, and how a saga is brought to where one is made.

use futures_util::future::join_all;
use lapin::options::BasicGetOptions;
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
        // How much lies in the queue does not say it: news of the pet may lie there, too.
        let what = format!("{} lies in {}", self.kind, self.queue);
        eventually(&what, PATIENCE, async || self.was_sent(shop, saga).await).await;
        eventually("the saga waits for the answer", PATIENCE, async || self.is_known(shop, saga).await).await;
        saga
    }

    /// Whether some process has sent it for this saga, and RabbitMQ has confirmed it.
    async fn was_sent(&self, shop: &Shop, saga: Uuid) -> bool {
        const SENT: &str = "
            SELECT EXISTS (SELECT FROM journal WHERE saga_id = $1 AND type = $2) AND NOT EXISTS (SELECT FROM outbox)";
        let asked =
            shop.databases.each().map(async |client| client.query_one(SENT, &[&saga, &self.kind]).await.unwrap());
        join_all(asked).await.iter().any(|row| row.get(0))
    }

    /// Whether the orchestrator has sent it, or heard that another has.
    async fn is_known(&self, shop: &Shop, saga: Uuid) -> bool {
        const KNOWN: &str = "
            SELECT EXISTS (SELECT FROM journal WHERE saga_id = $1 AND type = $2)
                OR EXISTS (SELECT FROM inbox WHERE saga_id = $1 AND type = $2)";
        shop.databases.sagas.query_one(KNOWN, &[&saga, &self.kind]).await.unwrap().get(0)
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

/// As if the participants that have not answered had been asked long ago: longer than a step may take.
pub(super) async fn make_overdue(shop: &Shop, saga: Uuid) {
    const OVERDUE: &str = r#"
        UPDATE sagas SET alarm = now(), state = regexp_replace(
            state, '"asked_at": *"[^"]*"', '"asked_at":"2020-01-01T00:00:00Z"', 'g')
        WHERE id = $1 AND state ~ '"asked_at": *"'"#;
    assert_eq!(shop.databases.sagas.execute(OVERDUE, &[&saga]).await.unwrap(), 1, "an answer is missing");
}

pub(super) async fn needs_intervention(shop: &Shop, saga: Uuid) -> bool {
    let row = shop.databases.sagas.query_one("SELECT needs_intervention FROM sagas WHERE id = $1", &[&saga]).await;
    row.unwrap().get(0)
}

pub(super) async fn channel(shop: &Shop) -> Channel {
    let connection = Connection::connect(shop.servers.amqp_url(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
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
