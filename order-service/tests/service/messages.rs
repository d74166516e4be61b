//! Messages through broker and database: duplicates, races, nonsense.

use reqwest::StatusCode;
use saga_contract::messages::{ApproveOrder, OrderRefused, PetReserved};
use saga_contract::{Reason, queues};
use saga_core::{Outcome, SagaPrepared};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Saga, Shop, told};

const PARKED: &str = "SELECT count(*) FROM parked WHERE state = 'parked'";

async fn requested(shop: &Shop) -> Saga {
    let answer = told(shop.post(&json!({"petId": 12})).header("Prefer", "respond-async")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    shop.saga(&shop.sends("ORDER_REQUESTED").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_five_times_changes_nothing_more() {
    let shop = Shop::with(2, std::time::Duration::from_secs(10)).await;
    let saga = shop.approved(12).await;
    let rows =
        "SELECT (SELECT sum(version) FROM requests) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM journal)
                     + (SELECT count(*) FROM inbox) + (SELECT count(*) FROM effects)";
    let before = shop.count(&format!("SELECT ({rows})::int8")).await;
    for _ in 0..5 {
        for message in [saga.approve(), saga.pet_reserved(), saga.prepared()] {
            shop.hand_over(&message).await;
        }
    }
    // The last of each queue is handled, so all before it were, too: one more row in the inbox each.
    let event: PetReserved = saga.pet_reserved().payload().unwrap();
    shop.hand_over(&saga.numbered(1, event.pet.to_string(), &event)).await;
    let approval: ApproveOrder = saga.approve().payload().unwrap();
    shop.hand_over(&saga.numbered(1, event.order.to_string(), &approval)).await;
    let prepared: SagaPrepared = saga.prepared().payload().unwrap();
    shop.hand_over(&saga.numbered(1, event.order.to_string(), &prepared)).await;
    shop.counts(&format!("SELECT ({rows})::int8"), before + 3).await;
    shop.counts("SELECT count(*) FROM outbox", 0).await;
    assert_eq!(shop.count(PARKED).await, 0);
    assert_eq!(shop.sent("ORDER_CREATED").await.len() + shop.sent("ORDER_APPROVED").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_that_get_the_same_request_at_once_make_one_order() {
    let shop = Shop::with(2, std::time::Duration::from_secs(10)).await;
    let saga = requested(&shop).await;
    let event: PetReserved = saga.pet_reserved().payload().unwrap();
    for n in 0..40 {
        let message = saga.numbered(n, event.pet.to_string(), &event);
        shop.hand_over(&message).await;
    }
    shop.counts("SELECT count(*) FROM inbox", 40).await;
    assert_eq!(shop.sent("ORDER_CREATED").await.len(), 1, "all others are answered again with it");
    assert_eq!(shop.count("SELECT version FROM requests").await, 2);
    assert_eq!(shop.count(PARKED).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_a_lock_keeps_no_request_from_being_taken() {
    let shop = Shop::open().await;
    let saga = requested(&shop).await;
    let holder = shop.database.connect().await;
    holder.batch_execute("BEGIN; LOCK TABLE effects IN EXCLUSIVE MODE").await.unwrap();
    shop.hand_over(&saga.pet_reserved()).await;
    shop.counts("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'effects'::regclass", 1).await;
    let taken = told(shop.post(&json!({"petId": 13})).header("Prefer", "respond-async")).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED);
    assert_eq!(shop.sent("ORDER_CREATED").await.len(), 0, "the batch waits still");
    holder.batch_execute("COMMIT").await.unwrap();
    shop.sends("ORDER_CREATED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_overtakes_leaves_a_tombstone_that_refuses_the_late_request() {
    let shop = Shop::open().await;
    let saga = requested(&shop).await;
    shop.hand_over(&saga.close(Outcome::Rejected, &Reason::PARTICIPANT_TIMEOUT)).await;
    assert_eq!(shop.sends("ORDER_REJECTED").await.aggregate_version, None);
    shop.hand_over(&saga.pet_reserved()).await;
    let refused: OrderRefused = shop.sends("ORDER_REFUSED").await.payload().unwrap();
    assert_eq!(refused.reason, Reason::CANCELLED);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM effects WHERE state = 'undone'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_overtook_is_put_off_and_comes_back() {
    let shop = Shop::open().await;
    let saga = requested(&shop).await;
    shop.hand_over(&saga.prepared()).await;
    shop.hand_over(&saga.approve()).await;
    shop.counts("SELECT count(*) FROM deferred", 2).await;
    shop.hand_over(&saga.pet_reserved()).await;
    shop.counts("SELECT count(*) FROM orders WHERE state = 'approved'", 1).await;
    shop.counts("SELECT count(*) FROM deferred", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_saga_is_refused_as_unknown() {
    let shop = Shop::open().await;
    let saga = requested(&shop).await;
    let mut event = saga.pet_reserved();
    event.data["order"] = json!(Uuid::max());
    shop.hand_over(&event).await;
    let refused: OrderRefused = shop.sends("ORDER_REFUSED").await.payload().unwrap();
    assert_eq!((refused.order, refused.reason), (Uuid::max(), Reason::ORDER_UNKNOWN));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_parked_and_its_neighbours_pass() {
    let shop = Shop::open().await;
    let saga = requested(&shop).await;
    let mut malformed = saga.pet_reserved();
    (malformed.id, malformed.data) = (Uuid::from_u128(1), json!({"order": 7}));
    let mut lonely = saga.pet_reserved();
    (lonely.id, lonely.saga_id) = (Uuid::from_u128(2), None);
    let mut newer = saga.pet_reserved();
    (newer.id, newer.schema_version) = (Uuid::from_u128(3), 99);
    let mut unknown = saga.pet_reserved();
    (unknown.id, unknown.kind) = (Uuid::from_u128(4), "PET_SANG".to_owned());
    for message in [malformed, lonely, newer, unknown, saga.pet_reserved()] {
        shop.hand_over(&message).await;
    }
    shop.deliver(queues::ORDER_COMMANDS, b"not json").await;
    shop.sends("ORDER_CREATED").await;
    shop.counts(PARKED, 5).await;
    for reason in ["malformed_data", "no_saga", "newer_version", "unknown_type"] {
        assert_eq!(shop.count(&format!("{PARKED} AND reason = '{reason}'")).await, 1, "{reason}");
    }
}
