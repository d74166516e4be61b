//! Salts, configuration, the security check, canonical inputs, consistency.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::security::{Finding, Level, check, passes};
use idforge::{Config, Error, Namespace, Salt, Uuid, Value, canonical, config, consistency};
use proptest::prelude::*;

#[test]
fn a_salt_is_made_of_sixteen_random_bytes_at_least() {
    assert_eq!(Salt::from_random_bytes(&[0; 15]).unwrap_err(), Error::SaltTooShort { got: 15 });
    assert_eq!(Salt::from_random_bytes(&[0; 16]).unwrap().reveal(), "A".repeat(22));
    // RFC 4648: 0xfb 0xef 0xff is "--__" in the URL-safe alphabet.
    let salt = Salt::from_random_bytes(&[
        0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef,
    ]);
    assert_eq!(salt.unwrap().reveal(), "--__--__--__--__--__--8");
}

#[test]
fn a_configuration_without_a_salt_cannot_be_had() {
    for salt in [None, Some(String::new())] {
        assert_eq!(Config::from_settings(Some("a.b"), salt).unwrap_err(), Error::MissingSalt("UUID_FORGE_SALT"));
    }
    assert_eq!(Config::from_settings(None, Some("a|b".into())).unwrap_err(), Error::SaltWithBar);
    let config = Config::from_settings(Some("users.mycompany.com"), Some("v1".into())).unwrap();
    let id = config.forge().id("user").attr("email", "john@example.com").finish().unwrap();
    assert_eq!(id.to_string(), "72e6f104-e6d1-5f1b-87cb-957da576b9d2");
}

#[test]
fn a_namespace_setting_is_always_a_domain() {
    assert_eq!((config::namespace(None), config::namespace(Some(""))), (Namespace::DNS, Namespace::DNS));
    let looks_like_a_uuid = config::namespace(Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    assert_ne!(looks_like_a_uuid, Namespace::DNS);
    assert_ne!(config::namespace(Some(" a.b")), config::namespace(Some("a.b")));
}

#[test]
fn findings_have_levels_and_a_strict_check_minds_warnings() {
    let own = Namespace::from_domain("a.b");
    let cases = [
        ("", vec![Finding::NoSalt], (false, false)),
        ("fifteen-chars-x", vec![Finding::ShortSalt { length: 15 }], (true, false)),
        ("éééééééééééééééé", vec![Finding::FairSalt { length: 16 }], (true, true)),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", vec![], (true, true)),
    ];
    for (salt, findings, (lax, strict)) in cases {
        assert_eq!(check(&own, salt), findings);
        assert_eq!((passes(&findings, false), passes(&findings, true)), (lax, strict), "{salt}");
    }
    assert_eq!(check(&Namespace::DNS, &"x".repeat(32)), [Finding::DefaultNamespace]);
    assert!(Level::Critical > Level::Warning && Level::Warning > Level::Info);
}

#[test]
fn inputs_are_canonical() {
    assert_eq!(canonical::email(" Alice@X.com \n").unwrap(), "alice@x.com");
    assert_eq!(canonical::email("ÉRIC@É.FR").unwrap(), "éric@é.fr");
    assert_eq!(canonical::sku("\tfood-cat-2kg ").unwrap(), "FOOD-CAT-2KG");
    assert_eq!(canonical::sku("straße").unwrap(), "STRASSE");
    assert_eq!(canonical::sku("ƛ-1a").unwrap(), "ƛ-1A", "its capital came with Unicode 16");
    assert_eq!(canonical::skus(["b", " A ", "b"]).unwrap().repr().unwrap(), "('A', 'B', 'B')");
    assert_eq!(canonical::skus(["a"]).unwrap().repr().unwrap(), "('A',)");
    assert_eq!(canonical::skus([]).unwrap(), Value::Tuple(vec![]));
    for blank in ["", " ", "\u{3000}\t"] {
        assert!(matches!(canonical::email(blank), Err(Error::NotCanonical { .. })), "{blank:?}");
    }
    for unprintable in ["a\0@x", "a\u{200b}@x", "\u{1c}a@x", "a\u{1fae8}@x"] {
        assert!(matches!(canonical::email(unprintable), Err(Error::NotCanonical { .. })), "{unprintable:?}");
    }
    assert!(canonical::skus(["a", ""]).is_err());
}

#[test]
fn stores_that_disagree_are_named() {
    let id = Uuid::from_u128(7);
    let (same, other) = (id.to_string().to_uppercase(), Uuid::from_u128(8).to_string());
    let result = consistency::compare(
        id,
        [("postgres", Some(same.as_str())), ("redis", Some(&other)), ("files", None), ("search", Some("x"))],
    );
    let named: Vec<_> = result.inconsistencies.iter().map(|one| (one.system.as_str(), one.actual.as_deref())).collect();
    assert_eq!(named, [("redis", Some(other.as_str())), ("files", None), ("search", Some("x"))]);
    assert!(!result.consistent);
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!((&json["consistent"], &json["expected_uuid"]), (&false.into(), &id.to_string().into()));
    assert_eq!(json["inconsistencies"][0]["expected"], id.to_string());
    assert!(consistency::compare(id, [("postgres", Some(same.as_str()))]).consistent);
    assert!(consistency::compare(id, []).consistent);
}

proptest! {
    #[test]
    fn canonical_inputs_stay_as_they_are(text in "\\PC{0,12}") {
        for canonical in [canonical::email as fn(&str) -> Result<String, Error>, canonical::sku] {
            if let Ok(once) = canonical(&text) {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
            }
        }
    }

    #[test]
    fn a_list_of_skus_is_the_same_in_any_order(mut skus in prop::collection::vec("[a-zA-Z ]{1,4}x", 0..6)) {
        let canonical = |skus: &[String]| canonical::skus(skus.iter().map(String::as_str)).unwrap();
        let before = canonical(&skus);
        skus.reverse();
        prop_assert_eq!(canonical(&skus), before);
    }
}
