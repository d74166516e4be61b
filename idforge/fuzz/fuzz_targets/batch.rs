//! Lines of `idforge batch`: no line panics, and where the default forge answers, the lenient one answers the same.
#![no_main]

use idforge::batch::Batch;
use idforge::{Defaults, Namespace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let salt = Some("salt".to_owned());
    let answer = |lenient| Batch::new(Defaults { namespace: Namespace::DNS, salt: salt.clone(), lenient }).answer(line);
    let (strict, lenient) = (answer(false), answer(true));
    if strict.is_ok() {
        assert_eq!(strict, lenient);
    }
    if let Err(error) = lenient {
        assert!(!error.to_string().is_empty());
    }
});
