//! Whom an agent believes: roots, and the revocation lists of their authorities.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use thiserror::Error;

use super::der::Signed;
use super::lists::List;
use super::{ListError, PeerIdentity, Serial, path};

/// The most roots, and the most certificates of the own area's authority: two of each while they change.
const MAX_AUTHORITIES: usize = 8;
/// The most revocation lists: one for each root, and one for each authority.
const MAX_LISTS: usize = 2 * MAX_AUTHORITIES;

/// Roots, the certificates of the own area's authority, and checked revocation lists.
///
/// Lists are checked once, when they come, and kept as sets: a handshake costs the same however long they are.
#[derive(Clone, Default)]
pub struct Trust {
    sequence: u64,
    pub(super) trust_domain: String,
    roots: Vec<Vec<u8>>,
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// The roots in the order of [`Trust::anchors`].
    pub(super) known_roots: Vec<PeerIdentity>,
    intermediates: Vec<Vec<u8>>,
    known_intermediates: Vec<PeerIdentity>,
    /// Who may sign lists: `SubjectPublicKeyInfo` by key identifier.
    signers: BTreeMap<String, Vec<u8>>,
    /// By the key identifier of the issuer.
    pub(super) lists: BTreeMap<String, Arc<List>>,
}

/// Shows how much there is of each, not the certificates.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("sequence", &self.sequence)
            .field("trust_domain", &self.trust_domain)
            .field("roots", &self.roots.len())
            .field("intermediates", &self.intermediates.len())
            .field("lists", &self.list_numbers())
            .finish_non_exhaustive()
    }
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
    /// What is in a message of an authority, or on disk. Lists that cannot be taken are left out, with the reasons; lists
    /// past their end are kept, because what they revoke stays revoked, and named too. Certificates of authorities that
    /// no root vouches for are left out.
    ///
    /// # Errors
    /// Where a root or intermediate cannot be read, or they are of several trust domains.
    pub fn new(
        sequence: u64,
        roots: Vec<Vec<u8>>,
        intermediates: Vec<Vec<u8>>,
        lists: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(Self, Vec<ListError>), TrustError> {
        let mut trust = Self { sequence, ..Self::default() };
        if roots.is_empty() || roots.len().max(intermediates.len()) > MAX_AUTHORITIES {
            let reason = format!("expected 1 to {MAX_AUTHORITIES} roots and at most as many authorities");
            return Err(TrustError::Broken(reason));
        }
        for root in roots {
            trust.add_root(root)?;
        }
        for intermediate in intermediates {
            trust.add_intermediate(intermediate)?;
        }
        let mut refused = Vec::new();
        for list in lists.iter().take(MAX_LISTS) {
            match trust.read_list(list) {
                Ok((issuer, list)) => {
                    if list.next_update <= now {
                        refused.push(ListError::Expired(list.next_update));
                    }
                    trust.lists.insert(issuer, Arc::new(list));
                }
                Err(error) => refused.push(error),
            }
        }
        Ok((trust, refused))
    }

    fn add_root(&mut self, der: Vec<u8>) -> Result<(), TrustError> {
        let broken = |reason: String| TrustError::Broken(format!("a root: {reason}"));
        let (root, info) = PeerIdentity::read(&der).map_err(|error| broken(error.to_string()))?;
        let same_domain = self.known_roots.is_empty() || root.id.trust_domain == self.trust_domain;
        if root.id.subject != Subject::Root || !same_domain {
            return Err(broken(format!("it names {}", root.id)));
        }
        if !Signed::read(&der).is_some_and(|signed| signed.is_by(&info)) {
            return Err(broken("it is not signed by itself".to_owned()));
        }
        let certificate = CertificateDer::from(der.as_slice());
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|error| broken(error.to_string()))?;
        self.anchors.push(anchor.to_owned());
        self.trust_domain.clone_from(&root.id.trust_domain);
        self.signers.insert(root.key_id(), info);
        self.known_roots.push(root);
        self.roots.push(der);
        Ok(())
    }

    fn add_intermediate(&mut self, der: Vec<u8>) -> Result<(), TrustError> {
        let broken = |reason: String| TrustError::Broken(format!("an area's authority: {reason}"));
        let (area, info) = PeerIdentity::read(&der).map_err(|error| broken(error.to_string()))?;
        if !matches!(area.id.subject, Subject::Area { .. }) || area.id.trust_domain != self.trust_domain {
            return Err(broken(format!("it names {}", area.id)));
        }
        let roots = self.known_roots.iter().filter_map(|root| self.signers.get(&root.key_id()));
        let signed = Signed::read(&der).is_some_and(|signed| roots.into_iter().any(|root| signed.is_by(root)));
        if signed {
            self.signers.insert(area.key_id(), info);
            self.known_intermediates.push(area);
            self.intermediates.push(der);
        }
        Ok(())
    }

    /// The sequence number of the roots.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The trust domain that its roots name; empty where there are none.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The roots in DER.
    #[must_use]
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// The certificates of the own area's authority in DER.
    #[must_use]
    pub fn intermediates(&self) -> &[Vec<u8>] {
        &self.intermediates
    }

    /// The same, of the authority with this key identifier, the oldest first: while roots change, everybody knows the old
    /// root, and OpenSSL never tries a second certificate of an authority.
    pub(super) fn intermediates_of(&self, key_id: &str) -> Vec<&[u8]> {
        let with = self.known_intermediates.iter().zip(&self.intermediates);
        let mut own: Vec<_> = with.filter(|(known, _)| known.key_id() == key_id).collect();
        own.sort_by_key(|(known, _)| known.not_before);
        own.into_iter().map(|(_, der)| der.as_slice()).collect()
    }

    /// The lists in DER.
    #[must_use]
    pub fn lists(&self) -> Vec<Vec<u8>> {
        self.lists.values().map(|list| list.der.clone()).collect()
    }

    /// The number of the list of each issuer, by key identifier.
    #[must_use]
    pub fn list_numbers(&self) -> Vec<(String, u64)> {
        self.lists.iter().map(|(issuer, list)| (issuer.clone(), list.number)).collect()
    }

    /// How many serial numbers are in the lists.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.lists.values().map(|list| list.serials.len()).sum()
    }

    /// The serial numbers in the lists.
    pub fn revoked_serials(&self) -> impl Iterator<Item = &Serial> {
        self.lists.values().flat_map(|list| &list.serials)
    }

    /// The serial numbers in the list of one issuer, by its key identifier.
    pub fn revoked_by(&self, issuer: &str) -> impl Iterator<Item = &Serial> {
        self.lists.get(issuer).into_iter().flat_map(|list| &list.serials)
    }

    /// Reads a list and compares it with the one that is known.
    fn read_list(&self, der: &[u8]) -> Result<(String, List), ListError> {
        let (issuer, list) = List::read(der, self.signers.iter())?;
        match self.lists.get(&issuer) {
            Some(known) if known.number >= list.number => {
                Err(ListError::Old { number: list.number, known: known.number })
            }
            _ => Ok((issuer, list)),
        }
    }

    /// Takes a list if it is good and newer (vector V18).
    ///
    /// # Errors
    /// [`ListError`]; nothing changes then.
    pub fn take_list(&mut self, der: &[u8], now: Timestamp) -> Result<(), ListError> {
        let (issuer, list) = self.read_list(der)?;
        if list.next_update <= now {
            return Err(ListError::Expired(list.next_update));
        }
        self.lists.insert(issuer, Arc::new(list));
        Ok(())
    }

    /// Takes those lists of `other` that are newer and whose issuers are known here: what was revoked once is not
    /// forgotten with a new bundle.
    pub fn keep_lists_of(&mut self, other: &Self) {
        for (issuer, list) in &other.lists {
            let newer = self.lists.get(issuer).is_none_or(|known| known.number < list.number);
            if newer && self.signers.contains_key(issuer) {
                self.lists.insert(issuer.clone(), Arc::clone(list));
            }
        }
    }

    /// Whether the list of this issuer, by key identifier, has this serial number.
    pub(super) fn revokes(&self, issuer: &str, serial: &Serial) -> bool {
        self.lists.get(issuer).is_some_and(|list| list.serials.contains(serial))
    }

    /// Whether a list of a root has this serial number.
    pub(super) fn root_revokes(&self, serial: &Serial) -> bool {
        self.known_roots.iter().any(|root| self.revokes(&root.key_id(), serial))
    }

    /// Whether this certificate, or the authority that issued it, is revoked.
    #[must_use]
    pub fn is_revoked(&self, peer: &PeerIdentity) -> bool {
        if self.revokes(&peer.issuer, &peer.serial) || peer.authority.as_ref().is_some_and(|by| self.root_revokes(by)) {
            return true;
        }
        // Where it is not known which certificate of the authority was shown, one that is not revoked is enough.
        let mut own = self.known_intermediates.iter().filter(|known| known.key_id() == peer.issuer).peekable();
        peer.authority.is_none() && own.peek().is_some() && own.all(|known| self.root_revokes(&known.serial))
    }

    /// Checks a chain, own certificate first: signatures, dates, uses, area, revocation. `strict` refuses where the
    /// issuer's list is out of date.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn check(
        &self,
        chain: &[CertificateDer<'_>],
        as_server: bool,
        strict: bool,
        now: Timestamp,
    ) -> Result<PeerIdentity, TrustError> {
        path::check(self, chain, as_server, strict, now)
    }

    /// Checks a certificate that may have expired, for its renewal: everything but its end, that it was issued by an
    /// authority known here, and that it is not revoked. How long ago it may have expired is for the caller to compare.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn check_expired(&self, certificate: &[u8], strict: bool, now: Timestamp) -> Result<PeerIdentity, TrustError> {
        let broken = |error: super::PeerError| TrustError::Broken(error.to_string());
        let peer = PeerIdentity::of(certificate).map_err(broken)?;
        let chain = [CertificateDer::from(certificate)];
        let checked = self.check(&chain, false, false, now.min(peer.not_after))?;
        if strict {
            self.check_fresh(&checked.issuer, now)?;
        }
        Ok(checked)
    }

    /// Whether the list of this issuer is there and not past its end.
    pub(super) fn check_fresh(&self, issuer: &str, now: Timestamp) -> Result<(), TrustError> {
        match self.lists.get(issuer) {
            None => Err(TrustError::Broken("no revocation list of its authority is known here".to_owned())),
            Some(list) if list.next_update <= now => Err(TrustError::StaleList(list.next_update)),
            Some(_) => Ok(()),
        }
    }

    /// Whether this is a name in the trust domain of the roots.
    pub(super) fn covers(&self, id: &SpiffeId) -> bool {
        !self.known_roots.is_empty() && id.trust_domain == self.trust_domain
    }
}
