//! What people ask of orders: cancel, approve, deliver; and both at once.

use std::time::Duration;

use reqwest::StatusCode;
use saga_contract::Reason;
use saga_contract::messages::{OrderApprovalGranted, OrderApproved, OrderCancellationRequested, OrderDelivered};
use saga_core::Outcome;
use serde_json::json;

use crate::support::{PRICE, Shop, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_answered_when_all_is_undone_and_asked_for_once() {
    let shop = Shop::open().await;
    let (saga, placed) = shop.placed(12).await;
    let id = placed.body["id"].as_i64().unwrap();
    let (one, two) = (shop.cancelling(id), shop.cancelling(id));
    let asked = shop.sends("ORDER_CANCELLATION_REQUESTED").await;
    let word: OrderCancellationRequested = asked.payload().unwrap();
    assert_eq!((word.by.as_str(), word.reason), ("customer", Reason::CANCELLED_BY_CUSTOMER));
    assert_eq!((asked.saga_id, asked.correlation_id), (saga.requested.saga_id, saga.requested.correlation_id));

    shop.hand_over(&saga.close(Outcome::Cancelled, &Reason::CANCELLED_BY_CUSTOMER)).await;
    let closed = shop.sends("ORDER_CANCELLED").await;
    assert!(closed.aggregate_version > asked.aggregate_version, "versions only rise");
    assert!(!one.is_finished() && !two.is_finished(), "the pet is still on its way back");
    shop.hand_over(&saga.cancelled(&Reason::CANCELLED_BY_CUSTOMER)).await;
    for answer in [one.await.unwrap(), two.await.unwrap(), shop.cancelling(id).await.unwrap(), shop.get(id).await] {
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("cancelled")));
        assert_eq!(answer.body["reason"], "cancelled_by_customer");
    }
    assert_eq!(shop.sent("ORDER_CANCELLATION_REQUESTED").await.len(), 1);
    assert_eq!(shop.asking(id, "approve").await.unwrap().status, StatusCode::CONFLICT);
    assert_eq!(shop.asking(id, "deliver").await.unwrap().status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_leads_to_all_that_others_need_and_then_to_the_delivery() {
    let shop = Shop::open().await;
    let (saga, placed) = shop.placed(12).await;
    let id = placed.body["id"].as_i64().unwrap();
    assert_eq!(shop.asking(id, "deliver").await.unwrap().status, StatusCode::CONFLICT, "not approved yet");
    let (one, two) = (shop.asking(id, "approve"), shop.asking(id, "approve"));
    let granted: OrderApprovalGranted = shop.sends("ORDER_APPROVAL_GRANTED").await.payload().unwrap();
    assert_eq!(granted, OrderApprovalGranted { order: saga.order.order, by: "tester".to_owned() });

    shop.hand_over(&saga.approve()).await;
    for answer in [one.await.unwrap(), two.await.unwrap(), shop.asking(id, "approve").await.unwrap()] {
        assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("approved")));
    }
    let message = shop.sends("ORDER_APPROVED").await;
    assert_eq!((message.step.as_deref(), message.causation_id), (Some("approve_order"), Some(saga.approve().id)));
    let approved: OrderApproved = message.payload().unwrap();
    let whose = (approved.pet, approved.pet_id, approved.user_id, approved.total.amount());
    assert_eq!(whose, (saga.order.pet, saga.order.pet_id, saga.order.user_id, PRICE));
    assert_eq!(shop.cancelling(id).await.unwrap().status, StatusCode::CONFLICT, "too late");

    for _ in 0..2 {
        let answer = shop.asking(id, "deliver").await.unwrap();
        assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("delivered")));
        assert_eq!(answer.body["complete"], true);
    }
    let delivered = shop.sends("ORDER_DELIVERED").await;
    assert_eq!(delivered.payload::<OrderDelivered>().unwrap().order, saga.order.order);
    let id_at = shop.ids.event_at(&delivered.subject, delivered.aggregate_version.unwrap(), "ORDER_DELIVERED");
    assert_eq!(delivered.id, id_at);
    assert_eq!(shop.cancelling(id).await.unwrap().status, StatusCode::CONFLICT);
    assert_eq!(shop.asking(id, "approve").await.unwrap().status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_approval_and_a_cancellation_at_once_the_saga_lets_one_win() {
    let shop = Shop::open().await;
    for approved in [true, false] {
        let (saga, placed) = shop.placed(if approved { 12 } else { 13 }).await;
        let id = placed.body["id"].as_i64().unwrap();
        let (cancelling, approving) = (shop.cancelling(id), shop.asking(id, "approve"));
        let asked = "SELECT count(*) FROM requests WHERE granted AND cancellation_requested";
        shop.counts(asked, if approved { 1 } else { 2 }).await;
        let (cancel, approve) = if approved {
            shop.hand_over(&saga.approve()).await;
            (StatusCode::CONFLICT, StatusCode::OK)
        } else {
            shop.hand_over(&saga.close(Outcome::Cancelled, &Reason::CANCELLED_BY_CUSTOMER)).await;
            shop.hand_over(&saga.cancelled(&Reason::CANCELLED_BY_CUSTOMER)).await;
            (StatusCode::OK, StatusCode::CONFLICT)
        };
        assert_eq!((cancelling.await.unwrap().status, approving.await.unwrap().status), (cancel, approve));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_deadline_a_word_is_accepted_and_goes_on() {
    let shop = Shop::with(1, Duration::from_millis(500)).await;
    let answer = told(shop.post(&json!({"petId": 12})).header("Prefer", "respond-async")).await;
    let id = answer.body["id"].as_i64().unwrap();
    for waiting in [shop.cancelling(id), shop.asking(id, "approve")] {
        let answer = waiting.await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert_eq!(answer.location, Some(format!("/api/v3/store/order/{id}")));
    }
    shop.sends("ORDER_CANCELLATION_REQUESTED").await;
    shop.sends("ORDER_APPROVAL_GRANTED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approving_and_delivering_need_a_token_and_an_order() {
    let shop = Shop::open().await;
    for what in ["approve", "deliver"] {
        let url = shop.url(&format!("/store/order/1001/{what}"));
        assert_eq!(told(shop.client.post(&url)).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(told(shop.client.post(&url).bearer_auth("guess")).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(shop.asking(1001, what).await.unwrap().status, StatusCode::NOT_FOUND);
    }
    assert_eq!(shop.cancelling(1001).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(shop.get(1001).await.status, StatusCode::NOT_FOUND);
}
