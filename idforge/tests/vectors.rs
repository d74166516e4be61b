//! The vectors that uuid-forge 0.1.1 made, all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::batch::Batch;
use idforge::{Defaults, Error, Forge, Int, Namespace, PYTHON_VERSION, Salt, UNICODE_VERSION, Value, prefixed, verify};
use serde_json::Value as Json;

const PUBLIC: &str = include_str!("vectors/vectors_public.json");
const PREFIXED: &str = include_str!("vectors/vectors_prefixed.json");
const CONFIG: &str = include_str!("vectors/vectors_config.json");
const ERRORS: &str = include_str!("vectors/vectors_errors.json");
const UNICODE: &str = include_str!("vectors/vectors_unicode_versions.json");
const COLLISIONS: &str = include_str!("vectors/vectors_collisions.json");
const NONPRINTABLE: &str = include_str!("vectors/nonprintable.json");

#[test]
fn every_vector_passes() {
    for (text, cases) in [(PUBLIC, 454), (PREFIXED, 62 + 44), (CONFIG, 55 + 9), (UNICODE, 16), (COLLISIONS, 23)] {
        let report = verify::run(text).unwrap();
        assert_eq!(report.failures, Vec::<String>::new());
        assert_eq!((report.passed, report.skipped), (cases, 0));
    }
}

#[test]
fn a_wrong_vector_fails() {
    let spoilt = [
        (PUBLIC, "72e6f104-e6d1-5f1b-87cb-957da576b9d2", "id: wanted"),
        (PUBLIC, "user|salt:v1|email=", "hashed text: wanted"),
        (PREFIXED, "\"uuid\": \"0fc74411", "round trip: wanted"),
        (PREFIXED, "\"expect\": \"05b16a01-46c6-56dd-bd6e-c6dfb4a1427a\"", "id: wanted"),
        (CONFIG, "\"bytes\": 16", "length: wanted"),
        (CONFIG, "Recommended minimum is 16", "messages: wanted"),
        (CONFIG, "f4f01980", "id_of_user_email: wanted"),
        (UNICODE, "\"3.11\": \"757f9df3", "id: wanted"),
        (COLLISIONS, "\"same_uuid\": true", "same_uuid: wanted"),
    ];
    for (text, found, complaint) in spoilt {
        assert!(text.contains(found), "{found}");
        let changed = match found {
            "\"bytes\": 16" => text.replacen(found, "\"bytes\": 19", 1),
            "\"3.11\": \"757f9df3" => text.replacen(found, "\"3.11\": \"057f9df3", 1),
            "\"same_uuid\": true" => text.replacen(found, "\"same_uuid\": false", 1),
            "user|salt:v1|email=" => text.replacen(found, "user|salt:v1|e-mail=", 1),
            "Recommended minimum is 16" => text.replacen(found, "Recommended minimum is 15", 1),
            _ => text.replacen(found, &found.replace(['1', '8'], "2"), 1),
        };
        let report = verify::run(&changed).unwrap();
        assert!(!report.failures.is_empty(), "{found} was changed and nothing failed");
        assert!(report.failures[0].contains(complaint), "{}", report.failures[0]);
    }
}

/// What is wrong with a case is said, never passed over.
#[test]
fn a_case_that_cannot_be_read_fails() {
    for case in [r#"{}"#, r#"{"entity_type": 5, "expect": "x"}"#, r#"{"entity_type": "t"}"#, "5"] {
        let report = verify::run(&format!("{{\"cases\": [{case}]}}")).unwrap();
        assert_eq!((report.passed, report.failures.len()), (0, 1), "{case}");
    }
    assert!(matches!(verify::run("[]"), Err(Error::Json(_))));
    assert!(matches!(verify::run("{\"cases\": 5}"), Err(Error::Json(_))));
}

#[test]
fn the_pinned_table_is_that_of_python_3_11_and_of_no_other() {
    let table: Json = serde_json::from_str(NONPRINTABLE).unwrap();
    assert_eq!(table["base_unicode"], UNICODE_VERSION);
    let measured = format!("py{}", PYTHON_VERSION.replace('.', ""));
    assert_eq!(table["measured_on"][measured][1], UNICODE_VERSION);
    let bound = |range: &Json, at: usize| u32::try_from(range[at].as_u64().unwrap()).unwrap();
    let ranges = table["base_nonprintable"].as_array().unwrap();
    let mut escaped = 0;
    for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let code = u32::from(character);
        let listed = ranges.binary_search_by(|range| match () {
            () if bound(range, 1) < code => std::cmp::Ordering::Less,
            () if bound(range, 0) > code => std::cmp::Ordering::Greater,
            () => std::cmp::Ordering::Equal,
        });
        let text = Value::from(character.to_string()).repr().unwrap();
        let is_escaped = text.starts_with("'\\") && !"\\'".contains(character);
        assert_eq!(is_escaped, listed.is_ok(), "U+{code:04X} is written {text}");
        escaped += usize::from(is_escaped);
    }
    let surrogates = 0x800;
    assert_eq!(Some(escaped + surrogates), table["counts"][measured_name()].as_u64().map(|count| count as usize));
}

fn measured_name() -> String {
    format!("py{}", PYTHON_VERSION.replace('.', ""))
}

/// Both sides of every collision of uuid-forge's, by the default forge.
#[test]
fn every_collision_is_refused_on_one_side_or_documented() {
    let vectors: Json = serde_json::from_str(COLLISIONS).unwrap();
    let documented = include_str!("../../docs/ids.md");
    for pair in vectors["pairs"].as_array().unwrap() {
        let side = |name: &str| {
            let defaults = Defaults { namespace: Namespace::DNS, salt: None, lenient: false };
            Batch::new(defaults).answer(pair[name].to_string().as_bytes())
        };
        let why = pair["why"].as_str().unwrap();
        match (side("a"), side("b")) {
            (Ok(a), Ok(b)) if a == b => {
                assert!(why.starts_with("namespace by domain is just UUIDv5"), "{why}");
                assert!(documented.contains("domain and the UUID of that domain are the same namespace"), "{why}");
            }
            (Ok(_), Ok(_)) => assert_eq!(pair["kind"], "same meaning, different uuid", "{why}"),
            (a, b) => assert_eq!(pair["kind"], "collision", "{why}: {a:?} {b:?}"),
        }
    }
}

/// What a call of uuid-forge's that fails, or looks as if it should, is in Rust.
enum InRust {
    /// It makes this id.
    Makes(String),
    /// It is this error.
    Refuses(Error),
    /// It does not compile: the type is another.
    CannotBeWritten,
}

#[test]
fn every_error_of_uuid_forge_is_an_error_here_or_cannot_be_written() {
    let vectors: Json = serde_json::from_str(ERRORS).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 39);
    for case in cases {
        let call = case["call"].as_str().unwrap();
        match in_rust(call) {
            InRust::Makes(id) => assert_eq!(case["result"], id, "{call}"),
            InRust::Refuses(error) => assert!(case["error"].is_string(), "{call} works in Python; here it is {error}"),
            InRust::CannotBeWritten => {}
        }
    }
}

fn in_rust(call: &str) -> InRust {
    let of = |answer: Result<String, Error>| answer.map_or_else(InRust::Refuses, InRust::Makes);
    let lenient = |salt| Forge::lenient(Namespace::DNS, salt);
    let plain = |salt| of(lenient(salt).id("x").finish().map(|id| id.to_string()));
    let with_key = |forge: Forge, key| of(forge.id("x").attr(key, 1).finish().map(|id| id.to_string()));
    let line = |line: &str| {
        of(Batch::new(Defaults { namespace: Namespace::DNS, salt: None, lenient: true }).answer(line.as_bytes()))
    };
    match call {
        "generate_uuid_only()" => line("{}"),
        "generate_uuid_only(123)" => line(r#"{"entity_type": 123}"#),
        "generate_uuid_only(None)" => line(r#"{"entity_type": null}"#),
        "generate_uuid_only(b'x')" => line(r#"{"entity_type": {"$py": "bytes", "value": "78"}}"#),
        "generate_uuid_only({'a': 1})" => line(r#"{"entity_type": {"a": 1}}"#),
        "generate_uuid_only('x', config=None)" | "generate_uuid_only('x', config=IDConfig(salt=None))" => plain(""),
        "generate_uuid_only('x', config=IDConfig(salt='5'))" | "generate_uuid_only('x', config=IDConfig(salt=5))" => plain("5"),
        "generate_uuid_only('x', entity_type=1)" => with_key(lenient(""), "entity_type"),
        "UUIDGenerator().generate('x', config=IDConfig())" => with_key(lenient(""), "config"),
        "UUIDGenerator().generate_with_prefix('x', config=IDConfig())" => {
            of(lenient("").id("x").attr("config", 1).finish_prefixed("P", "-"))
        }
        "UUIDGenerator().generate('x', self=1)" => with_key(Forge::new(Namespace::DNS, &Salt::new("S").unwrap()), "self"),
        "generate_uuid_only('\\ud800')" => line(r#"{"entity_type": "\ud800"}"#),
        "generate_uuid_only('x', **{'\\ud800': 1})" => line(r#"{"entity_type": "x", "kwargs": {"\ud800": 1}}"#),
        "generate_uuid_only('x', config=IDConfig(salt='\\ud800'))" => line(r#"{"entity_type": "x", "salt": "\ud800"}"#),
        "Namespace('\\ud800')" => line(r#"{"entity_type": "x", "namespace": {"kind": "domain", "value": "\ud800"}}"#),
        "generate_uuid_only('x', 10**4300)" => of(Int::parse(&format!("1{}", "0".repeat(4300))).map(|int| int.to_string())),
        "generate_uuid_only('x', <list nested 5000 deep>)" => line(&format!(
            r#"{{"entity_type": "x", "args": [{}{}]}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        )),
        "generate_salt(15)" => of(Salt::from_random_bytes(&[0; 15]).map(|salt| salt.reveal().to_owned())),
        "extract_uuid_from_prefixed('x', '')" => of(prefixed::extract_lenient("x", "").map(|id| id.to_string())),
        "extract_uuid_from_prefixed('x')" => of(prefixed::extract_lenient("x", "-").map(|id| id.to_string())),
        // A lone surrogate is no text in Rust: `idforge batch` refuses it, where Python would escape it in a value.
        "generate_uuid_only('x', '\\ud800')  # value position is fine"
        | "generate_uuid_only('x', config={})"
        | "generate_uuid_only('x', config='c')"
        | "UUIDGenerator('foo').generate('x')"
        | "generate_uuid_only('x', **{1: 1})"
        | "IDConfig(namespace='a')"
        | "IDConfig(namespace=None)"
        | "Namespace(1)"
        | "Namespace(None)"
        | "generate_salt('a')"
        | "generate_salt(16.0)"
        | "generate_salt(-1)"
        | "extract_uuid_from_prefixed(None)"
        | "extract_uuid_from_prefixed(b'x')"
        | "setattr(IDConfig(), 'salt', 'x')"
        // The command writes files, the library does not; and its salts are redacted.
        | "init_config_file('/nonexistent/x.env')"
        | "repr(IDConfig(salt='secret'))  # leaks the salt" => InRust::CannotBeWritten,
        unknown => panic!("what is {unknown} in Rust?"),
    }
}
