//! Session tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 by a key that only this agent has.
//!
//! Only tokens as we write them are read: the header is compared byte for byte, so that no token chooses how it is checked.
//! That somebody holds a good token does not mean that the session is still there: whoever reads it asks the store.

use std::path::Path;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::key_file::{self, KeyFileError};

/// Nothing longer is a token of ours.
pub const MAX_LEN: usize = 4096;

/// `{"typ":"JWT","alg":"HS256"}` in base64url, with the dot behind it.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who signed in.
    pub username: String,
    /// The roles with blanks between them; the session's id is one.
    pub roles: String,
    /// The session's id.
    pub session: String,
    /// Until when the token holds, in seconds since 1970.
    pub exp: u64,
}

/// Signs and checks tokens.
pub struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(...)")
    }
}

impl TokenKey {
    /// A key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key in `data_dir/session.key`; a random one is made at the first start.
    ///
    /// # Errors
    /// [`KeyFileError`] where the file cannot be read or made, is damaged, or others can read it.
    pub fn load_or_create(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, KeyFileError> {
        key_file::load_or_create(data_dir, entropy).map(|bytes| Self::from_bytes(&bytes))
    }

    /// The token that says this.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = HEADER.to_owned();
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let tag = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut token);
        token
    }

    /// What a token says, if we signed it and it still holds at `now`.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        if token.len() > MAX_LEN {
            return None;
        }
        let claims = token.strip_prefix(HEADER)?;
        let (signed, tag) = token.rsplit_once('.')?;
        let claims = &claims[..claims.len().checked_sub(tag.len() + 1)?];
        // 33: room for 44 characters, as the decoder reckons.
        let mut bytes = [0; 33];
        let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes).ok()?;
        // Compared in constant time.
        hmac::verify(&self.0, signed.as_bytes(), &bytes[..length]).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (now.millis() < claims.exp.saturating_mul(1000)).then_some(claims)
    }
}

/// Whether two tokens are the same; how much of them is the same cannot be told by the time it takes.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
