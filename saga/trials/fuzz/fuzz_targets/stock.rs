//! PUT /stock/{sku}: any bytes are a supply that can be stored, or the client's to correct.
#![no_main]

#[path = "../../../../inventory-service/tests/inventory/bodies.rs"]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    bodies::check(bytes);
});
