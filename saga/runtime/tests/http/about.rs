//! What a process says of itself.

use axum::Router;
use saga_runtime::http::{Limits, app};
use serde_json::{Value, json};
use utoipa::openapi::{Info, OpenApiBuilder, PathItem, Paths, path::HttpMethod, path::OperationBuilder};

use super::alone::{application, fetch, parts};

#[tokio::test]
async fn info_tells_name_version_and_the_salt_s_fingerprint() {
    let info = fetch(&application(), "/info").await.json();
    assert_eq!(info["name"], "desk");
    assert_eq!(info["version"], "1.2.3");
    assert_eq!(info["salt_fingerprint"], "00112233aabb");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_what_clients_invent() {
    let app = application();
    fetch(&app, "/notes/7").await;
    fetch(&app, "/notes/8").await;
    fetch(&app, "/no/such/path").await;
    let answer = fetch(&app, "/metrics").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let count = |route, status, n| {
        format!(
            "http_server_request_duration_seconds_count{{method=\"GET\",route=\"{route}\",status=\"{status}\"}} {n}\n"
        )
    };
    for line in [count("/notes/{id}", 200, 2), count("none", 404, 1)] {
        assert!(answer.text.contains(&line), "no {line} in\n{}", answer.text);
    }
    assert!(!answer.text.contains("/no/such/path"));
    assert!(answer.text.contains("relay_returned_total 0\n"), "the broker's side is on the page");
}

#[tokio::test]
async fn the_document_has_the_process_s_own_routes_and_everybody_s() {
    let own = PathItem::new(HttpMethod::Get, OperationBuilder::new().build());
    let mut parts = parts(Limits::default());
    let mut paths = Paths::new();
    paths.paths.insert("/notes/{id}".to_owned(), own);
    parts.openapi = OpenApiBuilder::new().info(Info::new("Notes", "")).paths(paths).build();
    let document = fetch(&app(parts, Router::new()), "/openapi.json").await.json();
    assert_eq!(document["info"], json!({"title": "Notes", "version": "1.2.3"}));
    for path in
        ["/notes/{id}", "/healthz", "/readyz", "/metrics", "/info", "/admin/parked", "/admin/parked/{id}/replay"]
    {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
    let token = &document["components"]["securitySchemes"]["token"];
    assert_eq!((&token["type"], &token["scheme"]), (&json!("http"), &json!("bearer")));
    assert!(document["components"]["schemas"]["Problem"]["properties"]["detail"].is_object());
}

#[tokio::test]
async fn writes_say_that_they_need_a_token_and_reads_do_not() {
    let document = fetch(&application(), "/openapi.json").await.json();
    let mut writes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let reads = method != "post";
            assert_eq!(operation["security"] == json!([{"token": []}]), !reads, "{method} {path}");
            assert!(operation["summary"].is_string() && operation["tags"] != Value::Null, "{method} {path}");
            writes += usize::from(!reads);
        }
    }
    assert_eq!(writes, 6);
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, item)| match (key.as_str(), item) {
                ("$ref", Value::String(target)) => found.push(target.clone()),
                _ => references(item, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = fetch(&application(), "/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 5, "{found:?}");
    for target in found {
        assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target} leads nowhere");
    }
}
