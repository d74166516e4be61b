//! Prefixed ids and what is extracted from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::prefixed::{MOST_LENIENT_BYTES, extract, extract_lenient, join, join_lenient};
use idforge::{Error, Forge, Namespace, Salt};
use proptest::prelude::*;
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("05b16a01-46c6-56dd-bd6e-c6dfb4a1427a");

#[test]
fn a_prefix_does_not_change_the_id() {
    let forge = Forge::new(Namespace::DNS, &Salt::new("S").unwrap());
    let id = forge.id("invoice").attr("number", 7);
    let plain = id.clone().finish().unwrap();
    assert_eq!(id.clone().finish_prefixed("INV-EUR", "-").unwrap(), format!("INV-EUR-{plain}"));
    assert_eq!(id.clone().finish_prefixed("", "").unwrap(), plain.to_string());
    assert_eq!(id.finish_prefixed("INV", ""), Err(Error::EmptySeparator));
}

#[test]
fn a_prefix_that_would_lose_its_id_is_refused() {
    assert_eq!(join("A:", "::", ID), Err(Error::LosesId { prefix: "A:".into(), separator: "::".into() }));
    assert_eq!(join_lenient("A:", "::", ID), format!("A:::{ID}"));
    assert_eq!(join_lenient("A", "", ID), format!("A{ID}"));
    let lenient = Forge::lenient(Namespace::DNS, "");
    assert!(lenient.id("t").finish_prefixed("A:", "::").unwrap().starts_with("A:::"));
}

#[test]
fn a_damaged_id_is_extracted_leniently_alone() {
    for (text, borrowed) in [
        ("CAFE-05b16a01-46c6-56dd-bd6e-c6dfb4a1", "cafe05b1-6a01-46c6-56dd-bd6ec6dfb4a1"),
        ("P-0x05b16a0146c656ddbd6ec6dfb4a142", "0005b16a-0146-c656-ddbd-6ec6dfb4a142"),
        ("dead-beef-05b16a0146c656ddbd6ec6df", "deadbeef-05b1-6a01-46c6-56ddbd6ec6df"),
        ("P-1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_67", "00000000-0000-0001-2345-678901234567"),
    ] {
        assert_eq!(extract(text, "-"), Err(Error::NoUuid(text.into())));
        assert_eq!(extract_lenient(text, "-"), Ok(borrowed.parse().unwrap()));
    }
}

#[test]
fn a_whole_id_is_extracted_in_every_form() {
    let simple = ID.simple();
    for text in [
        format!("{ID}"),
        format!("P-{ID}"),
        format!("P--{ID}"),
        format!("deadbeef-{ID}"),
        format!("P-{simple}"),
        format!("P-{ID:X}").to_uppercase(),
        format!("P-{{{ID}}}"),
        format!("P-urn:uuid:{ID}"),
        format!("{}", ID.hyphenated()).to_uppercase(),
    ] {
        assert_eq!((extract(&text, "-"), extract_lenient(&text, "-")), (Ok(ID), Ok(ID)), "{text}");
    }
    for text in ["", "-", "x", &format!("P-{ID}-S"), &format!("P-{ID} "), &format!("P_{ID}")] {
        assert_eq!(extract(text, "-"), Err(Error::NoUuid(text.into())));
    }
    for text in [format!("URN:UUID:{ID}"), format!("urn:uuId:{ID}")] {
        let none = Err(Error::NoUuid(text.clone()));
        assert_eq!((extract(&text, "-"), extract_lenient(&text, "-")), (none.clone(), none), "as Python reads it");
    }
    assert_eq!((extract("x", ""), extract_lenient("x", "")), (Err(Error::EmptySeparator), Err(Error::EmptySeparator)));
}

#[test]
fn long_texts_are_read_in_good_time_or_refused() {
    let dashes = "-".repeat(MOST_LENIENT_BYTES + 1);
    assert_eq!(extract_lenient(&dashes, "-"), Err(Error::TextTooLong { bytes: MOST_LENIENT_BYTES + 1 }));
    assert!(matches!(extract_lenient(&dashes[1..], "-"), Err(Error::NoUuid(_))));
    let long = format!("{}{ID}", "-".repeat(1 << 20));
    assert_eq!(extract(&long, "-"), Ok(ID));
}

proptest! {
    #[test]
    fn what_was_joined_is_extracted(prefix in "[-:a-f0-9A-Z_{} é]{0,12}", separator in "[-:a_/é]{1,3}", bits in any::<u128>()) {
        let id = Uuid::from_u128(bits);
        match join(&prefix, &separator, id) {
            Ok(text) => {
                prop_assert_eq!(extract(&text, &separator), Ok(id));
                prop_assert_eq!(extract_lenient(&text, &separator), Ok(id));
            }
            Err(error) => prop_assert!(matches!(error, Error::LosesId { .. }), "{}", error),
        }
    }

    #[test]
    fn strict_extraction_never_disagrees_with_lenient(text in "(urn:|uuid:|[-{}+_ x0-9a-fA-F]|[0-9a-f]{8}|-[0-9a-f]{4}){0,14}", separator in "[-:_]") {
        let strict = extract(&text, &separator);
        if strict.is_ok() {
            prop_assert_eq!(extract_lenient(&text, &separator), strict);
        }
    }
}
