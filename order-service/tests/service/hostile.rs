//! No request of any size or shape gets a 500.

use reqwest::{Method, StatusCode};
use saga_runtime::testing::corpus;
use serde_json::{Value, json};

use crate::bodies::check;
use crate::support::{Shop, told};

/// What a field may be sent as.
fn nonsense() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1_i64 << 53),
        json!(""),
        json!("\u{0}"),
        json!("'; DROP TABLE orders; --"),
        json!("x".repeat(100_000)),
        json!("9999-12-31T23:59:59-23:59"),
        json!("0000-01-01T00:00:00Z"),
        json!([]),
        json!([null]),
        json!([{"sku": "\u{0}", "quantity": 1}]),
        json!([{"sku": "A", "quantity": 1e19}]),
        json!([{"sku": "A"}]),
        json!({}),
        deep,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_any_shape_breaks_the_order() {
    let shop = Shop::open().await;
    for field in ["id", "petId", "quantity", "shipDate", "status", "complete", "items", "customerEmail", "other"] {
        for value in nonsense() {
            let mut body = json!({"petId": 12});
            body[field] = value.clone();
            let answer = told(shop.post(&body).header("Prefer", "respond-async")).await;
            let shown: String = value.to_string().chars().take(60).collect();
            let allowed = [202, 400, 409, 422];
            assert!(allowed.contains(&answer.status.as_u16()), "{field}: {shown} got {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_orders_are_told_what_they_are() {
    let shop = Shop::open().await;
    let post = |body: Vec<u8>, kind: Option<&str>| {
        let request = shop.client.post(shop.url("/store/order")).body(body);
        if let Some(kind) = kind { request.header("Content-Type", kind) } else { request }
    };
    let json_type = Some("application/json");
    for (body, kind, status) in [
        (b"".to_vec(), json_type, 400),
        (b"{".to_vec(), json_type, 400),
        (b"\xff\xfe".to_vec(), json_type, 400),
        (b"{\"petId\": 1e999}".to_vec(), json_type, 400),
        ("{\"other\":".repeat(100_000).into_bytes(), json_type, 400),
        ("[".repeat(200_000).into_bytes(), json_type, 422),
        (b"[]".to_vec(), json_type, 422),
        (b"[1, 12, 1, null]".to_vec(), json_type, 422),
        (br#"{"petId": 12, "items": [["TOY-BALL", 1]]}"#.to_vec(), json_type, 422),
        (b"null".to_vec(), json_type, 422),
        (b"{}".to_vec(), json_type, 422),
        (b"{\"petId\": 1, \"petId\": 2}".to_vec(), json_type, 422),
        (b"{\"petId\": 1}".to_vec(), None, 415),
        (b"{\"petId\": 1}".to_vec(), Some("application/xml"), 415),
        (b"petId=1".to_vec(), Some("application/x-www-form-urlencoded"), 415),
        (vec![b' '; 1024 * 1024 + 1], json_type, 413),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(told(post(body, kind)).await.status.as_u16(), status, "{shown} as {kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_queries_of_any_shape_are_answered() {
    let shop = Shop::open().await;
    for (id, status) in [
        ("1", 404),
        ("0", 404),
        ("-1", 404),
        ("9007199254740991", 404),
        ("9007199254740992", 404),
        ("9223372036854775807", 404),
        ("9223372036854775808", 400),
        ("1.5", 400),
        ("abc", 400),
        ("%00", 400),
        ("%ff", 400),
        ("1%20", 400),
    ] {
        for method in [Method::GET, Method::DELETE] {
            let request = shop.client.request(method.clone(), shop.url(&format!("/store/order/{id}")));
            assert_eq!(told(request).await.status.as_u16(), status, "{method} {id}");
        }
    }
    for query in
        ["limit=x", "limit=99999999999999999999", "skip=1e3", "userId=1", "state=%00", "customer=%00", "%ff=%ff"]
    {
        let answer = told(shop.client.get(shop.url(&format!("/store/orders?{query}")))).await;
        assert!(answer.status == StatusCode::BAD_REQUEST || answer.status == StatusCode::OK, "{query}: {answer:?}");
    }
    let wrong = shop.client.put(shop.url("/store/order"));
    assert_eq!(told(wrong).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(told(shop.client.get(shop.url("/store/nothing"))).await.status, StatusCode::NOT_FOUND);
}

#[test]
fn what_the_fuzz_target_kept_is_an_order_or_told_what_is_wrong() {
    let taken: Vec<_> = corpus("order").iter().map(|bytes| check(bytes)).collect();
    assert!(taken.contains(&true) && taken.contains(&false));
}
