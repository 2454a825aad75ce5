//! Revocation lists (RFC 5280, 5): checked once when they come, then sets of serial numbers.

use std::collections::HashSet;

use mf2c_domain::time::Timestamp;
use thiserror::Error;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use super::Serial;
use super::der::Signed;
use super::peer::{authority_key_id, seconds};

/// The largest list, in bytes: about 100,000 certificates.
const MAX_LIST: usize = 4 << 20;

/// Why a revocation list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListError {
    /// Not a list.
    #[error("this is no certificate revocation list: {0}")]
    Form(String),
    /// It is not signed by the authority that it names, or names none: somebody forges lists.
    #[error("the revocation list is not signed by the authority that it names")]
    Forged,
    /// It is of an authority that this agent does not know, such as the one of an area beside its own: it concerns others.
    #[error("the revocation list is of an authority that is not known here")]
    Unknown,
    /// There is one with a higher number, or the same.
    #[error("the revocation list has number {number}, number {known} is known")]
    Old {
        /// Its number.
        number: u64,
        /// The number of the one that is known.
        known: u64,
    },
    /// It is past its end.
    #[error("the revocation list was to be replaced by {0}")]
    Expired(Timestamp),
}

/// A list whose signature was right.
#[derive(Debug)]
pub(super) struct List {
    pub(super) number: u64,
    pub(super) next_update: Timestamp,
    pub(super) der: Vec<u8>,
    pub(super) serials: HashSet<Serial>,
}

impl List {
    /// Reads a list that one of `signers` has signed, each a key identifier with the `SubjectPublicKeyInfo`.
    pub(super) fn read<'a>(
        der: &[u8],
        signers: impl Iterator<Item = (&'a String, &'a Vec<u8>)>,
    ) -> Result<(String, Self), ListError> {
        let form = |reason: &str| ListError::Form(reason.to_owned());
        if der.len() > MAX_LIST {
            return Err(form("it has more than 4 MiB"));
        }
        let signed = Signed::read(der).ok_or_else(|| form("expected DER and nothing after it"))?;
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|error| form(&error.to_string()))?;
        let claimed = authority_key_id(list.extensions().iter().map(|one| one.parsed_extension()));
        let mut candidates = signers.filter(|(id, _)| claimed.is_empty() || **id == claimed).peekable();
        if candidates.peek().is_none() {
            return Err(ListError::Unknown);
        }
        let (issuer, _) = candidates.find(|(_, key)| signed.is_by(key)).ok_or(ListError::Forged)?;
        let number = list.crl_number().ok_or_else(|| form("it has no number"))?;
        let number = u64::try_from(number).map_err(|_| form("its number has more than 64 bits"))?;
        let next = list.next_update().ok_or_else(|| form("it does not say when the next one comes"))?;
        let serials = list.iter_revoked_certificates().map(|entry| Serial::from_bytes(entry.raw_serial())).collect();
        let next_update = seconds(next.timestamp());
        Ok((issuer.clone(), Self { number, next_update, der: der.to_vec(), serials }))
    }
}
