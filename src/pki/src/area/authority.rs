//! Authorities: the root, and the one of an area. They sign; what may be signed is decided elsewhere.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use thiserror::Error;

use super::{Request, Serial};

/// The life of a root.
pub const ROOT_LIFE: Duration = Duration::from_secs(3650 * 86_400);
/// The life of an area's authority.
pub const AREA_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// The usual life of an agent's certificate.
pub const LEAF_LIFE: Duration = Duration::from_secs(86_400);
/// How far a certificate is dated back, for clocks that are behind.
pub const BACKDATED: Duration = Duration::from_secs(300);

/// What an authority is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Signs the authorities of areas.
    Root,
    /// Signs agents and users of one area.
    Area,
}

/// What shall stand in a certificate.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The one URI among the subject alternative names. Its DNS name is added for agents.
    pub id: SpiffeId,
    /// The organisational unit: `agent`, `leader`, `user`.
    pub unit: &'static str,
    /// Host names and addresses besides, for servers.
    pub names: Vec<String>,
    /// Whether it may be shown by a server (agents) besides by a client (everybody).
    pub server: bool,
    /// How long it holds from now on.
    pub life: Duration,
}

/// A certificate that was signed.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER.
    pub der: Vec<u8>,
    /// Its serial number.
    pub serial: Serial,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds; never longer than its authority.
    pub not_after: Timestamp,
}

/// A key pair that signs certificates, with its own certificates: one, or one for each root while roots change.
pub struct Authority {
    // SKELETON
}

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum AreaError {
    /// A name that cannot stand in a certificate, or not in one of this authority.
    #[error("`{name}` cannot stand in a certificate of this authority: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority itself has expired or is not yet valid.
    #[error("the authority's own certificate holds from {from} to {until}: renew it, or set the clock")]
    Expired {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// A key or certificate that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The cryptography failed.
    #[error("failed to sign: {0}")]
    Sign(String),
}

impl Authority {
    /// A new self-signed root for a trust domain.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn new_root(trust_domain: &str, now: Timestamp, entropy: &dyn Entropy) -> Result<Self, AreaError> {
        let _ = (trust_domain, now, entropy);
        todo!()
    }

    /// A new key for an area's authority, with no certificate yet. Its request goes to [`Authority::certify_area`].
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn new_area(id: &SpiffeId) -> Result<Self, AreaError> {
        let _ = id;
        todo!()
    }

    /// From PEM: the key and its certificates.
    ///
    /// # Errors
    /// Where they cannot be read or do not belong together.
    pub fn from_pem(key: &str, certificates: &str) -> Result<Self, AreaError> {
        let _ = (key, certificates);
        todo!()
    }

    /// The key in PEM. It goes into a file of its owner and nowhere else.
    #[must_use]
    pub fn key_pem(&self) -> String {
        todo!()
    }

    /// The request for a certificate of this authority's own key, in DER.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn request(&self) -> Result<Vec<u8>, AreaError> {
        todo!()
    }

    /// Its certificates in DER, the newest first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// Takes other certificates for the same key.
    ///
    /// # Errors
    /// Where one is for another key or is none.
    pub fn set_certificates(&mut self, certificates: Vec<Vec<u8>>) -> Result<(), AreaError> {
        let _ = certificates;
        todo!()
    }

    /// Whom its certificate names.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        todo!()
    }

    /// The key identifier that stands in what it signs, in lower-case hexadecimal.
    #[must_use]
    pub fn key_id(&self) -> String {
        todo!()
    }

    /// The validity of its newest certificate.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        todo!()
    }

    /// As a root: the certificate of an area's authority, path length 0, which may vouch for host names below `domains`,
    /// for `localhost`, for `mf2c.internal`, and for addresses.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn certify_area(
        &self,
        request: &Request,
        id: &SpiffeId,
        domains: &[String],
        serial: Serial,
        now: Timestamp,
    ) -> Result<Issued, AreaError> {
        let _ = (request, id, domains, serial, now);
        todo!()
    }

    /// As an area's authority: a certificate for an agent or a user of this area.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn issue(
        &self,
        request: &Request,
        profile: &Profile,
        serial: Serial,
        now: Timestamp,
    ) -> Result<Issued, AreaError> {
        let _ = (request, profile, serial, now);
        todo!()
    }

    /// A revocation list in DER (RFC 5280, 5) that holds until `next_update`.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn revocation_list(
        &self,
        number: u64,
        revoked: &[(Serial, Timestamp)],
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, AreaError> {
        let _ = (number, revoked, now, next_update);
        todo!()
    }
}
