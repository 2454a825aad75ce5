//! A text is a join token or it is not; one that is has one text, and neither its debug text nor an error shows a secret.
//! The same goes for names in certificates and serial numbers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_pki::area::Serial;

fuzz_target!(|text: &str| {
    if let Ok(token) = text.parse::<JoinToken>() {
        let line = token.to_string();
        assert_eq!(line, text.trim());
        assert_eq!(line.parse::<JoinToken>(), Ok(token.clone()));
        let secret = line.split(['.', '@']).nth(3).unwrap_or_default();
        assert!(!format!("{token:?}").contains(secret));
        assert!(!token.address.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@'));
    }
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.to_string(), text);
        assert!(id.dns_name().is_none_or(|name| name.split('.').all(|label| (1..=63).contains(&label.len()))));
    }
    if let Ok(serial) = text.parse::<Serial>() {
        assert!(serial.bytes().len() <= 20);
        assert_eq!(serial.to_string().parse::<Serial>(), Ok(serial));
    }
});
