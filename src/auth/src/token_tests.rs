//! What tokens promise: ours are read, and nothing else is.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

struct Sevens;
impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn claims() -> Claims {
    Claims {
        username: "jäne".into(),
        roles: "USER ANON session/1".into(),
        session: "session/1".into(),
        exp: 1_700_000_001,
    }
}

fn key() -> TokenKey {
    TokenKey::from_bytes(&[1; 32])
}

fn signed(key: &TokenKey, header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&key.0, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_token_of_ours_is_read_until_it_expires() {
    let token = key().sign(&claims());
    assert_eq!(key().verify(&token, now()), Some(claims()));
    assert_eq!(key().verify(&token, Timestamp::from_millis(1_700_000_001_000)), None);
    assert_eq!(token, signed(&key(), r#"{"typ":"JWT","alg":"HS256"}"#, &serde_json::to_string(&claims()).unwrap()));
}

#[test]
fn a_token_of_another_agent_or_of_another_kind_is_none() {
    let body = serde_json::to_string(&claims()).unwrap();
    assert_eq!(key().verify(&TokenKey::from_bytes(&[2; 32]).sign(&claims()), now()), None);
    for header in [r#"{"typ":"JWT","alg":"none"}"#, r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"RS256"}"#, ""] {
        assert_eq!(key().verify(&signed(&key(), header, &body), now()), None, "{header}");
    }
    for body in ["", "{}", "[]", &body.replace("exp", "nbf"), &body.replace('}', r#","admin":true}"#)] {
        assert_eq!(key().verify(&signed(&key(), r#"{"typ":"JWT","alg":"HS256"}"#, body), now()), None, "{body}");
    }
    let token = key().sign(&claims());
    let unsigned = token.rsplit_once('.').unwrap().0;
    for cut in ["", "INVALID", HEADER, unsigned, &format!("{unsigned}."), &format!("{token}="), &format!("{token}.x")] {
        assert_eq!(key().verify(cut, now()), None, "{cut}");
    }
}

#[test]
fn too_long_a_token_is_none() {
    let token = key().sign(&Claims { roles: "R".repeat(4000), ..claims() });
    assert!(token.len() > MAX_LEN);
    assert_eq!(key().verify(&token, now()), None);
}

#[test]
fn the_key_is_made_once_and_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.key");
    let token = TokenKey::load_or_create(folder.path(), &Sevens).unwrap().sign(&claims());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let again = TokenKey::load_or_create(folder.path(), &Sevens).unwrap();
    assert_eq!(again.verify(&token, now()), Some(claims()));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = TokenKey::load_or_create(folder.path(), &Sevens).unwrap_err();
    assert!(error.to_string().contains("mode 0640"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for content in [&b"short"[..], &[0; 33], b""] {
        std::fs::write(&path, content).unwrap();
        let error = TokenKey::load_or_create(folder.path(), &Sevens).unwrap_err();
        assert!(matches!(error, KeyFileError::Damaged { .. }), "{error}");
    }
}

#[test]
#[ignore = "it measures: cargo test --release -p mf2c-auth -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn checking_a_token_takes_less_than_two_microseconds() {
    let (key, rounds) = (key(), 200_000u32);
    let token = key.sign(&Claims {
        username: "administrator".into(),
        roles: "ADMIN USER ANON session/2ba95fe4-7bf0-495d-9954-251d7417b3ce".into(),
        session: "session/2ba95fe4-7bf0-495d-9954-251d7417b3ce".into(),
        ..claims()
    });
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        assert!(std::hint::black_box(key.verify(std::hint::black_box(&token), now())).is_some());
    }
    let each = started.elapsed() / rounds;
    println!("checking a token of {} bytes takes {each:?}", token.len());
    assert!(each < std::time::Duration::from_micros(2), "{each:?}");
}

proptest! {
    #[test]
    fn no_change_of_a_token_is_accepted(at in 0usize..500, to in any::<char>()) {
        let token = key().sign(&claims());
        let mut changed: Vec<char> = token.chars().collect();
        let at = at % changed.len();
        changed[at] = to;
        let changed: String = changed.into_iter().collect();
        prop_assert_eq!(key().verify(&changed, now()).is_some(), changed == token);
    }

    #[test]
    fn any_text_is_safe_to_read(text in "\\PC{0,200}") {
        let headed = [HEADER, text.as_str()].concat();
        prop_assert!(key().verify(&text, now()).is_none() && key().verify(&headed, now()).is_none());
    }
}
