//! Join tokens: one line that lets one machine into an area once.
//!
//! ```text
//! mf2c1.<SHA-256 of the root certificate, 64 hex>.<token id, 16 hex>.<secret, 32 bytes base64url>@<host>:<port>
//! ```
//!
//! The hash comes first because the joiner checks it first: the secret is sent to nobody but an agent that shows a
//! certificate below that root. All areas are below it, and their leaders are not each other's: the last bytes of the
//! secret name the one leader that may see it.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::role::MemberRole;
use super::spiffe::SpiffeId;
use crate::entropy::Entropy;
use crate::time::Timestamp;

/// The longest line, in bytes: 135 of token, a host name of 253, a port.
pub const LONGEST_TOKEN: usize = 400;
/// How long the reply to a lost answer is given again to the same key, in seconds.
pub const REPEAT_WITHIN: u64 = 60;
/// The longest life of a token, in seconds.
pub const LONGEST_LIFE: u64 = 24 * 3600;
/// The life of a token that nobody chose, in seconds.
pub const USUAL_LIFE: u64 = 600;

/// How many bytes of a secret name the leader: so many that nobody finds another name for them, and the 20 random ones
/// before them are more than anybody guesses.
const NAMING: usize = 12;

/// The last bytes of secrets that this leader may see.
fn naming(leader: &SpiffeId) -> [u8; NAMING] {
    let digest = Sha256::new().chain_update("mf2c join leader 1\0").chain_update(leader.to_string()).finalize();
    let mut naming = [0; NAMING];
    naming.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    naming
}

/// A token as its bearer has it.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the root certificate in DER.
    pub root: [u8; 32],
    /// Names the token, and is no secret: 16 lower-case hexadecimal digits.
    pub id: String,
    /// Proves the bearer.
    pub secret: Secret,
    /// Where the authority listens: `host:port`.
    pub address: String,
}

/// What proves the bearer of a token. It is never shown but in the token itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The bytes, for the digest and for the wire.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What an authority keeps of it: its SHA-256 in hexadecimal. Nobody finds 20 random bytes from it, so it needs no salt.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0))
    }

    /// Whether `kept` is the digest of this secret. The time it takes does not depend on where they differ.
    #[must_use]
    pub fn fits(&self, kept: &str) -> bool {
        let kept = unhex(kept);
        let own: [u8; 32] = Sha256::digest(self.0).into();
        let differences =
            own.iter().zip(kept.unwrap_or_default()).fold(0, |all, (own, kept)| black_box(all | (own ^ kept)));
        differences == 0 && kept.is_some()
    }
}

impl From<[u8; 32]> for Secret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a line is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Of no such form.
    #[error("this is no join token: expected `mf2c1.HASH.ID.SECRET@HOST:PORT`, as `mf2c token create` prints it")]
    Form,
    /// Of a later version.
    #[error("this join token is of a kind that this version does not know: update mf2c on this machine")]
    Version,
    /// Characters are missing or were changed.
    #[error("this join token is not complete: {0}")]
    Part(&'static str),
}

impl JoinToken {
    /// A new token, which `leader` takes.
    #[must_use]
    pub fn new(root: [u8; 32], leader: &SpiffeId, address: String, entropy: &dyn Entropy) -> Self {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        entropy.fill(&mut id);
        entropy.fill(&mut secret);
        secret.iter_mut().rev().zip(naming(leader).into_iter().rev()).for_each(|(to, from)| *to = from);
        Self { root, id: hex(&id), secret: Secret(secret), address }
    }

    /// Whether this agent may see the secret: it has made the token.
    #[must_use]
    pub fn is_for(&self, leader: &SpiffeId) -> bool {
        self.secret.0.ends_with(&naming(leader))
    }
}

/// The token itself, with its secret: this is what the bearer gets.
impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(self.secret.0);
        write!(f, "mf2c1.{}.{}.{secret}@{}", hex(&self.root), self.id, self.address)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("id", &self.id).field("address", &self.address).finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > LONGEST_TOKEN {
            return Err(TokenError::Form);
        }
        // The address is at the end, so it is the first to be lost.
        let (token, address) = text.split_once('@').map_or((text, None), |(token, address)| (token, Some(address)));
        let mut parts = token.split('.');
        match parts.next() {
            Some("mf2c1") => {}
            Some(other) if other.starts_with("mf2c") => return Err(TokenError::Version),
            _ => return Err(TokenError::Form),
        }
        let root = parts.next().ok_or(TokenError::Form)?;
        let root = unhex(root).ok_or(TokenError::Part("the root's hash is not 64 hexadecimal digits"))?;
        let id = parts.next().ok_or(TokenError::Part("the token's id and all that follows are missing"))?;
        if id.len() != 16 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(TokenError::Part("the token's id is not 16 hexadecimal digits"));
        }
        let secret = parts.next().ok_or(TokenError::Part("the secret and the address are missing"))?;
        if parts.next().is_some() {
            return Err(TokenError::Form);
        }
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let secret = secret.ok_or(TokenError::Part("the secret is not 43 characters of base64url"))?;
        let address =
            address.ok_or(TokenError::Part("the address is missing: expected `@HOST:PORT` behind the secret"))?;
        check_address(address)?;
        Ok(Self { root, id: id.to_owned(), secret: Secret(secret), address: address.to_owned() })
    }
}

/// Whether this is `host:port`.
///
/// # Errors
/// [`TokenError::Part`].
pub fn check_address(address: &str) -> Result<(), TokenError> {
    let wrong = || TokenError::Part("the address behind `@` is not HOST:PORT");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host_bytes = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    let good = !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(host_bytes)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    good.then_some(()).ok_or_else(wrong)
}

/// What an authority knows of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// As in [`JoinToken::id`].
    pub id: String,
    /// What the bearer is admitted as.
    pub role: MemberRole,
    /// The area that the bearer becomes a member of: the authority's own, or for a leader the one that it will lead.
    pub area: String,
    /// The only device that may use it; none: any that has no certificate yet.
    pub device: Option<String>,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// What it was used for, if it was.
    pub used: Option<TokenUse>,
}

/// A use of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// SHA-256 of the public key that was certified.
    pub key: [u8; 32],
    /// The serial number of the certificate.
    pub serial: String,
    /// When.
    pub at: Timestamp,
}

/// What somebody wants of a token, after its secret was found to be right.
#[derive(Debug, Clone)]
pub struct TokenAsk<'a> {
    /// As what to be admitted.
    pub role: MemberRole,
    /// The area that the asker believes to join, where it says one.
    pub area: Option<&'a str>,
    /// Who asks.
    pub device: &'a str,
    /// SHA-256 of the public key to be certified.
    pub key: [u8; 32],
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Issue a certificate, and mark the token as used in the same write.
    Issue,
    /// The answer was lost: give the certificate with this serial number again.
    Repeat(String),
}

/// Why a token admits nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenRefusal {
    /// Used by another key, or too long ago.
    #[error("the token has been used: ask for a new one")]
    Used,
    /// Out of date.
    #[error("the token expired at {0}: ask for a new one")]
    Expired(Timestamp),
    /// Right, but for something else.
    #[error("the token does not allow this: {0}")]
    Forbidden(&'static str),
}

/// Whether a token may be used for this, now (vectors V2 to V5 of the specification).
///
/// # Errors
/// [`TokenRefusal`]; the token stays as it was.
pub fn judge(record: &TokenRecord, ask: &TokenAsk<'_>, now: Timestamp) -> Result<Verdict, TokenRefusal> {
    if ask.role != record.role {
        return Err(TokenRefusal::Forbidden("it was made for another role"));
    }
    if ask.area.is_some_and(|area| area != record.area) {
        return Err(TokenRefusal::Forbidden("it was made for another area"));
    }
    if record.device.as_deref().is_some_and(|device| device != ask.device) {
        return Err(TokenRefusal::Forbidden("it was made for another device"));
    }
    if let Some(used) = &record.used {
        let recent = now.nanos() - used.at.nanos() <= i128::from(REPEAT_WITHIN) * 1_000_000_000;
        let same = used.key == ask.key && recent;
        return if same { Ok(Verdict::Repeat(used.serial.clone())) } else { Err(TokenRefusal::Used) };
    }
    if now >= record.expires { Err(TokenRefusal::Expired(record.expires)) } else { Ok(Verdict::Issue) }
}

/// What a token says of a root: the SHA-256 of its certificate in DER.
#[must_use]
pub fn root_hash(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The 32 bytes that [`hex`] wrote; none for any other text.
#[must_use]
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
