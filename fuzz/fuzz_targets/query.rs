//! Any query string is a query within its bounds or a clear error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_domain::query::{MAX_WINDOW, Query, decode_pairs};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let outcome = decode_pairs(text).and_then(|pairs| Query::from_pairs(&pairs));
    match outcome {
        Ok(query) => assert!(query.window().1 <= MAX_WINDOW),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
