//! Whom a client's certificate names. What stands in a certificate is read elsewhere, once a connection.

use std::sync::Arc;

use mf2c_domain::time::Timestamp;

/// A user of this agent, as a certificate names him that the handshake has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedUser {
    /// The user's name.
    pub name: String,
    /// The serial number, in lower-case hexadecimal.
    pub serial: String,
    /// The certified key: SHA-256 of its `SubjectPublicKeyInfo`, in hexadecimal.
    pub key: String,
    /// From when the certificate holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

/// Reads a certificate in DER that a handshake has let pass; none where it names no user of this agent.
pub type ReadCertificate = Arc<dyn Fn(&[u8]) -> Option<CertifiedUser> + Send + Sync>;
