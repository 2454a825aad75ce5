//! PEM texts from files, clients and other authorities are read or refused: requests, keys, authorities, certificates.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_pki::area::{AgentKey, Authority, Request};

fuzz_target!(|text: &str| {
    if let Ok(request) = Request::from_pem(text) {
        assert!(request.public_key_pem().ends_with("-----END PUBLIC KEY-----\n"));
    }
    if let Ok(key) = AgentKey::from_pem(text) {
        assert_eq!(AgentKey::from_pem(&key.to_pem()).map(|again| again.hash()).ok(), Some(key.hash()));
    }
    let (key, certificates) = text.split_once('\0').unwrap_or((text, text));
    let _ = Authority::from_pem(key, certificates);
});
