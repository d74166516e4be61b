//! Envelopes: no bytes panic, and what can be read can be written and read again as the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saga_core::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    let written = message.to_bytes();
    let again = Message::parse(&written).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    assert_eq!(again, message);
    assert_eq!((again.to_bytes(), again.content_hash()), (written, message.content_hash()));
});
