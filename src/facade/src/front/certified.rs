//! Whom a client's certificate names. What stands in a certificate is read elsewhere, once a connection.

use std::sync::Arc;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;

/// Whom a certificate names that the handshake has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certified {
    /// A user of this agent.
    User(CertifiedUser),
    /// Another agent of the area, or this one.
    Agent(CertifiedAgent),
}

/// An agent of the area, as its certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedAgent {
    /// Which.
    pub id: Arc<SpiffeId>,
    /// Until when the certificate holds.
    pub not_after: Timestamp,
}

impl CertifiedAgent {
    /// Who it is at this instant; nobody after the certificate's end.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Arc<SpiffeId>> {
        (now < self.not_after).then(|| Arc::clone(&self.id))
    }
}

/// A user of this agent, as a certificate names him that the handshake has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedUser {
    /// The user's name.
    pub name: String,
    /// The serial number, in lower-case hexadecimal.
    pub serial: String,
    /// The certified key: SHA-256 of its `SubjectPublicKeyInfo`, in hexadecimal.
    pub key: String,
    /// The key's identifier as older programs make it: SHA-1 of its bits (RFC 5280, 4.2.1.2), in hexadecimal.
    pub key_id: String,
    /// From when the certificate holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

/// Reads a certificate in DER that a handshake has let pass; none where it names neither a user of this agent nor an agent of
/// its area.
pub type ReadCertificate = Arc<dyn Fn(&[u8]) -> Option<Certified> + Send + Sync>;
