//! No request that a client can send, of any size or shape, gets a 500.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use saga_runtime::testing::corpus;
use serde_json::{Value, json};

use crate::bodies::check;
use crate::running::{Running, read};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_body_that_makes_no_sense_is_told_so() {
    let pets = Running::start().await;
    pets.given_pet(5).await;
    let pet = |field: &str, value: Value| {
        let mut pet = json!({"id": 5, "name": "M", "photoUrls": []});
        pet[field] = value;
        pet.to_string()
    };
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, expected) in [
        (String::new(), 400),
        ("{".to_owned(), 400),
        ("not json".to_owned(), 400),
        (deep, 422),
        (r#"{"name": "\ud800", "photoUrls": []}"#.to_owned(), 400),
        ("[]".to_owned(), 422),
        ("null".to_owned(), 422),
        ("7".to_owned(), 422),
        ("{}".to_owned(), 422),
        (r#"{"name": "M", "name": "N", "photoUrls": []}"#.to_owned(), 422),
        (pet("name", json!(null)), 422),
        (pet("name", json!("")), 422),
        (pet("name", json!("x".repeat(201))), 422),
        (pet("name", json!("x\u{0}")), 400),
        (pet("photoUrls", json!(null)), 422),
        (pet("photoUrls", json!("x")), 422),
        (pet("photoUrls", json!(["\u{0}"])), 400),
        (pet("photoUrls", json!(vec!["x"; 51])), 422),
        (pet("photoUrls", json!(["x".repeat(1001)])), 422),
        (pet("tags", json!([{"name": "\u{0}"}])), 400),
        (r#"[9, "M", null, [], null, null, 1, "EUR"]"#.to_owned(), 422),
        (pet("tags", json!([7])), 422),
        (pet("tags", json!([[1, "x"]])), 422),
        (pet("tags", json!(vec![json!({}); 51])), 422),
        (pet("category", json!([])), 422),
        (pet("category", json!({"id": "x"})), 422),
        (pet("category", json!({"id": 1.5})), 422),
        (pet("status", json!("lost")), 422),
        (pet("price", json!(-1)), 422),
        (pet("price", json!(1.5)), 422),
        (pet("price", json!(u64::MAX)), 422),
        (pet("price", json!(9_007_199_254_740_992_i64)), 422),
        (pet("currency", json!("euro")), 422),
        (pet("currency", json!("\u{0}")), 400),
        (pet("id", json!(-1)), 400),
        (pet("id", json!(9_007_199_254_740_992_i64)), 400),
        (pet("id", json!(u64::MAX)), 422),
        (pet("id", json!("x")), 422),
        (pet("id", json!(5.5)), 422),
    ] {
        for method in [Method::POST, Method::PUT] {
            let shown = &body[..body.len().min(60)];
            refused(&pets, method, "/pet", JSON, body.as_bytes(), expected, shown).await;
        }
    }
    assert_eq!(pets.journal().await.len(), 1, "nothing happened to the pet");
    pets.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_not_read() {
    let pets = Running::start().await;
    let good = br#"{"name": "M", "photoUrls": []}"#;
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "x"] {
        refused(&pets, Method::POST, "/pet", content_type, good, 415, content_type).await;
    }
    let large = json!({"name": "M", "photoUrls": [], "x": "y".repeat(1024 * 1024)}).to_string();
    refused(&pets, Method::POST, "/pet", JSON, large.as_bytes(), 413, "1 MiB and more").await;
    refused(&pets, Method::POST, "/pet", JSON, &[0xff, 0xfe, b'{'], 400, "no UTF-8").await;
    pets.stop().await;
}

#[tokio::test]
async fn a_path_or_a_query_that_makes_no_sense_is_told_so() {
    let pets = Running::start().await;
    for (path, expected) in [
        ("/pet/abc", 400),
        ("/pet/1.5", 400),
        ("/pet/9223372036854775808", 400),
        ("/pet/%00", 400),
        ("/pet/%ff", 400),
        ("/pet/1%2F2", 400),
        ("/pet/0", 404),
        ("/pet/-1", 404),
        ("/pet/9223372036854775807", 404),
        ("/pet/5", 404),
    ] {
        refused(&pets, Method::GET, path, JSON, b"", expected, path).await;
        refused(&pets, Method::DELETE, path, JSON, b"", expected, path).await;
    }
    for (path, expected) in [
        ("/pet/findByStatus?status=lost", 400),
        ("/pet/findByStatus?status=", 400),
        ("/pet/findByStatus?status=%00", 400),
        ("/pet/findByStatus?status=%ff", 400),
        ("/pet/findByStatus?limit=0", 400),
        ("/pet/findByStatus?skip=-1", 400),
        ("/pet/findByStatus?skip=10001", 400),
        ("/pet/findByStatus?skip=9223372036854775807", 400),
        ("/pet/findByStatus?after=-1", 400),
        ("/pet/feed?after=x", 400),
        ("/pet/feed?limit=1001", 400),
        ("/pet/1/2", 404),
        ("/nowhere", 404),
        ("/pet", 405),
    ] {
        refused(&pets, Method::GET, path, JSON, b"", expected, path).await;
    }
    assert_eq!(pets.get("/pet/findByStatus?%ff=%ff&&==&skip=10000").await.0, 200);
    assert_eq!(pets.get("/pet/feed?after=9223372036854775807").await.0, 200);
    pets.stop().await;
}

#[tokio::test]
async fn an_update_needs_an_id_and_a_pet() {
    let pets = Running::start().await;
    let update = |id: Value| json!({"id": id, "name": "M", "photoUrls": []});
    for (id, expected) in
        [(json!(null), 400), (json!(0), 400), (json!(5), 404), (json!(9_007_199_254_740_991_i64), 404)]
    {
        let body = update(id.clone()).to_string();
        refused(&pets, Method::PUT, "/pet", JSON, body.as_bytes(), expected, &id.to_string()).await;
    }
    pets.stop().await;
}

/// Sends a request, and holds that it is refused with this status and a problem document.
async fn refused(pets: &Running, method: Method, path: &str, content_type: &str, body: &[u8], status: u16, what: &str) {
    let request = pets.client.request(method.clone(), pets.url(path)).header(CONTENT_TYPE, content_type);
    let answer = request.body(body.to_vec()).send().await.unwrap();
    let media_type = answer.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let (code, problem) = read(answer).await;
    assert_eq!(code, StatusCode::from_u16(status).unwrap(), "{method} {what}: {problem}");
    assert_eq!(media_type.as_deref(), Some("application/problem+json"), "{method} {what}");
    assert_eq!(problem["status"], status, "{method} {what}");
    assert!(problem["title"].is_string() && problem["type"].is_string(), "{method} {what}: {problem}");
}

#[test]
fn what_the_fuzz_target_kept_is_a_pet_or_told_what_is_wrong() {
    let taken: Vec<_> = corpus("pet").iter().map(|bytes| check(bytes)).collect();
    assert!(taken.contains(&(true, true)) && taken.contains(&(true, false)) && taken.contains(&(false, false)));
}
