//! New pairs of RSA keys, in the forms that old clients look for.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use rustls::pki_types::alg_id;

use super::encode::element;
use super::{PublicKey, SshKeyError, colons};
use crate::area::der::{INTEGER, OCTET_STRING, SEQUENCE, expect, first, only};
use crate::area::pem;

/// A pair that was made here. Whoever asked for it gets the private key; nobody keeps it.
pub struct Pair {
    /// The public key.
    pub public: PublicKey,
    /// PKCS#1 in PEM: `BEGIN RSA PRIVATE KEY`.
    pub private_pem: String,
    /// See [`fingerprint_of_private`].
    pub fingerprint: String,
}

/// Shows the fingerprint, never the private key.
impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Pair {
    /// A new pair of RSA keys of 2048 bits. It takes a core for a tenth of a second, sometimes for a whole one.
    ///
    /// # Errors
    /// [`SshKeyError::Make`].
    pub fn generate() -> Result<Self, SshKeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SshKeyError::Make)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SshKeyError::Make)?;
        let pkcs1 = pkcs1_of(pkcs8.as_ref()).ok_or(SshKeyError::Make)?;
        Ok(Self {
            public: PublicKey::from_pkcs1(pair.public_key().as_ref())?,
            private_pem: rsa_private_pem(pkcs1),
            fingerprint: fingerprint_of_private(pkcs1),
        })
    }
}

/// The `RSAPrivateKey` (RFC 8017, A.1.2) in a private key in PKCS#8 (RFC 5208); none where it is of another kind.
#[must_use]
pub fn pkcs1_of(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, rest) = expect(only(pkcs8, SEQUENCE)?.content, INTEGER)?;
    let (algorithm, rest) = expect(rest, SEQUENCE)?;
    let (key, _) = expect(rest, OCTET_STRING)?;
    let is_rsa = algorithm.content == alg_id::RSA_ENCRYPTION.as_ref();
    let is_private = is_rsa && first(key.content).is_some_and(|(key, rest)| key.tag == SEQUENCE && rest.is_empty());
    is_private.then_some(key.content)
}

/// An `RSAPrivateKey` in PKCS#8, version 1, unencrypted.
#[must_use]
pub fn pkcs8_of(pkcs1: &[u8]) -> Vec<u8> {
    let version = element(INTEGER, &[0]);
    let algorithm = element(SEQUENCE, alg_id::RSA_ENCRYPTION.as_ref());
    element(SEQUENCE, &[version, algorithm, element(OCTET_STRING, pkcs1)].concat())
}

/// An `RSAPrivateKey` in PEM, as programs of old look for it: `BEGIN RSA PRIVATE KEY`.
#[must_use]
pub fn rsa_private_pem(pkcs1: &[u8]) -> String {
    pem::block("RSA PRIVATE KEY", pkcs1)
}

/// The fingerprint of an RSA pair that was made for somebody: SHA-1 of the private key in PKCS#8, in 20 pairs of digits.
#[must_use]
pub fn fingerprint_of_private(pkcs1: &[u8]) -> String {
    colons(digest(&SHA1_FOR_LEGACY_USE_ONLY, &pkcs8_of(pkcs1)).as_ref())
}
