//! The operator's API: any bytes, sent to any route, can be stored, or are the operator's to correct.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saga_runtime::testing::{is_taken, operators_bodies};

fuzz_target!(|bytes: &[u8]| {
    for (_, read) in operators_bodies() {
        let _ = is_taken(read(bytes));
    }
});
