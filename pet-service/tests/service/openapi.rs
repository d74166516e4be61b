//! Our document against the Petstore's official one (OpenAPI 3.0, version 1.0.26).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What the official document says of an operation.
struct Operation {
    path: &'static str,
    method: &'static str,
    id: &'static str,
    /// Each with its place, and whether it is required.
    parameters: &'static [(&'static str, &'static str, bool)],
    statuses: &'static [&'static str],
}

/// The official operations that we have.
const OPERATIONS: [Operation; 5] = [
    Operation {
        path: "/pet",
        method: "post",
        id: "addPet",
        parameters: &[],
        statuses: &["200", "400", "422", "default"],
    },
    Operation {
        path: "/pet",
        method: "put",
        id: "updatePet",
        parameters: &[],
        statuses: &["200", "400", "404", "422", "default"],
    },
    Operation {
        path: "/pet/findByStatus",
        method: "get",
        id: "findPetsByStatus",
        parameters: &[("status", "query", false)],
        statuses: &["200", "400", "default"],
    },
    Operation {
        path: "/pet/{petId}",
        method: "get",
        id: "getPetById",
        parameters: &[("petId", "path", true)],
        statuses: &["200", "400", "404", "default"],
    },
    Operation {
        path: "/pet/{petId}",
        method: "delete",
        id: "deletePet",
        parameters: &[("petId", "path", true), ("api_key", "header", false)],
        statuses: &["200", "400", "default"],
    },
];

/// The official schemas: field, type, format.
const PET: &[(&str, &str, &str)] = &[
    ("id", "integer", "int64"),
    ("name", "string", ""),
    ("category", "Category", ""),
    ("photoUrls", "array", ""),
    ("tags", "array", ""),
    ("status", "string", ""),
];
const NAMED: &[(&str, &str, &str)] = &[("id", "integer", "int64"), ("name", "string", "")];

fn document() -> Value {
    serde_json::to_value(pet_service::http::document()).unwrap()
}

#[test]
fn every_operation_of_the_petstore_is_as_the_petstore_says() {
    let document = document();
    for Operation { path, method, id, parameters, statuses } in OPERATIONS {
        let operation = &document["paths"][format!("/api/v3{path}")][method];
        assert_eq!(operation["operationId"], id);
        let ours: BTreeMap<&str, (&str, bool)> =
            operation["parameters"].as_array().into_iter().flatten().map(described).collect();
        for (name, place, required) in parameters {
            assert_eq!(ours.get(name), Some(&(*place, *required)), "{id}: {name}");
        }
        let answers: BTreeSet<&str> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(statuses.iter().all(|status| answers.contains(status)), "{id}: {answers:?}");
    }
}

#[test]
fn what_we_add_to_an_operation_nobody_needs_to_send() {
    let official: BTreeSet<&str> =
        OPERATIONS.iter().flat_map(|operation| operation.parameters).map(|(name, ..)| *name).collect();
    for item in document()["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (name, (_, required)) in operation["parameters"].as_array().into_iter().flatten().map(described) {
                assert!(official.contains(name) || !required, "{name}");
            }
        }
    }
}

#[test]
fn the_schemas_have_the_petstores_fields() {
    let schemas = &document()["components"]["schemas"];
    for (name, fields) in [("Pet", PET), ("Category", NAMED), ("Tag", NAMED)] {
        for (field, kind, format) in fields {
            let property = &schemas[name]["properties"][field];
            let reference = property["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/"));
            let found = reference.or(property["type"].as_str());
            assert_eq!(found, Some(*kind), "{name}.{field}: {property}");
            assert_eq!(property["format"].as_str().unwrap_or_default(), *format, "{name}.{field}");
        }
    }
    assert_eq!(schemas["Pet"]["required"], json!(["name", "photoUrls"]));
    assert_eq!(schemas["Pet"]["properties"]["photoUrls"]["items"]["type"], "string");
    assert_eq!(schemas["Pet"]["properties"]["tags"]["items"]["$ref"], "#/components/schemas/Tag");
    assert_eq!(schemas["Pet"]["properties"]["status"]["enum"], json!(["available", "pending", "sold"]));
}

#[test]
fn what_answers_have_beside_the_petstores_fields_is_described() {
    let pet = &document()["components"]["schemas"]["Pet"]["properties"];
    for (field, read_only) in [("price", false), ("currency", false), ("uuid", true), ("version", true)] {
        assert!(pet[field]["type"].is_string(), "{field}");
        assert_eq!(pet[field]["readOnly"] == true, read_only, "{field}");
    }
}

#[test]
fn every_refusal_is_described_as_a_problem() {
    for item in document()["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let problem = response["content"]["application/problem+json"]["schema"]["$ref"].as_str();
                let expected = if status == "200" { None } else { Some("#/components/schemas/Problem") };
                assert_eq!(problem, expected, "{} {status}", operation["operationId"]);
            }
        }
    }
    assert!(document()["components"]["schemas"]["Problem"]["properties"]["detail"].is_object());
}

#[test]
fn the_document_changes_only_on_purpose() {
    insta::assert_json_snapshot!("openapi", document());
}

fn described(parameter: &Value) -> (&str, (&str, bool)) {
    let text = |key: &str| parameter[key].as_str().unwrap();
    (text("name"), (text("in"), parameter["required"].as_bool().unwrap_or(false)))
}
