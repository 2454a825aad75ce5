//! Who is at the other end, from its certificate.

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;
use thiserror::Error;

use super::Serial;

/// What a certificate that was believed says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its name.
    pub id: SpiffeId,
    /// Its organisational unit: `agent`, `leader`, `user`.
    pub unit: String,
    /// Its serial number.
    pub serial: Serial,
    /// The key identifier of its issuer, in lower-case hexadecimal.
    pub issuer: String,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: [u8; 32],
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerError {
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Not exactly one URI that is a SPIFFE ID.
    #[error("the certificate does not name exactly one SPIFFE ID")]
    Name,
}

impl PeerIdentity {
    /// Reads a certificate in DER. Whether it is to be believed is decided by [`super::Trust`].
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn of(der: &[u8]) -> Result<Self, PeerError> {
        let _ = der;
        todo!()
    }
}
