//! Signing in with somebody else's token. No issuer is trusted yet, so the best token is refused; but what is wrong with
//! a bad one is told, as the original's clients expect.

use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// The longest token that is read, in bytes.
const MAX_LEN: usize = 16 * 1024;
/// The most characters of the issuer's name that the answer repeats.
const MAX_SHOWN: usize = 80;

/// Why this token signs nobody in.
pub(super) fn refuse(token: &str) -> ApiError {
    let Some(claims) = claims(token) else {
        return ApiError::bad_request(
            "invalid JWT authentication token: cannot parse JWT, expected three parts of base64url",
        );
    };
    let issuer = claims.get("iss").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if issuer.is_empty() {
        return ApiError::bad_request("JWT token is missing issuer (iss) attribute");
    }
    let shown: String = issuer.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    ApiError::new(StatusCode::FORBIDDEN, format!("invalid credentials for '{shown}'")).about(shown)
}

/// What the token says, unproved.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.').filter(|_| token.len() <= MAX_LEN);
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || URL_SAFE_NO_PAD.decode(signature).is_err() {
        return None;
    }
    let object = |part: &str| serde_json::from_slice::<Map<String, Value>>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    object(header).and_then(|_| object(claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"))
    }

    #[test]
    fn a_bad_token_is_told_from_a_token_of_nobody_we_trust() {
        for bad in ["", "a", "a.b.c", "..", &format!("{}.x", token("{}")), &token("[]"), &"x.".repeat(1 << 20)] {
            let error = refuse(bad).document();
            assert_eq!(error["status"], 400);
            assert!(error["message"].as_str().unwrap().contains("cannot parse JWT"));
        }
        for nobody in ["{}", r#"{"iss":7}"#, r#"{"iss":" "}"#] {
            assert!(refuse(&token(nobody)).document()["message"].as_str().unwrap().contains("missing issuer"));
        }
        let stranger = refuse(&token(r#"{"iss":"a\nb"}"#)).document();
        assert_eq!(
            (&stranger["status"], &stranger["message"]),
            (&403.into(), &r"invalid credentials for 'a\nb'".into())
        );
    }
}
