//! Values from JSON, whether as text or parsed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::{Error, Forge, Namespace, Salt, Value};
use proptest::prelude::*;
use serde_json::json;

fn repr(text: &str) -> Result<String, Error> {
    Value::from_json_text(text)?.repr()
}

#[test]
fn a_number_is_what_it_is_written_as() {
    let cases = [
        ("1", "1"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("1E2", "100.0"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("1e400", "inf"),
        ("-1188699057872184.25", "-1188699057872184.2"),
        ("0.1e-400", "0.0"),
    ];
    for (text, expected) in cases {
        assert_eq!(repr(text).unwrap(), expected, "{text}");
    }
    assert_eq!(repr(&"9".repeat(4301)), Err(Error::IntegerTooLong { digits: 4301 }));
}

#[test]
fn objects_keep_their_order_and_a_member_given_twice_is_refused() {
    assert_eq!(repr(r#"{"b": [null, true], "a": {"é": "\u00e9"}}"#).unwrap(), "{'b': [None, True], 'a': {'é': 'é'}}");
    assert_eq!(repr(r#"{"a": 1, "a": 2}"#), Err(Error::EqualKeys("'a'".into())));
}

#[test]
fn what_is_no_json_or_no_text_is_an_error() {
    for text in
        ["", "{", "[1,]", "nul", "NaN", "01", "1 2", "\"\u{1}\"", r#""\ud800""#, r#"{"a": "\udc00\ud800"}"#, "'a'"]
    {
        assert!(matches!(Value::from_json_text(text), Err(Error::Json(_))), "{text}");
    }
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(repr(&deep(Value::MOST_DEPTH)).is_ok());
    assert_eq!(repr(&deep(Value::MOST_DEPTH + 1)), Err(Error::TooDeep));
    assert_eq!(repr(&deep(10_000)), Err(Error::TooDeep));
}

#[test]
fn tags_stand_for_what_json_lacks() {
    let cases = [
        (r#"{"$py": "tuple", "value": [1, {"$py": "tuple", "value": []}]}"#, "(1, ())"),
        (r#"{"$py": "list", "value": [1]}"#, "[1]"),
        (r#"{"$py": "float", "value": "-inf"}"#, "-inf"),
        (r#"{"$py": "float", "value": 1.5}"#, "1.5"),
        (r#"{"value": [["$py", 1], [[], 2]], "$py": "dict"}"#, "cannot be a key"),
        (r#"{"value": [["$py", 1]], "$py": "dict"}"#, "{'$py': 1}"),
        (r#"{"$py": "bytes", "value": "00fF"}"#, r"b'\x00\xff'"),
        (r#"{"$py": "time", "value": [1, 2, 3, 4]}"#, "datetime.time(1, 2, 3, 4)"),
        (r#"{"$py": "complex", "value": [1, 2]}"#, "(1+2j)"),
        (r#"{"$py": "Fraction", "value": [2, 4]}"#, "Fraction(1, 2)"),
        (r#"{"$py": "enum", "kind": "Enum", "class": "C", "name": "A", "value": "x"}"#, "<C.A: 'x'>"),
        (r#"{"$py": "datetime", "value": [2024, 2, 30, 0, 0, 0, 0]}"#, "a date cannot be"),
        (r#"{"$py": "datetime", "value": [2024, 2, -1, 0, 0, 0, 0]}"#, "a date cannot be"),
        (r#"{"$py": "timedelta", "value": [99999999999, 0, 0]}"#, "a timedelta cannot be"),
        (r#"{"$py": "time", "value": [0, 0, 0, 0], "tz": [1, 0, 0]}"#, "an offset cannot be"),
        (r#"{"$py": "int", "value": "1.0"}"#, "an integer cannot be"),
        (r#"{"$py": "set", "value": [1, 2]}"#, "a set of 2 items"),
    ];
    for (text, expected) in cases {
        let got = repr(text).unwrap_or_else(|error| error.to_string());
        assert!(got == expected || got.contains(expected), "{text}: {got}");
    }
}

#[test]
fn a_tag_that_is_none_is_refused() {
    let bad = [
        r#"{"$py": 1}"#,
        r#"{"$py": "tuple"}"#,
        r#"{"$py": "tuple", "value": 1}"#,
        r#"{"$py": "tuple", "value": [], "more": 1}"#,
        r#"{"$py": "tuple", "value": [], "value": []}"#,
        r#"{"$py": "Tuple", "value": []}"#,
        r#"{"$py": "int", "value": 1}"#,
        r#"{"$py": "float", "value": "1"}"#,
        r#"{"$py": "bytes", "value": "0"}"#,
        r#"{"$py": "bytes", "value": "é0"}"#,
        r#"{"$py": "dict", "value": [[1]]}"#,
        r#"{"$py": "UUID", "value": "x"}"#,
        r#"{"$py": "date", "value": [2024, 1]}"#,
        r#"{"$py": "time", "value": [0, 0, 0, 0], "tz": "UTC"}"#,
        r#"{"$py": "time", "value": [0, 0, 0, 0], "fold": 2}"#,
        r#"{"$py": "complex", "value": [1]}"#,
        r#"{"$py": "Fraction", "value": [1.0, 2]}"#,
        r#"{"$py": "enum", "kind": "Flag", "class": "C", "name": "A", "value": 1}"#,
        r#"{"$py": "enum", "kind": "Enum", "class": "C", "value": 1}"#,
    ];
    for text in bad {
        assert!(matches!(repr(text), Err(Error::Tag { .. })), "{text}: {:?}", repr(text));
    }
}

#[test]
fn parsed_json_is_taken_unless_the_parser_may_have_changed_a_number() {
    let object = json!({"b": [1, -1, 1.5, true, null, u64::MAX, i64::MIN], "a": {"$py": "tuple", "value": ["x"]}});
    assert_eq!(
        Value::from_json(&object).unwrap().repr().unwrap(),
        "{'b': [1, -1, 1.5, True, None, 18446744073709551615, -9223372036854775808], 'a': ('x',)}"
    );
    for text in ["18446744073709551616", "-9223372036854775809", "1e300", "-0", "-0.0"] {
        let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(matches!(Value::from_json(&parsed), Err(Error::AmbiguousNumber(_))), "{text}");
    }
    for text in ["9.3e18", "1e-300", "-9.2e18", "0.0", "1234567.5"] {
        let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::from_json(&parsed).unwrap().repr(), repr(text), "{text}");
    }
    let deep = (0..=Value::MOST_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(Value::from_json(&deep), Err(Error::TooDeep));
}

#[test]
fn a_json_object_becomes_attributes() {
    let forge = Forge::new(Namespace::DNS, &Salt::new("S").unwrap());
    let members = json!({"z": 1, "a": {"y": [1.5]}});
    let id = forge.id("t").attrs_from_json(members.as_object().unwrap()).unwrap();
    assert_eq!(id.hashed_text().unwrap(), "t|salt:S|a={'y': [1.5]}|z=1");
    let bad = json!({"a": -0.0});
    assert!(forge.id("t").attrs_from_json(bad.as_object().unwrap()).is_err());
    let injected = json!({"a=1|b": 2});
    let id = forge.id("t").attrs_from_json(injected.as_object().unwrap()).unwrap();
    assert_eq!(id.finish(), Err(Error::KeyWithSeparator("a=1|b".into())));
}

proptest! {
    #[test]
    fn text_and_parsed_json_agree(text in any::<String>(), number in any::<i64>(), float in -1e15..1e15f64, flag in any::<bool>()) {
        let json = json!({"text": text, "list": [number, float, flag, null]});
        prop_assert_eq!(Value::from_json(&json), Value::from_json_text(&json.to_string()));
    }
}
