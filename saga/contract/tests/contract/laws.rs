//! Laws that hold for every payload: it is read as it was written, fields that nobody knows are
//! ignored, and what is missing or nonsense is refused.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use saga_contract::{Item, Items, Money, OnHand, OrderNumber, PetNumber, Quantity};
use saga_core::PayloadError;
use serde_json::{Map, Value, json};

use crate::described::{self, Described, Field};
use crate::samples::{self, Sample};
use crate::schemas;

/// Any data of a payload, as it stands on the wire.
fn data_of(described: &Described) -> BoxedStrategy<Value> {
    let fields: Vec<_> = described.fields.iter().map(any_field).collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}

fn any_field(field: &Field) -> BoxedStrategy<Option<(String, Value)>> {
    let name = field.name.clone();
    let value = any_value(schemas::plain(&field.rust_type)).prop_map(move |value| Some((name.clone(), value)));
    // A list that may be absent is written when it is empty: only an `Option` is left out.
    if field.rust_type.starts_with("Option<") { prop_oneof![Just(None), value].boxed() } else { value.boxed() }
}

fn any_value(name: &str) -> BoxedStrategy<Value> {
    let number = |min: i64, max: i64| (min..=max).prop_map(Value::from).boxed();
    let text = |pattern: &str| proptest::string::string_regex(pattern).unwrap().prop_map(Value::from).boxed();
    match name {
        "Uuid" => any::<u128>().prop_map(|n| json!(uuid::Uuid::from_u128(n))).boxed(),
        "String" => any::<String>().prop_map(Value::from).boxed(),
        "Value" => prop_oneof![Just(Value::Null), any_value("Money")].boxed(),
        "PetNumber" => number(1, PetNumber::MAX.get()),
        "OrderNumber" => number(1, OrderNumber::MAX.get()),
        "Quantity" => number(1, Quantity::MAX.get()),
        "OnHand" => number(0, OnHand::MAX.get()),
        "Money" => (0..=Money::MAX_AMOUNT, text("[A-Z]{3}"))
            .prop_map(|(amount, currency)| json!({"amount": amount, "currency": currency}))
            .boxed(),
        "Sku" => text("[A-Z0-9Ä](([A-Z0-9 ./Ä-]){0,62}[A-Z0-9])?"),
        "Items" => any_items(&["quantity"]),
        "PricedItems" => any_items(&["quantity", "price"]),
        "Reason" => text("[a-z_]{1,200}"),
        "ShipDate" => (1i64..250_000_000_000)
            .prop_map(|s| {
                json!(saga_contract::ShipDate::new(time::OffsetDateTime::from_unix_timestamp(s).unwrap()).unwrap())
            })
            .boxed(),
        "PetStatus" => prop_oneof![Just("available"), Just("pending"), Just("sold")].prop_map(Value::from).boxed(),
        "Outcome" => prop_oneof![Just("rejected"), Just("cancelled")].prop_map(Value::from).boxed(),
        "Category" => any::<(i64, String)>().prop_map(|(id, name)| json!({"id": id, "name": name})).boxed(),
        other => panic!("say here what a {other} can be"),
    }
}

/// Lines in the order of their SKUs, each with these fields besides.
fn any_items(fields: &'static [&'static str]) -> BoxedStrategy<Value> {
    let line = |name: &&str| any_value(if *name == "price" { "Money" } else { "Quantity" });
    let rest: Vec<_> = fields.iter().map(line).collect();
    let lines = proptest::collection::btree_map("[A-Z0-9]{1,64}", rest, 0..=8);
    lines
        .prop_map(move |lines| {
            let line = |(sku, rest): (String, Vec<Value>)| {
                let mut line = Map::from_iter([("sku".to_owned(), Value::from(sku))]);
                line.extend(fields.iter().map(|name| (*name).to_owned()).zip(rest));
                Value::Object(line)
            };
            lines.into_iter().map(line).collect()
        })
        .boxed()
}

/// The data of this type as a program writes it after having read it.
fn rewritten(sample: &Sample, data: Value) -> Result<Value, PayloadError> {
    let mut message = sample.message.clone();
    message.data = data;
    (sample.rewrite)(&message).map(|body| body.data)
}

fn with_unknown_fields(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let known = fields.iter().map(|(key, item)| (key.clone(), with_unknown_fields(item)));
            let unknown = [("unheardOf".to_owned(), json!({"deep": [1, null]}))];
            Value::Object(unknown.into_iter().chain(known).collect())
        }
        Value::Array(items) => items.iter().map(with_unknown_fields).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Any data of any type, with the place of the type among the samples.
fn any_payload() -> impl Strategy<Value = (usize, Value)> {
    let described = described::all();
    let data: Vec<_> = samples::all().iter().map(|sample| data_of(&described[sample.rust_type])).collect();
    any::<Index>().prop_flat_map(move |at| {
        let at = at.index(data.len());
        (Just(at), data[at].clone())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_payload_is_written_as_it_was_read((at, data) in any_payload()) {
        let samples = samples::all();
        let sample = &samples[at];
        let again = rewritten(sample, data.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again.to_string(), data.to_string(), "{}", sample.rust_type);
    }

    #[test]
    fn readers_ignore_fields_that_they_do_not_know((at, data) in any_payload()) {
        let samples = samples::all();
        let sample = &samples[at];
        prop_assume!(data.get("result").is_none(), "a result is handed on whole");
        prop_assert_eq!(rewritten(sample, with_unknown_fields(&data)), Ok(data), "{}", sample.rust_type);
    }

    #[test]
    fn anything_else_is_refused_as_malformed(data in any_other(), at in any::<Index>()) {
        let samples = samples::all();
        let sample = &samples[at.index(samples.len())];
        let refused = matches!(rewritten(sample, data), Err(PayloadError::Malformed { .. }));
        prop_assert!(refused, "{} was made of anything", sample.rust_type);
    }
}

/// Any JSON but a list, as serde reads a struct from a list of its fields too.
fn any_other() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let any_list = |of| proptest::collection::vec(of, 0..4).prop_map(Value::Array);
    let any_object = |of| {
        let fields = proptest::collection::vec(("order|pet|sku|reason|[a-z]{1,4}", of), 0..4);
        fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))
    };
    let nested = leaf.clone().prop_recursive(2, 16, 4, move |of| prop_oneof![any_list(of.clone()), any_object(of)]);
    prop_oneof![leaf, any_object(nested.boxed())]
}

#[test]
fn a_required_field_that_is_missing_is_refused_and_an_optional_one_is_not() {
    let described = described::all();
    for sample in samples::all() {
        for field in &described[sample.rust_type].fields {
            let mut data = sample.message.data.clone();
            data.as_object_mut().unwrap().remove(&field.name);
            let read = rewritten(&sample, data);
            assert_eq!(read.is_ok(), field.optional, "{} without {}", sample.rust_type, field.name);
        }
    }
}

#[test]
fn a_field_with_nonsense_is_refused_with_the_type_and_the_reason() {
    let find = |kind: &str| samples::all().into_iter().find(|sample| sample.message.kind == kind).unwrap();
    for (kind, pointer, nonsense, why) in [
        ("ORDER_REQUESTED", "/quantity", json!(0), "a quantity must be between 1 and 1000000, 0 is not"),
        ("ORDER_REQUESTED", "/petId", json!(1_i64 << 53), "a pet's id must be between 1 and 9007199254740991"),
        ("ORDER_REQUESTED", "/items/0/sku", json!("  "), "a SKU must have 1 to 64 characters"),
        ("ORDER_REQUESTED", "/shipDate", json!("9999-12-31T23:59:59-01:00"), "a ship date must lie in the years"),
        ("PET_RESERVED", "/price/amount", json!(-1), "an amount of money must be between 0 and"),
        ("PET_RESERVED", "/price/currency", json!("eur"), "three upper-case letters"),
        ("PET_RESERVED", "/status", json!("reserved"), "unknown variant `reserved`"),
        ("STOCK_SET", "/quantity", json!(-1), "a stock must be between 0 and"),
        ("CLOSE_ORDER", "/outcome", json!("completed"), "unknown variant `completed`"),
    ] {
        let sample = find(kind);
        let mut data = sample.message.data.clone();
        *data.pointer_mut(pointer).unwrap() = nonsense;
        let error = rewritten(&sample, data).unwrap_err().to_string();
        assert!(error.starts_with(&format!("data of {kind} does not fit its schema: ")), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_message_with_too_many_items_or_one_twice_is_refused() {
    let sample = samples::all().into_iter().find(|sample| sample.message.kind == "ORDER_REQUESTED").unwrap();
    let with = |items: Vec<Value>| {
        let mut data = sample.message.data.clone();
        data["items"] = items.into();
        rewritten(&sample, data)
    };
    let line = |n: usize| json!({"sku": format!("S{n}"), "quantity": 1});
    assert!(with((0..Items::<Item>::MAX).map(line).collect()).is_ok());
    assert!(with((0..=Items::<Item>::MAX).map(line).collect()).is_err());
    assert!(with(vec![line(1), line(1)]).is_err());
}

#[test]
fn a_newer_version_is_told_from_a_malformed_one() {
    for sample in samples::all() {
        let mut newer = sample.message.clone();
        newer.schema_version += 1;
        assert!(matches!((sample.rewrite)(&newer), Err(PayloadError::NewerVersion { .. })), "{}", sample.rust_type);
    }
}
