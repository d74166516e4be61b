//! Forging an id takes no memory from the heap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::hint::black_box;

use allocation_counter::measure;
use idforge::{Forge, Namespace, Salt, Uuid, UuidText, Value, id};

const IDS: u64 = 1_000;

fn count(mut forge_one: impl FnMut(u64) -> Uuid) -> u64 {
    measure(|| (0..IDS).for_each(|n| _ = black_box(forge_one(n)))).count_total
}

#[test]
fn an_id_is_forged_without_allocating() {
    let forge = Forge::new(Namespace::from_domain("sagas.petstore.example"), &Salt::new("x".repeat(43)).unwrap());
    let (user, long) = (Uuid::from_u128(7), "é'\"|".repeat(1000));
    let tags = Value::Tuple(vec!["A".into(), 1.5.into()]);
    let literal = count(|n| id!(forge, "order_saga", user_id = UuidText(user), order_id = "7c0e", n = n, f = 0.1));
    let built = count(|n| {
        let id =
            forge.id("order_saga").arg(n).attr("user_id", UuidText(user)).attr("order_id", "7c0e").attr("tags", &tags);
        id.attr("long", &long).finish().unwrap()
    });
    assert_eq!((literal, built), (0, 0));
}

/// The counter counts: an owned value does take memory.
#[test]
fn an_owned_value_allocates() {
    let forge = Forge::new(Namespace::DNS, &Salt::new("S").unwrap());
    assert!(count(|_| forge.id("t").arg(String::from("owned")).finish().unwrap()) >= IDS);
}
