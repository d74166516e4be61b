//! Messages through the broker to a running process.

use saga_runtime::testing::eventually;
use serde_json::json;

use crate::process::{Running, SOON};
use crate::support::{approved, pet_reserved, release, shuffle};

#[tokio::test]
async fn an_order_goes_through_and_the_counts_follow() {
    let process = Running::with(&[("TOY", 12)]).await;
    let lines = [("TOY", 2)];
    process.publish(&pet_reserved(1, &lines)).await;
    assert_eq!(process.sent(1).await, ["INVENTORY_RESERVED"]);
    assert_eq!(process.get("/store/inventory").await.1, json!({ "available": 0, "pending": 1, "sold": 0 }));
    process.publish(&approved(1, &lines)).await;
    assert_eq!(process.sent(2).await, ["INVENTORY_RESERVED", "INVENTORY_COMMITTED"]);
    let (_, stock) = process.get("/stock/TOY").await;
    assert_eq!([&stock["quantity"], &stock["reserved"], &stock["taken"]], [10, 0, 2]);
    eventually("nothing is left to be published", SOON, async || {
        let left = process.inventory.owner.query_one("SELECT count(*) FROM outbox", &[]).await.unwrap();
        left.get::<_, i64>(0) == 0
    })
    .await;
    process.inventory.assert_balanced().await;
    process.stop().await;
}

#[tokio::test]
async fn an_approval_that_comes_first_is_put_off_and_done_later() {
    let process = Running::with(&[("TOY", 12)]).await;
    let lines = [("TOY", 2)];
    process.publish(&approved(1, &lines)).await;
    eventually("the approval is put off", SOON, async || {
        let rows = process.inventory.owner.query("SELECT 1 FROM deferred", &[]).await.unwrap();
        rows.len() == 1
    })
    .await;
    process.publish(&pet_reserved(1, &lines)).await;
    assert_eq!(process.sent(2).await, ["INVENTORY_RESERVED", "INVENTORY_COMMITTED"]);
    process.stop().await;
}

#[tokio::test]
async fn what_nobody_can_read_is_parked_and_the_queue_flows_on() {
    let process = Running::with(&[("TOY", 12)]).await;
    let mut shapeless = pet_reserved(2, &[]);
    shapeless.data = json!({ "pet": 12 });
    let mut without_saga = pet_reserved(3, &[("TOY", 1)]);
    without_saga.saga_id = None;
    process.publish_bytes("pet.events", "pet.reserved", b"not JSON").await;
    process.publish(&shapeless).await;
    process.publish(&without_saga).await;
    process.publish(&pet_reserved(1, &[("TOY", 2)])).await;
    assert_eq!(process.sent(1).await, ["INVENTORY_RESERVED"]);
    let sql = "SELECT reason FROM parked ORDER BY reason";
    let reasons = eventually("three are parked", SOON, async || {
        let rows = process.inventory.owner.query(sql, &[]).await.unwrap();
        (rows.len() == 3).then(|| rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(reasons, ["malformed_data", "no_saga", "not_json"]);
    assert_eq!(process.inventory.levels("TOY").await, (12, 2, 2));
    process.stop().await;
}

#[tokio::test]
async fn all_messages_published_five_times_more_in_any_order_change_no_row() {
    let process = Running::with(&[("FOOD", 9), ("TOY", 20)]).await;
    let lines = [("FOOD", 2), ("TOY", 1)];
    let mut messages: Vec<_> = (1..=6).map(|saga| pet_reserved(saga, &lines)).collect();
    messages.push(release(6));
    for message in &messages {
        process.publish(message).await;
    }
    process.sent(7).await;
    let done = (1..=2).map(|saga| approved(saga, &lines));
    let reserved = "SELECT DISTINCT saga_id FROM reservations WHERE state = 'reserved'";
    assert!(process.inventory.owner.query(reserved, &[]).await.unwrap().len() >= 2);
    for message in done {
        process.publish(&message).await;
        messages.push(message);
    }
    let journal = process.sent(9).await;
    let handled = process.handled().await;
    let settled = process.inventory.rows().await;
    for seed in 1..=5 {
        shuffle(&mut messages, seed);
        for message in &messages {
            process.publish(message).await;
        }
    }
    // One that is new, behind all of them in each queue, shows that they have passed.
    let last = pet_reserved(100, &[("TOY", 1)]);
    process.publish(&last).await;
    process.sent(10).await;
    process.publish(&release(100)).await;
    process.publish(&approved(100, &[])).await;
    eventually("the last ones have passed", SOON, async || process.handled().await == handled + 3).await;
    let others = |rows: Vec<String>| -> Vec<String> {
        let last = [uuid::Uuid::from_u128(100), uuid::Uuid::from_u128(2_000_100)].map(|id| id.to_string());
        let of_last = |row: &String| last.iter().any(|id| row.contains(id));
        rows.into_iter()
            .filter(|row| !of_last(row) && !row.starts_with("stock (TOY") && !row.starts_with("counts"))
            .collect()
    };
    assert_eq!(others(process.inventory.rows().await), others(settled));
    let answers = ["INVENTORY_RESERVED", "INVENTORY_RELEASED"].map(str::to_owned);
    assert_eq!(process.journal().await, [journal, answers.to_vec()].concat());
    process.inventory.assert_balanced().await;
    process.stop().await;
}
