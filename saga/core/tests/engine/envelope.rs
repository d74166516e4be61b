//! The envelope: its bytes, what is no envelope, and what tells a repetition from a conflict.

use proptest::prelude::*;
use saga_core::{Body, EnvelopeError, Message, Payload, PayloadError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::{Uuid, uuid};

use crate::support::NOON;

const ID: Uuid = uuid!("9b6105a7-e223-5240-a4a5-461a6f328ef5");
const SAGA: Uuid = uuid!("9c6b46f5-84b7-57cb-b0e0-cccc75568eb1");
const CAUSE: Uuid = uuid!("8bd72a96-e44e-557a-94aa-37fc22366a7e");

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PetReserved {
    price: i64,
    name: String,
}

impl Payload for PetReserved {
    const TYPE: &'static str = "PET_RESERVED";
    const VERSION: u16 = 2;
}

fn body() -> Body {
    Body::of(&PetReserved { price: 29_900, name: "Miso".to_owned() }).unwrap()
}

fn full() -> Message {
    let mut message = Message::new(ID, "pet-service", "pet-7", body(), NOON).for_step("reserve_pet", 1).at_version(3);
    message.correlation_id = SAGA;
    message.causation_id = Some(CAUSE);
    message.saga_id = Some(SAGA);
    message.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    message
}

/// The least that is an envelope, with some attributes changed or added.
fn parse_with(changes: &Value) -> Result<Message, EnvelopeError> {
    let mut envelope = json!({
        "specversion": "1.0", "id": ID, "source": "s", "type": "T", "subject": "x", "time": "2026-11-20T12:00:00Z",
    });
    envelope.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Message::parse(envelope.to_string().as_bytes())
}

#[test]
fn the_bytes_of_a_message_are_these_for_ever() {
    let golden = concat!(
        r#"{"specversion":"1.0","id":"9b6105a7-e223-5240-a4a5-461a6f328ef5","source":"pet-service","#,
        r#""type":"PET_RESERVED","subject":"pet-7","time":"2026-11-20T12:00:00Z","#,
        r#""datacontenttype":"application/json","schemaversion":2,"step":"reserve_pet","epoch":1,"#,
        r#""correlationid":"9c6b46f5-84b7-57cb-b0e0-cccc75568eb1","#,
        r#""causationid":"8bd72a96-e44e-557a-94aa-37fc22366a7e","sagaid":"9c6b46f5-84b7-57cb-b0e0-cccc75568eb1","#,
        r#""aggregateversion":3,"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
        r#""data":{"price":29900,"name":"Miso"}}"#,
    );
    assert_eq!(String::from_utf8(full().to_bytes()).unwrap(), golden);
    assert_eq!(Message::parse(golden.as_bytes()), Ok(full()));
}

#[test]
fn what_is_absent_is_not_written_and_a_lone_message_correlates_with_itself() {
    let bytes = Message::new(ID, "s", "x", Body { kind: "T", version: 1, data: Value::Null }, NOON).to_bytes();
    let written: Value = serde_json::from_slice(&bytes).unwrap();
    let names: Vec<&String> = written.as_object().unwrap().keys().collect();
    let expected =
        ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "schemaversion", "correlationid"];
    assert_eq!(names[..9], expected);
    assert_eq!((names[9].as_str(), &written["correlationid"]), ("data", &json!(ID)));
}

#[test]
fn a_message_that_another_led_to_shares_its_saga_correlation_and_trace() {
    let caused = Message::caused_by(&full(), SAGA, "order-service", "order-1", body(), NOON);
    assert_eq!((caused.saga_id, caused.correlation_id), (Some(SAGA), SAGA));
    assert_eq!((caused.causation_id, caused.traceparent), (Some(ID), full().traceparent));
    assert_eq!((caused.step, caused.epoch, caused.aggregate_version), (None, 0, None));
}

#[test]
fn the_least_of_an_envelope_is_enough_and_unknown_attributes_are_ignored() {
    let message = parse_with(&json!({ "dataschema": "http://example.com/x", "rating": 5 })).unwrap();
    assert_eq!((message.schema_version, message.epoch, message.correlation_id), (1, 0, ID));
    assert_eq!((message.saga_id, message.step.as_deref(), message.data), (None, None, Value::Null));
}

/// So says the JSON format of CloudEvents.
#[test]
fn an_attribute_that_is_null_is_one_that_is_not_there() {
    let unset = json!({
        "datacontenttype": null, "schemaversion": null, "step": null, "epoch": null, "correlationid": null,
        "causationid": null, "sagaid": null, "aggregateversion": null, "traceparent": null, "data": null,
    });
    assert_eq!(parse_with(&unset), parse_with(&json!({})));
}

#[test]
fn data_may_say_that_it_is_json_in_any_spelling() {
    for spelling in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        assert!(parse_with(&json!({ "datacontenttype": spelling })).is_ok(), "{spelling}");
    }
}

#[test]
fn what_is_not_json_is_told_from_what_is_no_envelope() {
    for bytes in [&b""[..], b"hello", b"{\"id\":", b"\xff\xfe"] {
        assert!(matches!(Message::parse(bytes), Err(EnvelopeError::NotJson(_))), "{bytes:?}");
    }
    let deep = format!(r#"{{"data":{}"#, "[".repeat(1_000));
    assert!(matches!(Message::parse(deep.as_bytes()), Err(EnvelopeError::NotJson(_))));
    for (change, why) in [
        (json!({ "specversion": "0.3" }), "specversion 0.3 is not 1.0"),
        (json!({ "specversion": 1.0 }), "invalid type"),
        (json!({ "id": "17" }), "UUID"),
        (json!({ "time": "yesterday" }), "component"),
        (json!({ "subject": null }), "null"),
        (json!({ "datacontenttype": "text/xml" }), "datacontenttype text/xml is not application/json"),
        (json!({ "epoch": -1 }), "invalid value"),
        (json!({ "schemaversion": 70_000 }), "invalid value"),
    ] {
        match parse_with(&change) {
            Err(EnvelopeError::NotAnEnvelope(found)) => assert!(found.contains(why), "{change}: {found}"),
            other => panic!("{change}: {other:?}"),
        }
    }
    let error = Message::parse(b"{}").unwrap_err().to_string();
    assert_eq!(error, "not a CloudEvents 1.0 event: missing field `specversion` at line 1 column 2");
}

#[test]
fn what_the_database_cannot_hold_is_no_envelope() {
    for change in [
        json!({ "source": "a\u{0}" }),
        json!({ "step": "\u{0}" }),
        json!({ "traceparent": "\u{0}" }),
        json!({ "data": { "a": ["\u{0}"] } }),
        json!({ "data": { "\u{0}": 1 } }),
    ] {
        let refused = parse_with(&change);
        assert_eq!(refused, Err(EnvelopeError::NotStorable("it contains the character U+0000")), "{change}");
    }
}

#[test]
fn data_that_readers_of_json_would_choke_on_once_it_is_kept_in_other_json_is_refused() {
    let nested = |levels: usize| {
        (0..levels).fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "x": inner }) })
    };
    let deep = |levels| parse_with(&json!({ "data": nested(levels) }));
    assert!(deep(64).is_ok());
    for levels in [65, 120] {
        assert_eq!(deep(levels), Err(EnvelopeError::NotStorable("its data is nested deeper than 64")), "{levels}");
    }
}

#[test]
fn a_time_is_brought_to_utc_and_microseconds_and_stays_within_four_digits() {
    let time = |text: &str| parse_with(&json!({ "time": text })).map(|message| message.time);
    assert_eq!(time("2026-11-20T13:00:00.1234567+01:00"), Ok(datetime!(2026-11-20 12:00:00.123456 UTC)));
    assert_eq!(time("0001-01-01T00:00:00Z"), Ok(datetime!(0001-01-01 0:00 UTC)));
    assert_eq!(time("9999-12-31T23:59:59Z"), Ok(datetime!(9999-12-31 23:59:59 UTC)));
    let outside = Err(EnvelopeError::NotStorable("its time is outside the years 1 to 9999"));
    for text in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "0000-12-31T23:59:59Z"] {
        assert_eq!(time(text), outside, "{text}");
    }
}

#[test]
fn data_is_read_as_the_type_that_the_message_says_it_is() {
    let read = |change: fn(&mut Message)| {
        let mut message = full();
        change(&mut message);
        message.payload::<PetReserved>()
    };
    assert_eq!(read(|_| ()), Ok(PetReserved { price: 29_900, name: "Miso".to_owned() }));
    assert!(read(|message| message.schema_version = 1).is_ok(), "an older version is read");
    let newer = read(|message| message.schema_version = 3);
    assert_eq!(newer, Err(PayloadError::NewerVersion { kind: "PET_RESERVED", found: 3, known: 2 }));
    let other = read(|message| message.kind = "PET_SOLD".to_owned());
    assert_eq!(other, Err(PayloadError::OtherType { expected: "PET_RESERVED", found: "PET_SOLD".to_owned() }));
    let malformed = read(|message| message.data = json!({ "price": "a lot" }));
    assert!(matches!(malformed, Err(PayloadError::Malformed { kind: "PET_RESERVED", .. })));
}

/// What serde takes for a struct, field by field, is no object for anybody else.
#[test]
fn a_list_is_no_data() {
    let mut message = full();
    message.data = json!([29_900, "Miso"]);
    assert!(matches!(message.payload::<PetReserved>(), Err(PayloadError::Malformed { .. })));
}

#[test]
fn the_content_hash_does_not_see_ids_trace_or_spelling() {
    let hash = full().content_hash();
    let mut respelled = full();
    respelled.id = CAUSE;
    respelled.correlation_id = CAUSE;
    respelled.causation_id = None;
    respelled.saga_id = None;
    respelled.traceparent = None;
    respelled.data = serde_json::from_str(r#" { "name" : "M\u0069so",  "price": 29900 } "#).unwrap();
    assert_eq!(respelled.content_hash(), hash);
}

#[test]
fn the_content_hash_sees_type_subject_version_time_and_data() {
    let changes: [fn(&mut Message); 9] = [
        |_| (),
        |m| m.kind = "PET_SOLD".to_owned(),
        |m| m.subject = "pet-8".to_owned(),
        |m| m.schema_version = 1,
        |m| m.time += time::Duration::MICROSECOND,
        |m| m.data["price"] = json!(29_901),
        |m| m.data["price"] = json!("29900"),
        |m| m.data["name"] = json!(["Miso"]),
        // The border between type and subject counts too.
        |m| (m.kind, m.subject) = ("PET_RESERVEDp".to_owned(), "et-7".to_owned()),
    ];
    let hashes: std::collections::BTreeSet<[u8; 32]> = changes
        .iter()
        .map(|change| {
            let mut message = full();
            change(&mut message);
            message.content_hash()
        })
        .collect();
    assert_eq!(hashes.len(), changes.len());
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON knows no others", |number| number.is_finite()).prop_map(Value::from),
        "[^\0]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[^\0]{0,4}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn uuids() -> impl Strategy<Value = Uuid> {
    (1..=u128::MAX).prop_map(Uuid::from_u128)
}

prop_compose! {
    fn messages()(
        ids in (uuids(), uuids(), prop::option::of(uuids()), prop::option::of(uuids())),
        texts in ("[^\0]*", "[^\0]*", "[^\0]*", prop::option::of("[^\0]*"), prop::option::of("[^\0]*")),
        numbers in (any::<u16>(), any::<u32>(), prop::option::of(any::<u64>())),
        nanoseconds in -62_135_596_800_000_000_000_i128..253_402_300_800_000_000_000,
        data in json_values(),
    ) -> Message {
        let time = saga_core::Time::from_unix_timestamp_nanos(nanoseconds).unwrap();
        let body = Body { kind: "T", version: numbers.0, data };
        let mut message = Message::new(ids.0, &texts.0, texts.1, body, time);
        message.kind = texts.2;
        (message.correlation_id, message.causation_id, message.saga_id) = (ids.1, ids.2, ids.3);
        (message.step, message.traceparent) = (texts.3, texts.4);
        (message.epoch, message.aggregate_version) = (numbers.1, numbers.2);
        message
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(message in messages()) {
        let bytes = message.to_bytes();
        let read = Message::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(read.to_bytes(), bytes);
        prop_assert_eq!(read.content_hash(), message.content_hash());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Message::parse(&bytes).is_err());
    }

    #[test]
    fn no_text_in_the_place_of_a_time_makes_the_reader_panic(time in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-5][0-9])") {
        if let Ok(message) = parse_with(&json!({ "time": time })) {
            prop_assert!((1..=9999).contains(&message.time.year()));
            prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
        }
    }
}
