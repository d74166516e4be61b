//! The document made from the code, held against the official Petstore v3 API 1.0.26.

use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(order_service::http::document()).unwrap()
}

/// Path, method, operation id, path parameter and status codes, as the official document has them.
type Operation = (&'static str, &'static str, &'static str, Option<&'static str>, &'static [&'static str]);

const OFFICIAL: [Operation; 3] = [
    ("/api/v3/store/order", "post", "placeOrder", None, &["200", "400", "422", "default"]),
    ("/api/v3/store/order/{orderId}", "get", "getOrderById", Some("orderId"), &["200", "400", "404", "default"]),
    ("/api/v3/store/order/{orderId}", "delete", "deleteOrder", Some("orderId"), &["200", "400", "404", "default"]),
];

#[test]
fn all_official_operations_are_there_with_their_parameters_and_status_codes() {
    let document = document();
    for (path, method, operation, parameter, statuses) in OFFICIAL {
        let found = &document["paths"][path][method];
        assert_eq!(found["operationId"], operation);
        assert_eq!(found["tags"], json!(["store"]));
        for status in statuses {
            assert!(found["responses"].get(status).is_some(), "{method} {path}: {status}");
        }
        let schema = &found["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Order", "{method} {path}");
        if let Some(name) = parameter {
            let parameters = found["parameters"].as_array().unwrap();
            let parameter = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
            assert_eq!((&parameter["in"], &parameter["required"]), (&json!("path"), &json!(true)));
            assert_eq!(parameter["schema"], json!({"type": "integer", "format": "int64"}));
        }
    }
}

#[test]
fn an_order_has_all_official_fields_of_their_official_types() {
    let document = document();
    let fields = &document["components"]["schemas"]["Order"]["properties"];
    for (field, kind, format) in [
        ("id", "integer", Some("int64")),
        ("petId", "integer", Some("int64")),
        ("quantity", "integer", Some("int32")),
        ("shipDate", "string", Some("date-time")),
        ("complete", "boolean", None),
    ] {
        let found = &fields[field];
        let is_kind =
            found["type"] == kind || found["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
        assert!(is_kind, "{field}: {found}");
        assert_eq!(found.get("format").and_then(Value::as_str), format, "{field}");
    }
    let statuses = &document["components"]["schemas"]["Status"]["enum"];
    assert_eq!(statuses, &json!(["placed", "approved", "delivered"]));
    assert_eq!(document["components"]["schemas"]["Order"].get("required"), None, "the Petstore requires none");
}

#[test]
fn the_document_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!(document());
}
