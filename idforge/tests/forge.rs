//! What the forge makes, refuses and hides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::{Error, Forge, IdBuilder, Namespace, Recipe, Salt, Scalar, UuidText, Value, id};
use proptest::prelude::*;
use uuid::{Uuid, uuid};

fn forge() -> Forge {
    Forge::new(Namespace::from_domain("sagas.petstore.example"), &Salt::new("one-salt-for-the-tests").unwrap())
}

#[test]
fn the_ids_of_the_documentation_come_out() {
    let forge = Forge::new(Namespace::from_domain("users.mycompany.com"), &Salt::new("v1").unwrap());
    let expected = uuid!("72e6f104-e6d1-5f1b-87cb-957da576b9d2");
    assert_eq!(id!(forge, "user", email = "john@example.com"), expected);
    assert_eq!(forge.id("user").attr("email", "john@example.com").finish(), Ok(expected));
    assert_eq!(
        forge.id("user").attr("email", "john@example.com").hashed_text().unwrap(),
        "user|salt:v1|email='john@example.com'"
    );
}

#[test]
fn a_recipe_is_the_builder_with_its_words_checked_beforehand() {
    const MANY: Recipe<6> = Recipe::new("many", ["type", "b", "a", "aa", "é", "B"]);
    let forge = forge();
    let uuid = uuid!("00000000-0000-0000-0000-00000000000A");
    let values: [Scalar<'_>; 6] =
        [true.into(), (-7).into(), 0.1.into(), "it's".into(), UuidText(uuid).into(), u64::MAX.into()];
    let built = forge
        .id("many")
        .attr("B", u64::MAX)
        .attr("é", UuidText(uuid))
        .attr("aa", "it's")
        .attr("a", 0.1)
        .attr("b", -7)
        .attr("type", true);
    assert_eq!(
        built.clone().hashed_text().unwrap(),
        "many|salt:one-salt-for-the-tests|B=18446744073709551615|a=0.1|aa=\"it's\"|b=-7|type=True|é='00000000-0000-0000-0000-00000000000a'"
    );
    assert_eq!(Ok(forge.make(&MANY, values)), built.finish());
    assert_eq!(
        id!(forge, "event", type = "PET_RESERVED"),
        forge.id("event").attr("type", "PET_RESERVED").finish().unwrap()
    );
    assert_eq!(id!(forge, "nothing"), forge.id("nothing").finish().unwrap());
}

#[test]
#[should_panic(expected = "an attribute is given twice")]
fn a_recipe_with_a_key_twice_is_refused() {
    let _ = Recipe::new("order", ["id", "user", "id"]);
}

#[test]
#[should_panic(expected = "an entity type cannot contain '|'")]
fn a_recipe_of_an_entity_type_with_a_bar_is_refused() {
    let _ = Recipe::new("order|", ["id"]);
}

#[test]
#[should_panic(expected = "a key cannot contain '|' or '='")]
fn a_recipe_with_a_separator_in_a_key_is_refused() {
    let _ = Recipe::new("order", ["i=d"]);
}

#[test]
#[should_panic(expected = "a parameter of uuid-forge's own calls")]
fn a_recipe_with_a_reserved_key_is_refused() {
    let _ = Recipe::new("order", ["separator"]);
}

#[test]
fn the_default_forge_refuses_what_collides_and_the_lenient_one_takes_it() {
    let (strict, lenient) = (forge(), Forge::lenient(Namespace::DNS, ""));
    let both = |build: fn(&Forge) -> Result<Uuid, Error>| (build(&strict), build(&lenient));
    let refused = |outcome: (Result<Uuid, Error>, Result<Uuid, Error>), error: Error| {
        assert_eq!(outcome.0, Err(error));
        assert!(outcome.1.is_ok());
    };
    refused(both(|forge| forge.id("a|b").finish()), Error::EntityTypeWithBar("a|b".into()));
    refused(both(|forge| forge.id("t").attr("a|b", 1).finish()), Error::KeyWithSeparator("a|b".into()));
    refused(both(|forge| forge.id("t").attr("a=b", 1).finish()), Error::KeyWithSeparator("a=b".into()));
    for key in ["self", "prefix", "separator"] {
        assert_eq!(strict.id("t").attr(key, 1).finish(), Err(Error::ReservedKey(key.into())));
        assert!(lenient.id("t").attr(key, 1).finish().is_ok());
    }
    let flag = Value::Enum { class: "Perm".into(), name: "R|W".into(), value: Box::new(3.into()) };
    let nested = Value::List(vec![Value::Map(vec![("k".into(), Value::Tuple(vec![flag]))])]);
    assert!(matches!(strict.id("t").arg(&nested).finish(), Err(Error::Impossible { .. })));
    assert!(lenient.id("t").arg(&nested).finish().is_ok());
    assert!(matches!(Salt::new(""), Err(Error::EmptySalt)));
    assert!(matches!(Salt::new("a|b"), Err(Error::SaltWithBar)));
}

#[test]
fn neither_forge_takes_what_no_call_of_uuid_forge_can_express() {
    for forge in [forge(), Forge::lenient(Namespace::DNS, "S|x")] {
        for key in ["entity_type", "config"] {
            assert_eq!(forge.id("t").attr(key, 1).finish(), Err(Error::ReservedKey(key.into())));
        }
        assert_eq!(forge.id("t").attr("a", 1).attr("b", 2).attr("a", 1).finish(), Err(Error::DuplicateKey("a".into())));
        for key in ["prefix", "separator"] {
            assert_eq!(forge.id("t").attr(key, 1).finish_prefixed("P", "-"), Err(Error::ReservedKey(key.into())));
        }
    }
}

#[test]
fn namespace_salt_type_and_each_value_make_another_id() {
    let salt = |text| Salt::new(text).unwrap();
    let forges = [
        forge(),
        Forge::new(Namespace::from_domain("pets.petstore.example"), &salt("one-salt-for-the-tests")),
        Forge::new(Namespace::from_domain("sagas.petstore.example"), &salt("another-salt-for-the-tests")),
        Forge::lenient(Namespace::from_domain("sagas.petstore.example"), ""),
    ];
    let mut ids: Vec<Uuid> = forges.iter().map(|forge| id!(forge, "t", a = 1)).collect();
    let values: [Value; 7] =
        [1.into(), 1.0.into(), true.into(), "1".into(), Value::None, vec![1].into(), Value::Tuple(vec![1.into()])];
    ids.extend(values.iter().map(|value| forge().id("t").attr("b", value).finish().unwrap()));
    ids.extend([id!(forge(), "u", a = 1), id!(forge(), "t"), forge().id("t").arg(1).finish().unwrap()]);
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids.iter().all(|id| id.get_version_num() == 5 && id.get_variant() == uuid::Variant::RFC4122));
}

#[test]
fn a_salt_is_never_shown() {
    let salt = Salt::new("a-very-secret-salt").unwrap();
    let forge = Forge::new(Namespace::from_domain("a.b"), &salt);
    let lenient = Forge::lenient(Namespace::DNS, "a-very-secret-salt");
    let config = idforge::Config { namespace: Namespace::DNS, salt: salt.clone() };
    let builder: IdBuilder<'_> = forge.id("t");
    for shown in [
        format!("{salt:?}"),
        format!("{forge:#?}"),
        format!("{lenient:?}"),
        format!("{config:?}"),
        format!("{builder:?}"),
    ] {
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains(&salt.fingerprint().to_string()), "{shown}");
    }
    assert!(!Salt::new("secret|secret").unwrap_err().to_string().contains("secret"));
}

#[test]
fn a_fingerprint_tells_salts_apart_and_stays_the_same() {
    let fingerprint = |text| Salt::new(text).unwrap().fingerprint();
    assert_eq!(fingerprint("a-salt"), fingerprint("a-salt"));
    assert_ne!(fingerprint("a-salt"), fingerprint("a-salt\n"));
    assert_eq!(fingerprint("a-salt"), Forge::new(Namespace::DNS, &Salt::new("a-salt").unwrap()).fingerprint());
    assert_eq!(fingerprint("a-salt").to_string(), "f73a463a6825");
}

#[test]
fn a_domain_and_its_uuid_are_the_same_namespace() {
    let domain = Namespace::from_domain("example.com");
    let uuid = Namespace::parse_uuid("cfbff0d1-9375-5685-968c-48ce8b15ae17").unwrap();
    assert_eq!(domain, uuid);
    assert_eq!((domain.domain(), uuid.domain()), (Some("example.com"), None));
    assert_ne!(domain, Namespace::from_domain("Example.com"));
    assert_eq!(Namespace::parse_uuid("example.com"), Err(Error::NamespaceNotUuid("example.com".into())));
    assert_eq!(
        (domain.to_string().as_str(), format!("{uuid:?}").as_str()),
        ("example.com", "Namespace(cfbff0d1-9375-5685-968c-48ce8b15ae17)")
    );
}

#[test]
fn a_forge_is_shared_between_threads() {
    let forge = forge();
    let here = id!(forge, "t", a = 1);
    let there = std::thread::scope(|scope| scope.spawn(|| id!(forge.clone(), "t", a = 1)).join().unwrap());
    assert_eq!(here, there);
}

#[test]
fn an_id_longer_than_the_buffer_is_hashed_whole() {
    let forge = forge();
    for length in [200, 220, 240, 255, 256, 257, 300, 511, 512, 513, 5000] {
        let text = "x".repeat(length);
        let name = forge.id("t").attr("a", &text).attr("b", 1).hashed_text().unwrap();
        let mut hash = sha1_smol::Sha1::from(forge.namespace().uuid().as_bytes());
        hash.update(name.as_bytes());
        let id = uuid::Builder::from_sha1_bytes(hash.digest().bytes()[..16].try_into().unwrap()).into_uuid();
        assert_eq!(id!(forge, "t", b = 1, a = &text), id, "{length}");
        assert_eq!(forge.id("t").attr("a", text).attr("b", 1).finish(), Ok(id), "{length}");
    }
}

proptest! {
    #[test]
    fn the_order_of_attributes_does_not_matter(mut attrs in prop::collection::btree_map("[a-z_é𐀀]{1,3}", any::<i64>(), 0..12).prop_map(|map| map.into_iter().collect::<Vec<_>>()), turn in 0usize..12) {
        let forge = forge();
        let id = |attrs: &[(String, i64)]| attrs.iter().fold(forge.id("t"), |id, (key, value)| id.attr(key, *value)).finish();
        let sorted = id(&attrs);
        let turn = turn % attrs.len().max(1);
        attrs.rotate_left(turn);
        prop_assert_eq!(&id(&attrs), &sorted);
        attrs.reverse();
        prop_assert_eq!(id(&attrs), sorted);
    }

    #[test]
    fn what_the_default_forge_accepts_has_the_id_that_uuid_forge_gives_it(entity in "[a|=:' ]{0,4}", key in "[a|=:' ]{0,4}", salt in "[S|=:']{0,4}", value in any::<String>()) {
        let lenient = Forge::lenient(Namespace::DNS, &salt).id(&entity).arg(&value).attr(&key, &value).finish();
        if let Ok(salt) = Salt::new(salt.clone()) {
            let strict = Forge::new(Namespace::DNS, &salt).id(&entity).arg(&value).attr(&key, &value).finish();
            prop_assert!(strict.is_err() || strict == lenient);
            let separates = entity.contains('|') || key.contains(['|', '=']);
            prop_assert_eq!(strict.is_err(), separates);
        } else {
            prop_assert!(salt.is_empty() || salt.contains('|'));
        }
    }
}
