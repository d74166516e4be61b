//! The OpenAPI document, against the official Petstore v3 (1.0.26) and against itself of yesterday.

use inventory_service::http;
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(http::document()).unwrap()
}

#[test]
fn the_counts_are_described_as_the_petstore_describes_them() {
    let operation = &document()["paths"]["/api/v3/store/inventory"]["get"];
    assert_eq!(operation["operationId"], "getInventory");
    assert_eq!(operation["tags"], json!(["store"]));
    assert!(operation.get("parameters").is_none(), "{operation}");
    let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "default"]);
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["additionalProperties"], json!({ "type": "integer", "format": "int32" }));
}

#[test]
fn every_other_path_is_our_own() {
    let document = document();
    let paths: Vec<(&str, Vec<&String>)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, methods)| (path.as_str(), methods.as_object().unwrap().keys().collect()))
        .collect();
    let names: Vec<String> = paths.iter().map(|(path, methods)| format!("{path} {methods:?}")).collect();
    let ours = [r#"/api/v3/stock ["get"]"#, r#"/api/v3/stock/{sku} ["get", "put"]"#];
    assert_eq!(names, [ours[0], ours[1], r#"/api/v3/store/inventory ["get"]"#]);
}

#[test]
fn every_error_is_described_as_a_problem() {
    let document = document();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut errors = 0;
    for (status, response) in operations.flat_map(|operation| operation["responses"].as_object().unwrap()) {
        if status.starts_with('2') {
            continue;
        }
        let content = response["content"].as_object().unwrap();
        assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{status}");
        errors += 1;
    }
    assert!(errors >= 10, "{errors}");
}

#[test]
fn only_setting_needs_a_token() {
    let document = document();
    assert_eq!(document["paths"]["/api/v3/stock/{sku}"]["put"]["security"], json!([{ "operator": [] }]));
    assert!(document["paths"]["/api/v3/stock/{sku}"]["get"].get("security").is_none());
    assert_eq!(document["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
}

#[test]
fn the_document_is_the_one_that_was_read_last() {
    insta::assert_json_snapshot!(document());
}
