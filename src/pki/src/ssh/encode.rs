//! Writes the two encodings of keys: DER (X.690) and the strings of SSH (RFC 4251, 5).

use rustls::pki_types::AlgorithmIdentifier;

use crate::area::der::{BIT_STRING, INTEGER, SEQUENCE};

/// One element of DER.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = length.iter().skip_while(|digit| **digit == 0).copied().collect::<Vec<u8>>();
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match content.len() {
        short @ 0..=0x7F => out.push(short.to_le_bytes()[0]),
        _ => {
            out.push(0x80 | digits.len().to_le_bytes()[0]);
            out.extend_from_slice(&digits);
        }
    }
    out.extend_from_slice(content);
    out
}

/// `SubjectPublicKeyInfo` (RFC 5280, 4.1).
pub(super) fn public_key_info(algorithm: AlgorithmIdentifier, key: &[u8]) -> Vec<u8> {
    let algorithm = element(SEQUENCE, algorithm.as_ref());
    let key = element(BIT_STRING, &[&[0], key].concat());
    element(SEQUENCE, &[algorithm, key].concat())
}

/// `RSAPublicKey` (RFC 8017, A.1.1).
pub(super) fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(INTEGER, modulus), element(INTEGER, exponent)].concat())
}

/// The strings of a public key of SSH, one after the other.
pub(super) fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![];
    for part in parts {
        // No part is longer than a text that is read here.
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// The first string of these, and what follows.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
