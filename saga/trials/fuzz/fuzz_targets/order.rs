//! POST /store/order: any bytes are an order that can be stored, or the client's to correct.
#![no_main]

#[path = "../../../../order-service/tests/service/bodies.rs"]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    bodies::check(bytes);
});
