//! The text of each kind of value, beyond what the vectors show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use idforge::{Date, DateTime, Decimal, Error, Fraction, Int, Offset, Time, TimeDelta, Value};
use proptest::prelude::*;

fn repr(value: impl Into<Value>) -> String {
    value.into().repr().unwrap()
}

#[test]
fn text_is_quoted_as_python_quotes_it() {
    let cases = [
        ("", "''"),
        ("it's", "\"it's\""),
        ("\"", "'\"'"),
        ("'\"", "'\\'\"'"),
        ("a\\b", "'a\\\\b'"),
        ("\t\n\r\0\x7f", "'\\t\\n\\r\\x00\\x7f'"),
        ("\u{a0}\u{ad}é", "'\\xa0\\xadé'"),
        ("\u{2028}日\u{feff}", "'\\u2028日\\ufeff'"),
        ("\u{e0001}🐱", "'\\U000e0001🐱'"),
    ];
    for (text, expected) in cases {
        assert_eq!(repr(text), expected);
    }
}

#[test]
fn bytes_and_bytearrays_differ_in_their_quotes() {
    let bytes = |bytes: &[u8]| repr(Value::Bytes(bytes.to_vec()));
    let array = |bytes: &[u8]| repr(Value::ByteArray(bytes.to_vec()));
    assert_eq!(
        (bytes(b"\x00'\xff"), array(b"\x00'\xff")),
        (r#"b"\x00'\xff""#.into(), r#"bytearray(b"\x00\'\xff")"#.into())
    );
    assert_eq!((bytes(b"'\"\\\t"), array(b"'\"\\\t")), (r#"b'\'"\\\t'"#.into(), r#"bytearray(b'\'"\\\t')"#.into()));
    assert_eq!((bytes(b"\""), array(b"")), (r#"b'"'"#.into(), "bytearray(b'')".into()));
}

#[test]
fn floats_have_python_s_layout() {
    let cases = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (0.0001, "0.0001"),
        (0.000_123_4, "0.0001234"),
        (0.000_01, "1e-05"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (12_345_678_901_234_568.0, "1.2345678901234568e+16"),
        (123_456.789, "123456.789"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-1_188_699_057_872_184.2, "-1188699057872184.2"),
        (f64::NAN, "nan"),
        (-f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
    ];
    for (number, expected) in cases {
        assert_eq!(repr(number), expected);
    }
}

#[test]
fn integers_are_of_any_size_that_python_prints() {
    assert_eq!(repr(u128::MAX), u128::MAX.to_string());
    assert_eq!(repr(i128::MIN), i128::MIN.to_string());
    assert_eq!(repr(Int::parse("-007").unwrap()), "-7");
    assert_eq!(repr(Int::parse("-0").unwrap()), "0");
    assert_eq!(Int::parse("170141183460469231731687303715884105727").unwrap(), Int::from(i128::MAX));
    let longest = "9".repeat(Int::MOST_DIGITS);
    assert_eq!(repr(Int::parse(&format!("-000{longest}")).unwrap()), format!("-{longest}"));
    assert_eq!(Int::parse(&format!("{longest}0")), Err(Error::IntegerTooLong { digits: 4301 }));
    for text in ["", "-", "+1", "1_0", "1.0", " 1", "١"] {
        assert!(matches!(Int::parse(text), Err(Error::Impossible { .. })), "{text}");
    }
}

#[test]
fn decimals_are_written_as_python_s_str_writes_them() {
    let cases = [
        ("1.00", "1.00"),
        ("007.10", "7.10"),
        ("-0", "-0"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1E-7"),
        ("0e-7", "0E-7"),
        ("0.00", "0.00"),
        ("1e3", "1E+3"),
        ("12.5e-3", "0.0125"),
        ("123e-2", "1.23"),
        ("12e1", "1.2E+2"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("inf", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("nan", "NaN"),
        ("snan012", "sNaN12"),
        ("1e-999999999", "1E-999999999"),
    ];
    for (text, expected) in cases {
        assert_eq!(repr(Value::Decimal(Decimal::parse(text).unwrap())), format!("Decimal('{expected}')"), "{text}");
    }
    for text in ["", ".", "-", "1e", "e1", "1.2.3", "1e1.5", "1_0", "nanx", "1e9999999999999999999", "--1", "1e+-1"] {
        assert!(Decimal::parse(text).is_err(), "{text}");
    }
}

#[test]
fn moments_are_those_that_python_can_hold() {
    let day = Date::new(2024, 2, 29).unwrap();
    let noon = Time::new(12, 0, 0, 0).unwrap();
    let ahead = Offset::new(TimeDelta::new(0, 7200, 0).unwrap()).unwrap();
    let behind = Offset::new(TimeDelta::new(-1, 79200, 1).unwrap()).unwrap();
    let at = |time| repr(Value::DateTime(DateTime { date: day, time }));
    assert_eq!(at(noon), "datetime.datetime(2024, 2, 29, 12, 0)");
    assert_eq!(
        at(noon.at(Offset::UTC).folded()),
        "datetime.datetime(2024, 2, 29, 12, 0, fold=1, tzinfo=datetime.timezone.utc)"
    );
    assert_eq!(at(Time::new(0, 0, 0, 5).unwrap()), "datetime.datetime(2024, 2, 29, 0, 0, 0, 5)");
    let zoned = "datetime.time(12, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)), fold=1)";
    assert_eq!(repr(Value::Time(noon.at(ahead).folded())), zoned);
    let zoned =
        "datetime.time(12, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=79200, microseconds=1)))";
    assert_eq!(repr(Value::Time(noon.at(behind))), zoned);
    assert_eq!(repr(Value::TimeDelta(TimeDelta::new(0, 0, 0).unwrap())), "datetime.timedelta(0)");

    for (year, month, day) in [
        (0, 1, 1),
        (10_000, 1, 1),
        (2023, 2, 29),
        (1900, 2, 29),
        (2024, 4, 31),
        (2024, 13, 1),
        (2024, 0, 1),
        (2024, 1, 0),
    ] {
        assert!(Date::new(year, month, day).is_err(), "{year}-{month}-{day}");
    }
    assert!(Date::new(2000, 2, 29).is_ok());
    assert!(Time::new(24, 0, 0, 0).is_err() && Time::new(0, 60, 0, 0).is_err() && Time::new(0, 0, 60, 0).is_err());
    assert!(Time::new(0, 0, 0, 1_000_000).is_err());
    assert!(TimeDelta::new(0, 86_400, 0).is_err() && TimeDelta::new(1_000_000_000, 0, 0).is_err());
    for (days, seconds) in [(1, 0), (-1, 0), (-2, 5)] {
        assert!(Offset::new(TimeDelta::new(days, seconds, 0).unwrap()).is_err(), "{days} {seconds}");
    }
}

#[test]
fn fractions_are_reduced_and_complex_numbers_lose_a_zero() {
    let fraction = |over, under| Fraction::new(over, under).map(|fraction| repr(Value::Fraction(fraction)));
    assert_eq!(fraction(2, -4).unwrap(), "Fraction(-1, 2)");
    assert_eq!(fraction(0, -4).unwrap(), "Fraction(0, 1)");
    assert!(fraction(1, 0).is_err() && fraction(i128::MIN, 1).is_err());
    let complex = |real, imaginary| repr(Value::Complex(real, imaginary));
    assert_eq!((complex(0.0, 2.0), complex(-0.0, -1.5)), ("2j".into(), "(-0-1.5j)".into()));
    assert_eq!((complex(1e16, f64::NAN), complex(f64::NAN, -0.0)), ("(1e+16+nanj)".into(), "(nan-0j)".into()));
}

#[test]
fn a_set_of_several_has_no_text() {
    for set in [Value::Set, Value::FrozenSet] {
        assert_eq!(set(vec![1.into(), 2.into()]).repr(), Err(Error::UnorderedSet { items: 2 }));
        assert_eq!(set(vec![Value::List(vec![])]).repr(), Err(Error::Unhashable("a list")));
    }
    assert_eq!(repr(Value::FrozenSet(vec![Value::FrozenSet(vec![])])), "frozenset({frozenset()})");
}

#[test]
fn a_map_that_no_dict_could_be_has_no_text() {
    let map = |keys: Vec<Value>| Value::Map(keys.into_iter().map(|key| (key, Value::None)).collect()).repr();
    let tuple = |items: Vec<Value>| Value::Tuple(items);
    let decimal = || Value::Decimal(Decimal::parse("1").unwrap());
    let equal: [Vec<Value>; 8] = [
        vec!["a".into(), "b".into(), "a".into()],
        vec![1.into(), true.into()],
        vec![1.into(), 1.0.into()],
        vec![0.into(), (-0.0).into()],
        vec![(1_u64 << 53).into(), ((1_u64 << 53) as f64).into()],
        vec![tuple(vec![1.into()]), tuple(vec![true.into()])],
        vec![decimal(), 1.into()],
        vec![decimal(), decimal()],
    ];
    for keys in equal {
        assert!(matches!(map(keys.clone()), Err(Error::EqualKeys(_))), "{keys:?}");
    }
    let unhashable = [
        Value::List(vec![]),
        Value::Map(vec![]),
        Value::Set(vec![]),
        Value::ByteArray(vec![]),
        tuple(vec![Value::List(vec![])]),
    ];
    for key in unhashable {
        assert!(matches!(map(vec![key.clone()]), Err(Error::Unhashable(_))), "{key:?}");
    }
    assert_eq!(
        map(vec![1.into(), 1.5.into(), "1".into(), Value::None, f64::NAN.into(), f64::NAN.into()]).unwrap(),
        "{1: None, 1.5: None, '1': None, None: None, nan: None, nan: None}"
    );
    assert_eq!(map(vec![decimal()]).unwrap(), "{Decimal('1'): None}");
}

#[test]
fn depth_has_an_end() {
    let nested = |depth: usize, wrap: fn(Value) -> Value| (0..depth).fold(Value::None, |value, _| wrap(value));
    let wraps: [fn(Value) -> Value; 4] = [
        |value| Value::List(vec![value]),
        |value| Value::Tuple(vec![value]),
        |value| Value::Map(vec![(1.into(), value)]),
        |value| Value::Enum { class: "C".into(), name: "M".into(), value: Box::new(value) },
    ];
    for wrap in wraps {
        assert!(nested(Value::MOST_DEPTH, wrap).repr().is_ok());
        assert_eq!(nested(Value::MOST_DEPTH + 1, wrap).repr(), Err(Error::TooDeep));
    }
    let key = nested(Value::MOST_DEPTH + 1, |value| Value::Tuple(vec![value]));
    assert_eq!(Value::Map(vec![(key, Value::None)]).repr(), Err(Error::TooDeep));
}

proptest! {
    #[test]
    fn a_float_reads_back_as_itself(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        let text = repr(number);
        if number.is_nan() {
            prop_assert_eq!(text, "nan");
        } else {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(number.is_infinite() || text.contains(['.', 'e']));
        }
    }
}
