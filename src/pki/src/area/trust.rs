//! Whom an agent believes: roots, and the revocation lists of their authorities.

use mf2c_domain::time::Timestamp;
use thiserror::Error;

use super::{PeerIdentity, Serial};

/// Roots, the certificates of the own area's authority, and checked revocation lists.
///
/// Lists are checked once, when they come, and kept as sets: a handshake costs the same however long they are.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    // SKELETON: sequence, roots, intermediates, lists by issuer key id {number, this_update, next_update, der, serials}
}

/// Why a revocation list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListError {
    /// Not a list.
    #[error("this is no certificate revocation list: {0}")]
    Form(String),
    /// No authority that is believed has signed it: somebody forges lists.
    #[error("the revocation list is signed by no authority that is known here")]
    Forged,
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

/// Why a certificate is not believed. The texts go to the log and, without details, to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustError {
    /// Signed by nobody who is believed.
    #[error("no root that is known here vouches for the certificate")]
    UnknownAuthority,
    /// Past its end.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// Before its beginning.
    #[error("the certificate is not valid before {0}: compare the clocks of both machines")]
    NotYetValid(Timestamp),
    /// Revoked, or issued by an authority that is.
    #[error("the certificate {0} has been revoked")]
    Revoked(Serial),
    /// The names in it are not what its authority may vouch for.
    #[error("the certificate names {0}, which its authority cannot vouch for")]
    ForeignName(String),
    /// It was not made for this use.
    #[error("the certificate was not made for this: {0}")]
    Use(String),
    /// The list of its issuer is out of date, and the policy is strict.
    #[error("the revocation list of its authority is out of date since {0}")]
    StaleList(Timestamp),
    /// Anything else.
    #[error("the certificate is not usable: {0}")]
    Broken(String),
}

impl Trust {
    /// What is in a message of an authority, or on disk. Lists that cannot be taken are left out, with the reasons.
    ///
    /// # Errors
    /// Where a root or intermediate cannot be read.
    pub fn new(
        sequence: u64,
        roots: Vec<Vec<u8>>,
        intermediates: Vec<Vec<u8>>,
        lists: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(Self, Vec<ListError>), TrustError> {
        let _ = (sequence, roots, intermediates, lists, now);
        todo!()
    }

    /// The sequence number of the roots.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        todo!()
    }

    /// The roots in DER.
    #[must_use]
    pub fn roots(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// The certificates of the own area's authority in DER.
    #[must_use]
    pub fn intermediates(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// The lists in DER.
    #[must_use]
    pub fn lists(&self) -> Vec<Vec<u8>> {
        todo!()
    }

    /// The number of the list of each issuer, by key identifier.
    #[must_use]
    pub fn list_numbers(&self) -> Vec<(String, u64)> {
        todo!()
    }

    /// Takes a list if it is good and newer (vector V18).
    ///
    /// # Errors
    /// [`ListError`]; nothing changes then.
    pub fn take_list(&mut self, der: &[u8], now: Timestamp) -> Result<(), ListError> {
        let _ = (der, now);
        todo!()
    }

    /// Whether this certificate, or the authority that issued it, is revoked.
    #[must_use]
    pub fn is_revoked(&self, peer: &PeerIdentity) -> bool {
        let _ = peer;
        todo!()
    }

    /// Checks a chain, own certificate first: signatures, dates, uses, area, revocation. `strict` refuses where the
    /// issuer's list is out of date.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn check(
        &self,
        chain: &[rustls::pki_types::CertificateDer<'_>],
        as_server: bool,
        strict: bool,
        now: Timestamp,
    ) -> Result<PeerIdentity, TrustError> {
        let _ = (chain, as_server, strict, now);
        todo!()
    }
}
