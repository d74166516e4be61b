//! Lines of JSON in, ids out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::batch::{Batch, MOST_LINE_BYTES};
use idforge::{Defaults, Error, Namespace};

fn defaults(lenient: bool) -> Defaults {
    Defaults { namespace: Namespace::from_domain("users.mycompany.com"), salt: Some("v1".into()), lenient }
}

fn answer(line: &str) -> Result<String, Error> {
    Batch::new(defaults(false)).answer(line.as_bytes())
}

const JOHN: &str = "72e6f104-e6d1-5f1b-87cb-957da576b9d2";

#[test]
fn a_line_is_answered_with_the_defaults_or_its_own_words() {
    let john = r#""entity_type": "user", "kwargs": {"email": "john@example.com"}"#;
    let own = r#""namespace": {"kind": "domain", "value": "users.mycompany.com"}, "salt": "v1", "args": []"#;
    assert_eq!(answer(&format!("{{{john}}}")).unwrap(), JOHN);
    assert_eq!(answer(&format!("{{{own}, {john}}}")).unwrap(), JOHN);
    assert_eq!(answer(&format!("{{{john}, \"namespace\": null, \"salt\": null, \"prefix\": null}}")).unwrap(), JOHN);
    assert_eq!(answer(&format!("{{{john}, \"prefix\": \"USR\"}}")).unwrap(), format!("USR-{JOHN}"));
    assert_eq!(
        answer(&format!("{{{john}, \"prefix\": \"USR\", \"separator\": \"_\"}}")).unwrap(),
        format!("USR_{JOHN}")
    );
    assert_eq!(answer(&format!("{{{john}, \"id\": \"p0\", \"group\": \"docs\", \"expect\": 5}}")).unwrap(), JOHN);
    assert_eq!(
        answer(r#"{"entity_type": "us\u0065r", "kwargs": {"em\u0061il": "john\u0040example.com"}}"#).unwrap(),
        JOHN
    );
}

#[test]
fn lines_in_turn_do_not_disturb_each_other() {
    let mut batch = Batch::new(defaults(false));
    let line = |salt: &str, domain: &str| {
        format!(
            r#"{{"entity_type": "user", "salt": {salt}, "namespace": {domain}, "kwargs": {{"email": "john@example.com"}}}}"#
        )
    };
    let mine = r#"{"kind": "domain", "value": "users.mycompany.com"}"#;
    let other = r#"{"kind": "uuid", "value": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#;
    let mut ids = Vec::new();
    for (salt, domain) in [
        ("\"v1\"", mine),
        ("\"v2\"", mine),
        ("\"\"", mine),
        ("\"v1\"", other),
        ("5", mine),
        ("null", mine),
        ("\"v1\"", mine),
    ] {
        ids.push(batch.answer(line(salt, domain).as_bytes()).ok());
    }
    let alone: Vec<_> =
        [("\"v2\"", mine), ("\"v1\"", other)].map(|(salt, domain)| answer(&line(salt, domain)).ok()).into();
    assert_eq!(
        ids,
        [Some(JOHN.into()), alone[0].clone(), None, alone[1].clone(), None, Some(JOHN.into()), Some(JOHN.into())]
    );
    assert!(alone[0].is_some() && alone[1].is_some() && alone[0] != alone[1]);
}

#[test]
fn a_bad_line_says_what_is_wrong() {
    let cases = [
        ("", "EOF"),
        ("[]", "expected an object"),
        ("{}", "\"entity_type\" is missing"),
        (r#"{"entity_type": 1}"#, "\"entity_type\" must be a string"),
        (r#"{"entity_type": "t", "kwarg": {}}"#, "unknown member \"kwarg\""),
        (r#"{"entity_type": "t", "salt": "a", "salt": "b"}"#, "\"salt\" is given twice"),
        (r#"{"entity_type": "t", "kwargs": []}"#, "\"kwargs\" must be an object"),
        (r#"{"entity_type": "t", "args": {}}"#, "\"args\" must be an array"),
        (r#"{"entity_type": "t", "kwargs": {"a": 1, "a": 1}}"#, "attribute \"a\" is given twice"),
        (r#"{"entity_type": "t", "kwargs": {"config": 1}}"#, "\"config\""),
        (r#"{"entity_type": "a|b"}"#, "contains '|'"),
        (r#"{"entity_type": "t", "salt": ""}"#, "the salt is empty"),
        (r#"{"entity_type": "t", "salt": "a|b"}"#, "the salt contains '|'"),
        (r#"{"entity_type": "t", "namespace": "a.b"}"#, "\"namespace\" must be {\"kind\""),
        (r#"{"entity_type": "t", "namespace": {"kind": "dns", "value": "a.b"}}"#, "\"domain\" or \"uuid\""),
        (r#"{"entity_type": "t", "namespace": {"kind": "uuid", "value": "a.b"}}"#, "\"a.b\" is not a UUID"),
        (r#"{"entity_type": "t", "prefix": "A:", "separator": "::"}"#, "cannot be extracted again"),
        (r#"{"entity_type": "t", "prefix": "A", "kwargs": {"prefix": 1}}"#, "\"prefix\""),
        (r#"{"entity_type": "t"} x"#, "trailing characters"),
    ];
    for (line, expected) in cases {
        let error = answer(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert!(matches!(Batch::new(defaults(false)).answer(b"{\"entity_type\": \"\xff\"}"), Err(Error::Json(_))));
    let long = format!(r#"{{"entity_type": "{}"}}"#, "x".repeat(MOST_LINE_BYTES));
    assert!(answer(&long).unwrap_err().to_string().contains("at most 1048576 are read"));
}

#[test]
fn without_a_salt_a_line_must_bring_its_own_unless_lenient() {
    let unsalted = |lenient| Batch::new(Defaults { salt: None, ..defaults(lenient) });
    assert_eq!(unsalted(false).answer(br#"{"entity_type": "t"}"#), Err(Error::MissingSalt("UUID_FORGE_SALT")));
    assert!(unsalted(false).answer(br#"{"entity_type": "t", "salt": "S"}"#).is_ok());
    assert_eq!(
        unsalted(true).answer(br#"{"entity_type": "t"}"#),
        unsalted(true).answer(br#"{"entity_type": "t", "salt": ""}"#)
    );
}

#[test]
fn a_batch_does_not_show_its_salt() {
    let mut batch = Batch::new(Defaults { salt: Some("secret-salt".into()), ..defaults(false) });
    batch.answer(br#"{"entity_type": "t", "salt": "another-secret"}"#).unwrap();
    assert!(!format!("{batch:?}").contains("secret"));
}
