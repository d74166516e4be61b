//! Prefixed ids: no text panics, and where an id is found by default, it is found leniently too.
#![no_main]

use idforge::prefixed::{extract, extract_lenient};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first line is the separator, the rest the text.
    let text = String::from_utf8_lossy(bytes);
    let (separator, text) = text.split_once('\n').unwrap_or(("-", &text));
    let (strict, lenient) = (extract(text, separator), extract_lenient(text, separator));
    if strict.is_ok() {
        assert_eq!(strict, lenient);
    }
});
