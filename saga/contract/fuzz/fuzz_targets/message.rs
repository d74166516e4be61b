//! Every command and event: no message panics, and data that can be read can be written and read again as the same.
#![no_main]

#[path = "../../tests/contract/again.rs"]
mod again;

use libfuzzer_sys::fuzz_target;
use saga_core::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        again::check(&message);
    }
});
