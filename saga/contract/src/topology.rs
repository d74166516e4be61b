//! Which exchange, key and queue each message travels through: one table, declared whole by every
//! process before it publishes.

use saga_core::{
    Binding, Exchange, ExchangeType, MessageType, NeedsIntervention, Queue, QueueType, SagaCancelled, SagaCompleted,
    SagaPrepared, SagaRejected, Topology,
};

use crate::messages::{
    ApproveOrder, CloseOrder, InventoryCommitted, InventoryRefused, InventoryReleased, InventoryReserved,
    OrderApprovalGranted, OrderApproved, OrderCancellationRequested, OrderCancelled, OrderCreated, OrderDelivered,
    OrderRefused, OrderRejected, OrderRequested, PetCreated, PetDeleted, PetReleased, PetReservationRefused,
    PetReserved, PetSold, PetUpdated, ReleaseInventory, ReleasePet, ReservePet, StockSet,
};

/// The processes, by the names that they carry as `source`.
pub mod processes {
    /// Owns the pets.
    pub const PET_SERVICE: &str = "pet-service";
    /// Owns the orders.
    pub const ORDER_SERVICE: &str = "order-service";
    /// Owns the supplies.
    pub const INVENTORY_SERVICE: &str = "inventory-service";
    /// The orchestrator.
    pub const SAGA: &str = "saga";
}

/// The exchanges.
pub mod exchanges {
    /// What pet-service tells.
    pub const PET_EVENTS: &str = "pet.events";
    /// What order-service tells.
    pub const ORDER_EVENTS: &str = "order.events";
    /// What inventory-service tells.
    pub const INVENTORY_EVENTS: &str = "inventory.events";
    /// What the orchestrator tells.
    pub const SAGA_EVENTS: &str = "saga.events";
    /// What the orchestrator asks for.
    pub const COMMANDS: &str = "commands";
    /// What the broker itself set aside.
    pub const DEAD_LETTERS: &str = "dead-letters";
}

/// The queues.
pub mod queues {
    /// Commands for pet-service.
    pub const PET_COMMANDS: &str = "pet.commands";
    /// Commands for order-service.
    pub const ORDER_COMMANDS: &str = "order.commands";
    /// Commands for inventory-service.
    pub const INVENTORY_COMMANDS: &str = "inventory.commands";
    /// Reserved pets, for which order-service creates orders.
    pub const ORDER_PET_EVENTS: &str = "order.pet-events";
    /// Pets, which inventory-service counts, and for whose orders it sets supplies aside.
    pub const INVENTORY_PET_EVENTS: &str = "inventory.pet-events";
    /// Approved orders, whose supplies inventory-service hands out.
    pub const INVENTORY_ORDER_EVENTS: &str = "inventory.order-events";
    /// Approved orders, whose pets pet-service sells.
    pub const PET_ORDER_EVENTS: &str = "pet.order-events";
    /// Outcomes of sagas, for which order-service's clients wait.
    pub const ORDER_SAGA_EVENTS: &str = "order.saga-events";
    /// All that the orchestrator watches.
    pub const SAGA_INBOX: &str = "saga.inbox";
    /// The stream of all events.
    pub const EVENT_LOG: &str = "event-log";
    /// What the broker itself set aside, until the orchestrator parks it.
    pub const DEAD_LETTERS: &str = "dead-letters";
}

/// The steps of the order saga.
pub mod steps {
    /// Reserve the pet.
    pub const RESERVE_PET: &str = "reserve_pet";
    /// Create the order.
    pub const CREATE_ORDER: &str = "create_order";
    /// Set the supplies aside.
    pub const RESERVE_INVENTORY: &str = "reserve_inventory";
    /// Wait until somebody, or the rule, approves.
    pub const APPROVAL: &str = "approval";
    /// Approve the order.
    pub const APPROVE_ORDER: &str = "approve_order";
    /// Sell the pet.
    pub const SELL_PET: &str = "sell_pet";
    /// Hand out the supplies.
    pub const COMMIT_INVENTORY: &str = "commit_inventory";
}

use exchanges as x;
use processes::{INVENTORY_SERVICE, ORDER_SERVICE, PET_SERVICE, SAGA};
use queues as q;

/// Everything that the broker holds.
pub const TOPOLOGY: Topology = Topology { exchanges: EXCHANGES, queues: QUEUES, types: TYPES };

const EXCHANGES: &[Exchange] = &[
    Exchange { name: x::PET_EVENTS, kind: ExchangeType::Topic },
    Exchange { name: x::ORDER_EVENTS, kind: ExchangeType::Topic },
    Exchange { name: x::INVENTORY_EVENTS, kind: ExchangeType::Topic },
    Exchange { name: x::SAGA_EVENTS, kind: ExchangeType::Topic },
    Exchange { name: x::COMMANDS, kind: ExchangeType::Direct },
    Exchange { name: x::DEAD_LETTERS, kind: ExchangeType::Topic },
];

const QUEUES: &[Queue] = &[
    quorum(q::PET_COMMANDS, PET_SERVICE, &[bind(x::COMMANDS, "pet")]),
    quorum(q::ORDER_COMMANDS, ORDER_SERVICE, &[bind(x::COMMANDS, "order")]),
    quorum(q::INVENTORY_COMMANDS, INVENTORY_SERVICE, &[bind(x::COMMANDS, "inventory")]),
    quorum(q::ORDER_PET_EVENTS, ORDER_SERVICE, &[bind(x::PET_EVENTS, "pet.reserved")]),
    quorum(
        q::INVENTORY_PET_EVENTS,
        INVENTORY_SERVICE,
        &[
            bind(x::PET_EVENTS, "pet.created"),
            bind(x::PET_EVENTS, "pet.updated"),
            bind(x::PET_EVENTS, "pet.deleted"),
            bind(x::PET_EVENTS, "pet.reserved"),
            bind(x::PET_EVENTS, "pet.released"),
            bind(x::PET_EVENTS, "pet.sold"),
        ],
    ),
    quorum(q::INVENTORY_ORDER_EVENTS, INVENTORY_SERVICE, &[bind(x::ORDER_EVENTS, "order.approved")]),
    quorum(q::PET_ORDER_EVENTS, PET_SERVICE, &[bind(x::ORDER_EVENTS, "order.approved")]),
    quorum(
        q::ORDER_SAGA_EVENTS,
        ORDER_SERVICE,
        &[
            bind(x::SAGA_EVENTS, "saga.prepared"),
            bind(x::SAGA_EVENTS, "saga.rejected"),
            bind(x::SAGA_EVENTS, "saga.cancelled"),
        ],
    ),
    quorum(q::SAGA_INBOX, SAGA, SAGA_INBOX_BINDINGS),
    Queue {
        name: q::EVENT_LOG,
        kind: QueueType::Stream,
        consumer: "",
        bindings: &[
            bind(x::PET_EVENTS, "#"),
            bind(x::ORDER_EVENTS, "#"),
            bind(x::INVENTORY_EVENTS, "#"),
            bind(x::SAGA_EVENTS, "#"),
        ],
    },
    Queue {
        name: q::DEAD_LETTERS,
        kind: QueueType::DeadLetters,
        consumer: SAGA,
        bindings: &[bind(x::DEAD_LETTERS, "#")],
    },
];

/// What starts the saga, and every answer of its steps: done, refused, undone.
const SAGA_INBOX_BINDINGS: &[Binding] = &[
    bind(x::ORDER_EVENTS, "order.requested"),
    bind(x::PET_EVENTS, "pet.reserved"),
    bind(x::PET_EVENTS, "pet.reservation_refused"),
    bind(x::PET_EVENTS, "pet.released"),
    bind(x::ORDER_EVENTS, "order.created"),
    bind(x::ORDER_EVENTS, "order.refused"),
    bind(x::ORDER_EVENTS, "order.rejected"),
    bind(x::ORDER_EVENTS, "order.cancelled"),
    bind(x::INVENTORY_EVENTS, "inventory.reserved"),
    bind(x::INVENTORY_EVENTS, "inventory.refused"),
    bind(x::INVENTORY_EVENTS, "inventory.released"),
    bind(x::ORDER_EVENTS, "order.approval_granted"),
    bind(x::ORDER_EVENTS, "order.cancellation_requested"),
    bind(x::ORDER_EVENTS, "order.approved"),
    bind(x::PET_EVENTS, "pet.sold"),
    bind(x::INVENTORY_EVENTS, "inventory.committed"),
];

const TYPES: &[MessageType] = &[
    MessageType::taken::<ReservePet>(SAGA, x::COMMANDS, "pet"),
    MessageType::taken::<ReleasePet>(SAGA, x::COMMANDS, "pet"),
    MessageType::taken::<CloseOrder>(SAGA, x::COMMANDS, "order"),
    MessageType::taken::<ApproveOrder>(SAGA, x::COMMANDS, "order"),
    MessageType::taken::<ReleaseInventory>(SAGA, x::COMMANDS, "inventory"),
    MessageType::taken::<PetCreated>(PET_SERVICE, x::PET_EVENTS, "pet.created"),
    MessageType::taken::<PetUpdated>(PET_SERVICE, x::PET_EVENTS, "pet.updated"),
    MessageType::taken::<PetDeleted>(PET_SERVICE, x::PET_EVENTS, "pet.deleted"),
    MessageType::taken::<PetReserved>(PET_SERVICE, x::PET_EVENTS, "pet.reserved"),
    MessageType::taken::<PetReservationRefused>(PET_SERVICE, x::PET_EVENTS, "pet.reservation_refused"),
    MessageType::taken::<PetReleased>(PET_SERVICE, x::PET_EVENTS, "pet.released"),
    MessageType::taken::<PetSold>(PET_SERVICE, x::PET_EVENTS, "pet.sold"),
    MessageType::taken::<OrderRequested>(ORDER_SERVICE, x::ORDER_EVENTS, "order.requested"),
    MessageType::taken::<OrderCreated>(ORDER_SERVICE, x::ORDER_EVENTS, "order.created"),
    MessageType::taken::<OrderRefused>(ORDER_SERVICE, x::ORDER_EVENTS, "order.refused"),
    MessageType::taken::<OrderRejected>(ORDER_SERVICE, x::ORDER_EVENTS, "order.rejected"),
    MessageType::taken::<OrderCancelled>(ORDER_SERVICE, x::ORDER_EVENTS, "order.cancelled"),
    MessageType::taken::<OrderApprovalGranted>(ORDER_SERVICE, x::ORDER_EVENTS, "order.approval_granted"),
    MessageType::taken::<OrderCancellationRequested>(ORDER_SERVICE, x::ORDER_EVENTS, "order.cancellation_requested"),
    MessageType::taken::<OrderApproved>(ORDER_SERVICE, x::ORDER_EVENTS, "order.approved"),
    MessageType::told::<OrderDelivered>(ORDER_SERVICE, x::ORDER_EVENTS, "order.delivered"),
    MessageType::taken::<InventoryReserved>(INVENTORY_SERVICE, x::INVENTORY_EVENTS, "inventory.reserved"),
    MessageType::taken::<InventoryRefused>(INVENTORY_SERVICE, x::INVENTORY_EVENTS, "inventory.refused"),
    MessageType::taken::<InventoryReleased>(INVENTORY_SERVICE, x::INVENTORY_EVENTS, "inventory.released"),
    MessageType::taken::<InventoryCommitted>(INVENTORY_SERVICE, x::INVENTORY_EVENTS, "inventory.committed"),
    MessageType::told::<StockSet>(INVENTORY_SERVICE, x::INVENTORY_EVENTS, "stock.set"),
    MessageType::taken::<SagaPrepared>(SAGA, x::SAGA_EVENTS, "saga.prepared"),
    MessageType::told::<SagaCompleted>(SAGA, x::SAGA_EVENTS, "saga.completed"),
    MessageType::taken::<SagaRejected>(SAGA, x::SAGA_EVENTS, "saga.rejected"),
    MessageType::taken::<SagaCancelled>(SAGA, x::SAGA_EVENTS, "saga.cancelled"),
    MessageType::told::<NeedsIntervention>(SAGA, x::SAGA_EVENTS, "saga.needs_intervention"),
];

const fn bind(exchange: &'static str, key: &'static str) -> Binding {
    Binding { exchange, key }
}

const fn quorum(name: &'static str, consumer: &'static str, bindings: &'static [Binding]) -> Queue {
    Queue { name, kind: QueueType::Quorum, consumer, bindings }
}
