//! HTTP of a running process.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use saga_runtime::core::Message;
use saga_runtime::testing::{RELEASE, TRAPPED, corpus, eventually, trap};
use serde_json::{Value, json};

use crate::bodies::check;
use crate::process::{Running, SOON, answer};
use crate::support::{ids, pet_reserved};

fn ball(quantity: i64) -> Value {
    json!({ "quantity": quantity, "price": 250, "currency": "EUR", "colour": "unknown fields are accepted" })
}

#[tokio::test]
async fn a_supply_is_set_found_and_listed() {
    let process = Running::with(&[("FOOD", 3)]).await;
    let expected = json!({
        "sku": "TOY-BALL", "quantity": 12, "reserved": 0, "available": 12, "taken": 0,
        "price": 250, "currency": "EUR", "version": 1,
    });
    assert_eq!(process.put("toy-ball", ball(12)).await, (201, expected.clone()), "it is new");
    assert_eq!(process.put("TOY-BALL", ball(12)).await, (200, expected.clone()), "the same again");
    assert_eq!(process.get("/stock/%20toy-ball").await, (200, expected.clone()), "in any spelling");
    let (status, list) = process.get("/stock").await;
    assert_eq!((status, list.as_array().unwrap().len()), (200, 2));
    assert_eq!(process.get("/stock?skip=1&limit=1").await, (200, json!([expected])));
    assert_eq!(process.get("/stock?skip=9223372036854775807").await, (200, json!([])));
    let (status, lowered) = process.put("TOY-BALL", ball(5)).await;
    assert_eq!((status, &lowered["version"], &lowered["quantity"]), (200, &json!(2), &json!(5)));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_lists_take_their_time_supplies_are_set_and_found() {
    let process = Running::with(&[("TRAP", 3)]).await;
    let owner = &process.inventory.owner;
    owner.batch_execute(&trap("stock", "sku <> 'TRAP'")).await.unwrap();
    let list = || process.get("/stock");
    let mut lists: FuturesUnordered<_> = (0..20).map(|_| list()).collect();
    let waiting = async || owner.query_one(TRAPPED, &[]).await.unwrap().get::<_, i64>(0);
    let beside = async {
        eventually("as many are read as may be", SOON, async || waiting().await == 2).await;
        assert_eq!(process.put("TOY-BALL", ball(12)).await.0, 201);
        assert_eq!(process.get("/stock/TOY-BALL").await.0, 200);
        assert!(waiting().await <= 2, "a quarter of the connections");
    };
    let (first, ()) = tokio::join!(lists.select_next_some(), beside);
    assert_eq!((first.0, &first.1["type"]), (503, &json!("urn:sagaforge:problem:timeout")), "{first:?}");
    owner.batch_execute(RELEASE).await.unwrap();
    let rest: Vec<_> = lists.collect().await;
    assert!(rest.iter().all(|(status, _)| [200, 503].contains(status)), "{rest:?}");
    eventually("lists are read again", SOON, async || list().await.0 == 200).await;
    process.stop().await;
}

#[tokio::test]
async fn setting_tells_stock_set_once_per_change() {
    let process = Running::with(&[]).await;
    for quantity in [12, 12, 7] {
        process.put("TOY-BALL", ball(quantity)).await;
    }
    let sql = "SELECT body FROM journal ORDER BY seq";
    let rows = process.inventory.owner.query(sql, &[]).await.unwrap();
    let told: Vec<Message> = rows.iter().map(|row| Message::parse(row.get(0)).unwrap()).collect();
    let facts: Vec<Value> = told
        .iter()
        .map(|m| json!([m.kind, m.subject, m.aggregate_version, m.data["quantity"], m.data["price"]["amount"]]))
        .collect();
    assert_eq!(facts, [json!(["STOCK_SET", "TOY-BALL", 1, 12, 250]), json!(["STOCK_SET", "TOY-BALL", 2, 7, 250])]);
    assert_eq!(told[1].id, ids().event_at("TOY-BALL", 2, "STOCK_SET"));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_settings_of_a_new_supply_one_creates_it_and_all_succeed() {
    let process = Running::with(&[]).await;
    let puts = (1..=20).map(|quantity| process.put("TOY-BALL", ball(quantity)));
    let mut statuses: Vec<u16> =
        futures_util::future::join_all(puts).await.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!((&statuses[..19], statuses[19]), (&[200; 19][..], 201));
    let (_, stock) = process.get("/stock/TOY-BALL").await;
    assert_eq!(stock["version"], 20);
    assert_eq!(process.journal().await.len(), 20);
    process.stop().await;
}

#[tokio::test]
async fn a_stock_cannot_be_set_below_what_orders_hold() {
    let process = Running::with(&[("TOY-BALL", 12)]).await;
    process.publish(&pet_reserved(1, &[("TOY-BALL", 5)])).await;
    process.sent(1).await;
    let (status, problem) = process.put("TOY-BALL", ball(4)).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:sagaforge:problem:stock_below_reserved")));
    assert_eq!(problem["reserved"], 5);
    assert_eq!(process.put("TOY-BALL", ball(5)).await.0, 200);
    assert_eq!(process.inventory.levels("TOY-BALL").await, (5, 5, 5));
    process.stop().await;
}

#[tokio::test]
async fn the_counts_always_have_all_three_keys() {
    let process = Running::with(&[]).await;
    assert_eq!(process.get("/store/inventory").await, (200, json!({ "available": 0, "pending": 0, "sold": 0 })));
    process.stop().await;
}

#[tokio::test]
async fn nobody_sets_without_a_token() {
    let process = Running::with(&[]).await;
    let put = |path: &str| process.request(Method::PUT, path).json(&ball(1));
    assert_eq!(answer(put("/stock/TOY-BALL").send().await.unwrap()).await.0, 401);
    assert_eq!(answer(put("/stock/TOY-BALL").bearer_auth("a guess").send().await.unwrap()).await.0, 401);
    assert_eq!(process.get("/stock/TOY-BALL").await.0, 404);
    process.stop().await;
}

#[tokio::test]
async fn reads_that_make_no_sense_are_told_what_is_wrong() {
    let process = Running::with(&[]).await;
    let long = format!("/stock/{}", "x".repeat(65));
    for (path, expected) in [
        ("/stock/NONE", 404),
        ("/nowhere", 404),
        ("/stock/a/b", 404),
        ("/stock/%20", 400),
        ("/stock/%00", 400),
        ("/stock/A%0AB", 400),
        ("/stock/%FF", 400),
        (long.as_str(), 400),
        ("/stock?limit=0", 400),
        ("/stock?limit=101", 400),
        ("/stock?limit=ten", 400),
        ("/stock?limit=99999999999999999999", 400),
        ("/stock?skip=-1", 400),
        ("/stock?skip=1&skip=2", 400),
        ("/stock?skip=%00", 400),
    ] {
        let (status, problem) = process.get(path).await;
        assert_eq!(status, expected, "{path}: {problem}");
    }
    let deleted = process.request(Method::DELETE, "/stock/NONE").send().await.unwrap();
    assert_eq!(answer(deleted).await.0, 405);
    process.stop().await;
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_told_what_is_wrong() {
    let process = Running::with(&[]).await;
    let fields = |quantity: &str, price: &str, currency: &str| {
        format!(r#"{{"quantity": {quantity}, "price": {price}, "currency": {currency}}}"#)
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!(r#"{{"quantity": 1, "price": 1, "currency": "{}"}}"#, "E".repeat(2 * 1024 * 1024));
    for (body, expected) in [
        (String::new(), 400),
        ("{".to_owned(), 400),
        (format!(r#"{{"colour": {deep}}}"#), 422),
        (deep, 422),
        ("[]".to_owned(), 422),
        ("{}".to_owned(), 422),
        ("null".to_owned(), 422),
        (fields("-1", "250", r#""EUR""#), 422),
        (fields("1000000001", "250", r#""EUR""#), 422),
        (fields("1.5", "250", r#""EUR""#), 422),
        (fields(r#""1""#, "250", r#""EUR""#), 422),
        (fields("99999999999999999999", "250", r#""EUR""#), 422),
        (fields("1", "-1", r#""EUR""#), 422),
        (fields("1", "9007199254740992", r#""EUR""#), 422),
        (fields("1", "250", r#""eur""#), 422),
        (fields("1", "250", r#""E\u0000R""#), 422),
        (fields("1", "250", r#""€""#), 422),
        (fields("1", "250", "null"), 422),
        (large, 413),
    ] {
        let request = process.request(Method::PUT, "/stock/TOY-BALL").bearer_auth(process.inventory.servers.token());
        let shown: String = body.chars().take(80).collect();
        let (status, problem) =
            answer(request.header(CONTENT_TYPE, "application/json").body(body).send().await.unwrap()).await;
        assert_eq!(status, expected, "{shown}: {problem}");
    }
    let request = process.request(Method::PUT, "/stock/TOY-BALL").bearer_auth(process.inventory.servers.token());
    let plain = request.header(CONTENT_TYPE, "text/plain").body(ball(1).to_string()).send().await.unwrap();
    assert_eq!(answer(plain).await.0, 415);
    let names = [("%E7%8C%AB", "猫"), ("a%2Fb", "A/B"), ("%C3%9F", "SS"), ("%2e%2e%2e", "...")];
    for (path, name) in names {
        let (status, stock) = process.put(path, ball(1)).await;
        assert_eq!((status, &stock["sku"]), (201, &json!(name)), "{path}");
    }
    process.stop().await;
}

#[test]
fn what_the_fuzz_target_kept_is_a_supply_or_told_what_is_wrong() {
    let taken: Vec<_> = corpus("stock").iter().map(|bytes| check(bytes)).collect();
    assert!(taken.contains(&true) && taken.contains(&false));
}
