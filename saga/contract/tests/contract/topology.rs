//! The table against the architecture's own words.

use std::collections::BTreeSet;

use saga_contract::{TOPOLOGY, exchanges, processes, queues};
use saga_core::{ExchangeType, MessageType, QueueType, Route};

fn commands() -> impl Iterator<Item = &'static MessageType> {
    TOPOLOGY.types.iter().filter(|kind| kind.exchange == exchanges::COMMANDS)
}

fn events() -> impl Iterator<Item = &'static MessageType> {
    TOPOLOGY.types.iter().filter(|kind| kind.exchange != exchanges::COMMANDS)
}

/// The types that reach a queue.
fn taken_by(queue: &str) -> BTreeSet<&'static str> {
    let takes = |kind: &&MessageType| TOPOLOGY.takers(kind).any(|taker| taker.name == queue);
    TOPOLOGY.types.iter().filter(takes).map(|kind| kind.name).collect()
}

#[test]
fn the_table_agrees_with_itself() {
    assert_eq!(TOPOLOGY.validate(), Ok(()));
}

#[test]
fn the_key_of_an_event_is_its_type_in_lower_case_with_its_first_underscore_a_dot() {
    for kind in events() {
        assert_eq!(kind.key, kind.name.to_lowercase().replacen('_', ".", 1));
    }
}

#[test]
fn an_event_goes_to_its_owners_exchange_and_a_command_to_its_participant() {
    for kind in events() {
        let owner = kind.source.trim_end_matches("-service");
        assert_eq!(kind.exchange, format!("{owner}.events"), "{}", kind.name);
    }
    for kind in commands() {
        assert_eq!(kind.source, processes::SAGA, "{}", kind.name);
        let takers: Vec<_> = TOPOLOGY.takers(kind).map(|queue| queue.name).collect();
        assert_eq!(takers, [format!("{}.commands", kind.key)], "{}", kind.name);
    }
}

#[test]
fn each_queue_takes_what_the_architecture_says() {
    for (queue, consumer, types) in [
        ("pet.commands", "pet-service", &["RESERVE_PET", "RELEASE_PET"][..]),
        ("order.commands", "order-service", &["CLOSE_ORDER", "APPROVE_ORDER"]),
        ("inventory.commands", "inventory-service", &["RELEASE_INVENTORY"]),
        ("order.pet-events", "order-service", &["PET_RESERVED"]),
        (
            "inventory.pet-events",
            "inventory-service",
            &["PET_CREATED", "PET_UPDATED", "PET_DELETED", "PET_RESERVED", "PET_RELEASED", "PET_SOLD"],
        ),
        ("inventory.order-events", "inventory-service", &["ORDER_APPROVED"]),
        ("pet.order-events", "pet-service", &["ORDER_APPROVED"]),
        ("order.saga-events", "order-service", &["SAGA_PREPARED", "SAGA_REJECTED", "SAGA_CANCELLED"]),
    ] {
        assert_eq!(taken_by(queue), types.iter().copied().collect(), "{queue}");
        let entry = TOPOLOGY.queues.iter().find(|entry| entry.name == queue).unwrap();
        assert_eq!((entry.consumer, entry.kind), (consumer, QueueType::Quorum), "{queue}");
        assert_eq!(entry.bindings.len(), if entry.name.ends_with("commands") { 1 } else { types.len() }, "{queue}");
    }
    assert_eq!(TOPOLOGY.queues.len(), 11);
    assert_eq!(TOPOLOGY.exchanges.len(), 6);
}

#[test]
fn the_orchestrator_takes_the_start_and_every_answer_of_the_saga_and_nothing_else() {
    let answers = BTreeSet::from([
        "ORDER_REQUESTED",
        "PET_RESERVED",
        "PET_RESERVATION_REFUSED",
        "PET_RELEASED",
        "ORDER_CREATED",
        "ORDER_REFUSED",
        "ORDER_REJECTED",
        "ORDER_CANCELLED",
        "INVENTORY_RESERVED",
        "INVENTORY_REFUSED",
        "INVENTORY_RELEASED",
        "ORDER_APPROVAL_GRANTED",
        "ORDER_CANCELLATION_REQUESTED",
        "ORDER_APPROVED",
        "PET_SOLD",
        "INVENTORY_COMMITTED",
    ]);
    assert_eq!(taken_by(queues::SAGA_INBOX), answers);
}

#[test]
fn the_event_log_takes_every_event_and_no_command() {
    assert_eq!(taken_by(queues::EVENT_LOG), events().map(|kind| kind.name).collect());
    let stream = TOPOLOGY.queues.iter().find(|queue| queue.kind == QueueType::Stream).unwrap();
    assert_eq!((stream.name, stream.consumer), (queues::EVENT_LOG, ""));
}

#[test]
fn dead_letters_come_to_the_orchestrator_whatever_queue_they_fell_out_of() {
    let own = TOPOLOGY.queues_of(processes::SAGA).find(|queue| queue.kind == QueueType::DeadLetters).unwrap();
    assert_eq!((own.bindings[0].exchange, own.bindings[0].key), (exchanges::DEAD_LETTERS, "#"));
    let exchange = TOPOLOGY.exchanges.iter().find(|exchange| exchange.name == exchanges::DEAD_LETTERS).unwrap();
    assert_eq!(exchange.kind, ExchangeType::Topic);
}

#[test]
fn exactly_the_types_that_some_process_consumes_must_be_taken() {
    for kind in TOPOLOGY.types {
        let consumed = TOPOLOGY.takers(kind).any(|queue| queue.kind == QueueType::Quorum);
        assert_eq!(kind.must_be_taken, consumed, "{}", kind.name);
    }
    let told: Vec<_> = TOPOLOGY.types.iter().filter(|kind| !kind.must_be_taken).map(|kind| kind.name).collect();
    assert_eq!(told, ["ORDER_DELIVERED", "STOCK_SET", "SAGA_COMPLETED", "SAGA_NEEDS_INTERVENTION"]);
}

#[test]
fn a_type_is_routed_by_its_entry() {
    let route = TOPOLOGY.route("PET_RESERVATION_REFUSED").unwrap();
    let key = "pet.reservation_refused".to_owned();
    assert_eq!(route, Route { exchange: "pet.events".to_owned(), key, mandatory: true });
    assert_eq!(TOPOLOGY.route("PET_EATEN"), None);
}
