use super::*;
use crate::broker::Incoming;
use crate::broker::gate::DEEPEST;

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table_of(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

/// Every type that AMQP knows, the awkward values among them.
fn headers() -> FieldTable {
    table_of(&[
        ("text", long("as it is")),
        ("nul", long("a\0b")),
        ("latin-1", AMQPValue::LongString(vec![0x63, 0x61, 0x66, 0xe9].into())),
        ("yes", true.into()),
        ("small", 7_i32.into()),
        ("large", i64::MAX.into()),
        ("wide", 7_i64.into()),
        ("i8", (-8_i8).into()),
        ("u8", 8_u8.into()),
        ("i16", (-16_i16).into()),
        ("u16", 16_u16.into()),
        ("u32", u32::MAX.into()),
        ("f32", 0.1_f32.into()),
        ("f64", 1e300_f64.into()),
        ("infinite", f64::INFINITY.into()),
        ("whole", 1_000.0_f64.into()),
        ("decimal", DecimalValue { scale: 2, value: 1999 }.into()),
        ("when", AMQPValue::Timestamp(1_700_000_000)),
        ("bytes", ByteArray::from(vec![0, 255, 16]).into()),
        ("nothing", AMQPValue::Void),
        ("list", FieldArray::from(vec![long("a"), 1_i32.into(), AMQPValue::Void]).into()),
        ("table", table_of(&[("inner", long("b")), ("deeper", table_of(&[("x", true.into())]).into())]).into()),
        ("empty", FieldTable::default().into()),
        ("$i8", table_of(&[("$i8", long("not a number"))]).into()),
        ("keys", table_of(&[("a\0b", long("c")), ("$", 1_i32.into())]).into()),
    ])
}

fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers())
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60000".into())
        .with_message_id("m\0".into())
        .with_timestamp(1_700_000_000)
        .with_type("PET_RESERVED".into())
        .with_app_id("a".into())
        .with_cluster_id("k".into())
}

#[test]
fn properties_come_back_as_they_were() {
    let json = to_json(&properties());
    assert_eq!(from_json(&json).unwrap(), properties());
}

#[test]
fn the_json_survives_storage_that_knows_no_nul_and_forgets_how_numbers_were_written() {
    let json = to_json(&properties());
    let text = json.to_string();
    assert!(!text.contains("\\u0000"), "{text}");
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(from_json(&stored).unwrap(), properties());
}

#[test]
fn a_person_can_read_it() {
    let headers = table_of(&[("tries", 3_i32.into()), ("why", long("late")), ("tags", FieldArray::default().into())]);
    let properties = BasicProperties::default().with_type("PET_SOLD".into()).with_headers(headers);
    let expected = json!({ "type": "PET_SOLD", "headers": { "tags": [], "tries": 3, "why": "late" } });
    assert_eq!(to_json(&properties), expected);
}

#[test]
fn a_replay_carries_no_counts_of_brokers_and_sends_no_copies() {
    let json = json!({
        "user_id": "somebody", "delivery_mode": 1, "message_id": "m",
        "headers": { "x-delivery-count": 50, "x-death": [{ "queue": "q" }], "CC": ["elsewhere"], "mine": "kept" },
    });
    let expected = BasicProperties::default()
        .with_message_id("m".into())
        .with_delivery_mode(2)
        .with_headers(table_of(&[("mine", long("kept"))]));
    assert_eq!(from_json(&json).unwrap(), expected);
}

#[test]
fn what_amqp_cannot_carry_is_said_in_words() {
    let too_long = "x".repeat(256);
    for (json, said) in [
        (json!([]), "no JSON object"),
        (json!({ "colour": "red" }), "no property colour"),
        (json!({ "message_id": 7 }), "no text"),
        (json!({ "message_id": too_long }), "longer than 255 bytes"),
        (json!({ "priority": 300 }), "priority cannot be 300"),
        (json!({ "headers": "none" }), "headers are no JSON object"),
        (json!({ "headers": { "a": { "$i8": 300 } } }), "$i8 cannot be 300"),
        (json!({ "headers": { "a": { "$colour": 1 } } }), "no type $colour"),
        (json!({ "headers": { "a": { "$bytes": "0g" } } }), "not hexadecimal"),
        (json!({ "headers": { "a": { "$bytes": "123" } } }), "not hexadecimal"),
    ] {
        let error = from_json(&json).unwrap_err().to_string();
        assert!(error.contains(said), "{json}: {error}");
    }
}

#[test]
fn our_own_properties_mirror_the_envelope() {
    let ours = Properties {
        message_id: "m".into(),
        correlation_id: "c".into(),
        kind: "PET_SOLD".into(),
        app_id: "pet-service".into(),
        timestamp: 1_700_000_000,
    };
    let expected = json!({
        "content_type": "application/cloudevents+json", "correlation_id": "c", "message_id": "m", "type": "PET_SOLD",
        "app_id": "pet-service", "delivery_mode": 2, "timestamp": 1_700_000_000,
    });
    assert_eq!(ours.to_json().unwrap(), expected);
    let too_long = Properties { kind: "X".repeat(256), ..ours };
    assert_eq!(too_long.to_json().unwrap_err().to_string(), "type is longer than 255 bytes");
}

#[test]
fn the_count_of_deliveries_is_believed_on_a_redelivery_only() {
    let delivery = |redelivered, headers: Option<FieldTable>| {
        let mut delivery = Delivery::mock(1, "e".into(), "k\0".into(), redelivered, vec![1]);
        if let Some(headers) = headers {
            delivery.properties = BasicProperties::default().with_headers(headers);
        }
        Incoming::from(delivery)
    };
    let counted = |count: AMQPValue| Some(table_of(&[("x-delivery-count", count)]));
    assert_eq!(delivery(false, None).delivery_count, 0);
    assert_eq!(delivery(false, counted(50_i64.into())).delivery_count, 0, "the publisher's, or another queue's");
    assert_eq!(delivery(true, counted(3_i64.into())).delivery_count, 3);
    assert_eq!(delivery(true, counted(3_u8.into())).delivery_count, 3);
    assert_eq!(delivery(true, None).delivery_count, 1);
    assert_eq!(delivery(true, None).routing_key, "k\u{FFFD}", "storable");
}

#[test]
fn the_deepest_headers_that_pass_the_gate_can_be_read_back_and_sent_again() {
    let list = |inner| FieldArray::from(vec![inner]).into();
    let table = |inner| table_of(&[("$x", inner)]).into();
    for nest in [&list as &dyn Fn(AMQPValue) -> AMQPValue, &table] {
        let deep = (0..DEEPEST).fold(AMQPValue::Void, |inner, _| nest(inner));
        let properties = BasicProperties::default().with_headers(table_of(&[("$deep", deep)]));
        let text = json!({ "properties": to_json(&properties) }).to_string();
        let json: Value = serde_json::from_str(&text).expect("it can be read back");
        assert_eq!(from_json(&json["properties"]).unwrap().headers(), properties.headers());
    }
}
