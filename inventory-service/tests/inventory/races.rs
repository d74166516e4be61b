//! Many batches at once on a real database.

use std::sync::Arc;

use inventory_service::domain::{Pet, PetChange};
use inventory_service::store;
use saga_contract::PetStatus;
use saga_runtime::core::Message;
use saga_runtime::error::Remedy;
use saga_runtime::{Transaction, clock};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Inventory, approved, pet_reserved, release, shuffle, told};

/// Delivers batches side by side; what was told, sorted.
async fn deliver_at_once(inventory: &Arc<Inventory>, batches: Vec<Vec<Message>>) -> Vec<&'static str> {
    let mut tasks = JoinSet::new();
    for batch in batches {
        let inventory = Arc::clone(inventory);
        tasks.spawn(async move {
            told(&inventory.deliver(&batch).await).into_iter().map(str::to_owned).collect::<Vec<_>>()
        });
    }
    let mut all: Vec<&'static str> = tasks.join_all().await.into_iter().flatten().map(|text| &*text.leak()).collect();
    all.sort_unstable();
    all
}

fn count(told: &[&str], kind: &str) -> usize {
    told.iter().filter(|told| **told == kind).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_orders_for_the_last_unit_one_gets_it() {
    let inventory = Arc::new(Inventory::with(&[("TOY", 1)]).await);
    let batches = (1..=100).map(|saga| vec![pet_reserved(saga, &[("TOY", 1)])]).collect();
    let told = deliver_at_once(&inventory, batches).await;
    assert_eq!((count(&told, "INVENTORY_RESERVED"), count(&told, "INVENTORY_REFUSED")), (1, 99));
    assert_eq!(inventory.levels("TOY").await, (1, 1, 1));
    inventory.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_orders_in_any_order_neither_deadlock_nor_oversell() {
    const NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let inventory = Arc::new(Inventory::with(&NAMES.map(|name| (name, 60))).await);
    let orders = (1..=400_u128).map(|saga| {
        let mut names = NAMES;
        shuffle(&mut names, saga as u64);
        let lines: Vec<_> =
            names[..1 + (saga % 5) as usize].iter().map(|name| (*name, 1 + (saga % 2) as i64)).collect();
        pet_reserved(saga, &lines)
    });
    let mut messages: Vec<Message> = orders.chain((1..=400).filter(|saga| saga % 4 == 0).map(release)).collect();
    shuffle(&mut messages, 7);
    let batches = messages.chunks(8).map(<[_]>::to_vec).collect();
    let told = deliver_at_once(&inventory, batches).await;
    assert_eq!(told.len(), 500, "each request is answered");
    assert!(count(&told, "INVENTORY_RESERVED") > 50 && count(&told, "INVENTORY_REFUSED") > 50, "{}", told.len());
    for name in NAMES {
        let (on_hand, reserved, _) = inventory.levels(name).await;
        assert!(on_hand == 60 && reserved <= 60, "{name}: {reserved} of {on_hand}");
    }
    inventory.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_copies_of_a_request_reserve_once() {
    let inventory = Arc::new(Inventory::with(&[("TOY", 100)]).await);
    let both = (1..=30).flat_map(|saga| {
        let request = pet_reserved(saga, &[("TOY", 1)]);
        [vec![request.clone()], vec![request]]
    });
    let told = deliver_at_once(&inventory, both.collect()).await;
    assert_eq!((count(&told, "INVENTORY_RESERVED"), count(&told, "again")), (30, 30));
    assert_eq!(inventory.levels("TOY").await, (100, 30, 30));
    inventory.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_and_its_undo_at_the_same_time_leave_nothing_set_aside() {
    let inventory = Arc::new(Inventory::with(&[("TOY", 100)]).await);
    let both = (1..=60).flat_map(|saga| [vec![pet_reserved(saga, &[("TOY", 1)])], vec![release(saga)]]);
    let told = deliver_at_once(&inventory, both.collect()).await;
    assert_eq!(count(&told, "INVENTORY_RELEASED"), 60);
    assert_eq!(count(&told, "INVENTORY_RESERVED") + count(&told, "INVENTORY_REFUSED"), 60);
    assert_eq!(inventory.levels("TOY").await, (100, 0, 0));
    inventory.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replay_of_everything_at_once_leaves_every_row_as_it_was() {
    let inventory = Arc::new(Inventory::with(&[("A", 30), ("B", 20)]).await);
    let lines = [("A", 1), ("B", 2)];
    let mut messages: Vec<Message> = (1..=20).map(|saga| pet_reserved(saga, &lines)).collect();
    messages.extend((1..=4).map(release));
    messages.extend((5..=8).map(|saga| approved(saga, &lines)));
    for message in &messages {
        inventory.deliver(std::slice::from_ref(message)).await;
    }
    let settled = inventory.rows().await;
    let mut replay: Vec<Message> = std::iter::repeat_n(messages, 5).flatten().collect();
    shuffle(&mut replay, 11);
    deliver_at_once(&inventory, replay.chunks(6).map(<[_]>::to_vec).collect()).await;
    assert_eq!(inventory.rows().await, settled);
    inventory.assert_balanced().await;
}

/// Four kinds of news of forty pets, of every fourth pet the first only, of the next the first two, and so on; three
/// times, in any order.
fn lives() -> Vec<Message> {
    let kinds = [
        ("PET_CREATED", "available"),
        ("PET_RESERVED", "pending"),
        ("PET_RELEASED", "available"),
        ("PET_SOLD", "sold"),
    ];
    let mut events = Vec::new();
    for (pet, newest) in (1..=40_u128).zip((1..=4_usize).cycle()) {
        for (version, (kind, status)) in (1_u64..).zip(&kinds[..newest]) {
            let mut event = pet_reserved(pet, &[]).at_version(version);
            event.kind = (*kind).to_owned();
            event.data["status"] = (*status).into();
            events.push(event);
        }
    }
    let mut events: Vec<Message> = std::iter::repeat_n(events, 3).flatten().collect();
    shuffle(&mut events, 5);
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn news_of_pets_in_any_order_at_once_ends_with_the_newest() {
    let inventory = Arc::new(Inventory::with(&[]).await);
    deliver_at_once(&inventory, lives().chunks(16).map(<[_]>::to_vec).collect()).await;
    inventory.assert_balanced().await;
    let counts = store::counts(&inventory.pool.get().await.unwrap()).await.unwrap();
    assert_eq!((counts.available, counts.pending, counts.sold), (20, 10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_generation_that_is_filled_while_news_come_ends_as_the_one_that_is_served() {
    let inventory = Arc::new(Inventory::with(&[]).await);
    inventory.owner.batch_execute("UPDATE read_models SET state = 'filling', filling = 1").await.unwrap();
    // A feed that tells of every pet the oldest there is, and nothing of every third.
    let oldest = |pet: u128| PetChange {
        pet: Uuid::from_u128(pet + 2_000_000),
        after: Pet { status: Some(PetStatus::Available), version: 1 },
    };
    let feed: Vec<PetChange> = (1..=40).filter(|pet| pet % 3 != 0).map(oldest).collect();
    let filling = Arc::clone(&inventory);
    let fill = tokio::spawn(async move {
        for page in feed.chunks(5) {
            fill(&filling, page).await;
        }
    });
    deliver_at_once(&inventory, lives().chunks(16).map(<[_]>::to_vec).collect()).await;
    fill.await.unwrap();
    for serving in 0..2 {
        inventory
            .owner
            .execute("UPDATE read_models SET filling = NULL, state = 'served', serving = $1", &[&serving])
            .await
            .unwrap();
        inventory.assert_balanced().await;
        let counts = store::counts(&inventory.pool.get().await.unwrap()).await.unwrap();
        assert_eq!((counts.available, counts.pending, counts.sold), (20, 10, 10), "generation {serving}");
    }
}

/// Fills generation 1 with a page, again when news were first.
async fn fill(inventory: &Inventory, page: &[PetChange]) {
    loop {
        let mut client = inventory.pool.get().await.unwrap();
        let transaction = Transaction::begin(&mut client).await.unwrap();
        match store::fill(&transaction, 1, page, clock::now()).await {
            Ok(()) => return transaction.commit().await.unwrap(),
            Err(error) => {
                assert!(!error.to_string().contains("deadlock"), "{error}");
                assert_eq!(error.remedy(), Remedy::Again, "{error}");
            }
        }
    }
}
