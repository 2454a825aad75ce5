//! No text is a session token but one that was signed; no form for an account ends in a name, a password or an address
//! that the rules refuse, and none in a mail with a line of the sender's choice.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_auth::token::{Claims, TokenKey};
use mf2c_domain::people::mail;
use mf2c_domain::people::names::{check_address, check_username};
use mf2c_domain::people::registration::{Form, Method};
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_500_000_000_000);

/// A token with one stretch replaced by `patch` is either the token itself or refused.
fn token(key: &TokenKey, at: usize, patch: &str) {
    let claims = Claims {
        username: "jane".into(),
        roles: "USER session/1".into(),
        session: "session/1".into(),
        exp: 1_600_000_000,
    };
    let signed = key.sign(&claims);
    assert_eq!(key.verify(&signed, NOW), Some(claims));
    assert_eq!(key.verify(patch, NOW), None, "{patch}");
    let (start, end) = (at % signed.len(), (at % signed.len() + patch.len()).min(signed.len()));
    let forged = format!("{}{patch}{}", &signed[..start], &signed[end..]);
    assert!(forged == signed || key.verify(&forged, NOW).is_none(), "{forged}");
}

fn form(body: Map<String, Value>) {
    let Ok(form) = Form::read(body) else { return };
    for method in [Method::SelfRegistration, Method::Direct] {
        let Ok(asked) = form.clone().check(method) else { continue };
        assert!(check_username(&asked.username).is_ok() && check_address(&asked.email).is_ok());
        let sent = mail::validate_user(&asked.email, &asked.username, "https://fog/x", Duration::from_secs(60));
        assert!(!sent.to.contains(['\r', '\n']) && sent.text.lines().count() == 7, "{sent:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&at, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    token(&TokenKey::from_bytes(&[7; 32]), usize::from(at), text);
    if let Ok(body) = serde_json::from_str(text) {
        form(body);
    }
});
