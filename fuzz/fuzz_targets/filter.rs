//! Any text is a filter or a clear error; a filter is printed so that it reads back the same, and can be evaluated on any
//! document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_domain::filter::parse;

fuzz_target!(|data: &[u8]| {
    let (text, document) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    match parse(text) {
        Ok(filter) => {
            let printed = filter.to_string();
            assert_eq!(parse(&printed).as_ref(), Ok(&filter), "{text:?} was printed as {printed:?}");
            let _ = filter.matches(document);
            let _ = filter.matches(br#"{"a": [1, {"b": "2012-01-02T13:14:25Z"}], "c": null, "d": -3.5}"#);
        }
        Err(error) => assert!(error.to_string().starts_with("Invalid CIMI filter. Parse error at line ")),
    }
});
