//! JSON schemas of the payloads, from the types of their fields.

use saga_contract::{Category, Item, Items, Money, OnHand, OrderNumber, PetNumber, PetStatus, Quantity, Reason, Sku};
use serde_json::{Map, Value, json};

use crate::described::Described;

/// The schema of a payload.
pub(crate) fn of_payload(described: &Described) -> Value {
    let mut properties = Map::new();
    for field in &described.fields {
        let mut schema = of_field(&field.rust_type);
        schema["description"] = field.doc.clone().into();
        properties.insert(field.name.clone(), schema);
    }
    let required: Vec<_> = described.fields.iter().filter(|f| !f.optional).map(|f| f.name.clone()).collect();
    json!({"type": "object", "description": described.doc, "required": required, "properties": properties})
}

fn of_field(rust_type: &str) -> Value {
    match plain(rust_type) {
        "Uuid" => json!({"type": "string", "format": "uuid"}),
        "String" => json!({"type": "string"}),
        "Value" => json!({}),
        name => {
            assert!(values().contains_key(name), "say here how a {name} is written in JSON");
            json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
        }
    }
}

/// The type of a field without `Option`, by its name in the documents.
pub(crate) fn plain(rust_type: &str) -> &str {
    let inner = rust_type.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
    match inner.unwrap_or(rust_type) {
        "Items<PricedItem>" => "PricedItems",
        name => name,
    }
}

/// The schemas of the small types, with the bounds that the code checks.
pub(crate) fn values() -> Map<String, Value> {
    let number = |min: i64, max: i64| json!({"type": "integer", "format": "int64", "minimum": min, "maximum": max});
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let object = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties});
    let list = |of: &str| json!({"type": "array", "maxItems": Items::<Item>::MAX, "items": reference(of)});
    let (sku, quantity, money) = (reference("Sku"), reference("Quantity"), reference("Money"));
    let values = json!({
        "PetNumber": number(PetNumber::MIN.get(), PetNumber::MAX.get()),
        "OrderNumber": number(OrderNumber::MIN.get(), OrderNumber::MAX.get()),
        "Quantity": number(Quantity::MIN.get(), Quantity::MAX.get()),
        "OnHand": number(OnHand::MIN.get(), OnHand::MAX.get()),
        "Money": object(&["amount", "currency"], json!({
            "amount": number(0, Money::MAX_AMOUNT),
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        })),
        "Sku": {"type": "string", "minLength": 1, "maxLength": Sku::MAX_LENGTH},
        "Item": object(&["sku", "quantity"], json!({"sku": sku, "quantity": quantity})),
        "PricedItem": object(&["sku", "quantity", "price"], json!({"sku": sku, "quantity": quantity, "price": money})),
        "Items": list("Item"),
        "PricedItems": list("PricedItem"),
        "Reason": {"type": "string", "minLength": 1, "maxLength": Reason::MAX_LENGTH},
        "ShipDate": {"type": "string", "format": "date-time"},
        "PetStatus": {"type": "string", "enum": PetStatus::ALL},
        "Outcome": {"type": "string", "enum": ["rejected", "cancelled"]},
        "Category": {"type": "object", "properties": {
            "id": {"type": "integer", "format": "int64"},
            "name": {"type": "string"},
        }},
    });
    let Value::Object(values) = values else { unreachable!("it was written as an object") };
    values
}

#[test]
fn a_category_says_no_more_than_its_schema() {
    let category = Category { id: Some(1), name: Some("Cats".to_owned()) };
    let written = serde_json::to_value(category).unwrap();
    let schema = &values()["Category"]["properties"];
    assert_eq!(
        written.as_object().unwrap().keys().collect::<Vec<_>>(),
        schema.as_object().unwrap().keys().collect::<Vec<_>>()
    );
}
