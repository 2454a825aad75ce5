//! Public keys: read in OpenSSH's form and in PEM, checked, and written as OpenSSH has them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, VerificationAlgorithm,
};
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use md5::{Digest as _, Md5};
use rustls::pki_types::{AlgorithmIdentifier, alg_id};

use super::encode::{public_key_info, rsa_public_key, string, strings};
use super::{FEWEST_BITS, LONGEST, MOST_BITS, SshKeyError, colons};
use crate::area::der::{self, INTEGER, SEQUENCE};
use crate::area::pem;

/// The longest exponent of an RSA key, in bytes.
const LONGEST_EXPONENT: usize = 8;

/// A public key that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// As SSH has it on the wire (RFC 4253, 6.6).
    blob: Vec<u8>,
    /// `SubjectPublicKeyInfo` in DER.
    info: Vec<u8>,
    comment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ed25519,
    P256,
    P384,
    P521,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Rsa, Self::Ed25519, Self::P256, Self::P384, Self::P521];

    const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "ssh-rsa",
            Self::Ed25519 => "ssh-ed25519",
            Self::P256 => "ecdsa-sha2-nistp256",
            Self::P384 => "ecdsa-sha2-nistp384",
            Self::P521 => "ecdsa-sha2-nistp521",
        }
    }

    /// The curve's name (RFC 5656, 10.1).
    const fn curve(self) -> Option<&'static str> {
        match self {
            Self::P256 => Some("nistp256"),
            Self::P384 => Some("nistp384"),
            Self::P521 => Some("nistp521"),
            Self::Rsa | Self::Ed25519 => None,
        }
    }

    const fn identifier(self) -> AlgorithmIdentifier {
        match self {
            Self::Rsa => alg_id::RSA_ENCRYPTION,
            Self::Ed25519 => alg_id::ED25519,
            Self::P256 => alg_id::ECDSA_P256,
            Self::P384 => alg_id::ECDSA_P384,
            Self::P521 => alg_id::ECDSA_P521,
        }
    }

    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rsa => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Self::Ed25519 => &ED25519,
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
        }
    }
}

impl PublicKey {
    /// Reads one key: a line as in `authorized_keys`, without options, or a PEM block `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`SshKeyError`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, SshKeyError> {
        if text.len() > LONGEST {
            return Err(SshKeyError::TooLong { bytes: text.len() });
        }
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(SshKeyError::Private);
        }
        match text.strip_prefix("-----BEGIN ") {
            Some(rest) => Self::from_pem(rest),
            None => Self::from_line(text),
        }
    }

    fn from_line(text: &str) -> Result<Self, SshKeyError> {
        let (name, rest) = text.split_once([' ', '\t']).ok_or(SshKeyError::Form)?;
        if text.contains(['\n', '\r']) {
            return Err(SshKeyError::Form);
        }
        let rest = rest.trim_start();
        let (encoded, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let looks_like_it = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@._".contains(&byte));
        if !looks_like_it || !encoded.starts_with("AAAA") {
            return Err(SshKeyError::Form);
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| SshKeyError::Kind { shown: name.chars().take(40).collect() })?;
        let blob = BASE64_STANDARD.decode(encoded).map_err(|_| damaged("base64"))?;
        let key = Self::from_blob(kind, &blob)?;
        let comment = Some(comment.trim()).filter(|comment| !comment.is_empty()).map(str::to_owned);
        Ok(Self { comment, ..key })
    }

    fn from_blob(kind: Kind, blob: &[u8]) -> Result<Self, SshKeyError> {
        let next = |bytes| string(bytes).ok_or_else(|| damaged("length"));
        let (name, rest) = next(blob)?;
        if name != kind.name().as_bytes() {
            return Err(damaged("kind"));
        }
        let (first, rest) = next(rest)?;
        let (second, rest) = if kind == Kind::Ed25519 { (&[][..], rest) } else { next(rest)? };
        if !rest.is_empty() {
            return Err(damaged("end"));
        }
        match kind {
            Kind::Rsa => Self::rsa(second, first),
            Kind::Ed25519 => Self::of(kind, first),
            _ if kind.curve().is_some_and(|curve| curve.as_bytes() == first) => Self::of(kind, second),
            _ => Err(damaged("curve")),
        }
    }

    fn from_pem(rest: &str) -> Result<Self, SshKeyError> {
        let (label, rest) = rest.split_once("-----").ok_or(SshKeyError::Form)?;
        let body = rest.strip_suffix(&format!("-----END {label}-----")).ok_or(SshKeyError::Form)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| damaged("base64"))?;
        match label {
            pem::PUBLIC_KEY => Self::from_info(&der),
            "RSA PUBLIC KEY" => Self::from_pkcs1(&der),
            _ => Err(SshKeyError::Form),
        }
    }

    fn from_info(der: &[u8]) -> Result<Self, SshKeyError> {
        let key = der::PublicKey::read(der).ok_or_else(|| damaged("DER"))?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.identifier().as_ref() == key.algorithm);
        match kind.ok_or_else(|| SshKeyError::Kind { shown: "of that algorithm".to_owned() })? {
            Kind::Rsa => Self::from_pkcs1(key.bits),
            kind => Self::of(kind, key.bits),
        }
    }

    /// From `RSAPublicKey` in DER (RFC 8017, A.1.1).
    ///
    /// # Errors
    /// [`SshKeyError`] with what is wrong.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, SshKeyError> {
        let numbers = der::only(der, SEQUENCE).and_then(|key| {
            let (modulus, rest) = der::expect(key.content, INTEGER)?;
            Some((modulus.content, der::only(rest, INTEGER)?.content))
        });
        let (modulus, exponent) = numbers.ok_or_else(|| damaged("DER"))?;
        Self::rsa(modulus, exponent)
    }

    /// From two numbers as both encodings write them: without needless zeros, and with one where they would be negative.
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, SshKeyError> {
        let magnitude = |number: &[u8]| {
            let digits = match number {
                [0, rest @ ..] => Some(rest).filter(|rest| rest.first().is_some_and(|first| *first >= 0x80)),
                [1..=0x7F, ..] => Some(number),
                _ => None,
            }?;
            Some(digits.len() * 8 - digits.first()?.leading_zeros() as usize)
        };
        let bits = magnitude(modulus).ok_or_else(|| damaged("modulus"))?;
        if !(FEWEST_BITS..=MOST_BITS).contains(&bits) {
            return Err(SshKeyError::Bits { bits });
        }
        let short = magnitude(exponent).is_some() && exponent.len() <= LONGEST_EXPONENT;
        short.then_some(()).ok_or_else(|| damaged("exponent"))?;
        let info = public_key_info(Kind::Rsa.identifier(), &rsa_public_key(modulus, exponent));
        check(Kind::Rsa, &info)?;
        let blob = strings(&[Kind::Rsa.name().as_bytes(), exponent, modulus]);
        Ok(Self { kind: Kind::Rsa, blob, info, comment: None })
    }

    /// One of a curve.
    fn of(kind: Kind, point: &[u8]) -> Result<Self, SshKeyError> {
        check(kind, point)?;
        let info = public_key_info(kind.identifier(), point);
        let name = kind.name().as_bytes();
        let blob = match kind.curve() {
            Some(curve) => strings(&[name, curve.as_bytes(), point]),
            None => strings(&[name, point]),
        };
        Ok(Self { kind, blob, info, comment: None })
    }

    /// As `authorized_keys` has it, without the comment: `ssh-rsa AAAA…`.
    #[must_use]
    pub fn openssh(&self) -> String {
        format!("{} {}", self.kind.name(), BASE64_STANDARD.encode(&self.blob))
    }

    /// What stood behind the key in its line.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    /// The fingerprint of a key that somebody brings: MD5 of [`PublicKey::info`] for RSA, in 16 pairs of digits; for the others SHA-256
    /// of the key on the wire as `ssh-keygen -l` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self.kind {
            Kind::Rsa => colons(&Md5::digest(&self.info)),
            _ => format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(digest(&SHA256, &self.blob))),
        }
    }
}

fn damaged(what: &'static str) -> SshKeyError {
    SshKeyError::Damaged { what }
}

/// Asks the library whether it could check signatures with the key: its point is on the curve, its numbers can be used.
fn check(kind: Kind, key: &[u8]) -> Result<(), SshKeyError> {
    // It takes compressed points as well, which SSH does not have.
    if kind.curve().is_some() && key.first() != Some(&4) {
        return Err(damaged("point"));
    }
    ParsedPublicKey::new(kind.algorithm(), key).map(drop).map_err(|_| damaged("content"))
}
