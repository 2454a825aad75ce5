//! The key of an agent: made on the machine that uses it.

use mf2c_domain::area::spiffe::SpiffeId;

use super::AreaError;

/// An ECDSA P-256 key pair.
pub struct AgentKey {
    // SKELETON: rcgen::KeyPair inside
}

impl AgentKey {
    /// A new pair.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn generate() -> Result<Self, AreaError> {
        todo!()
    }

    /// From PEM (`PRIVATE KEY`).
    ///
    /// # Errors
    /// Where it is none, or of another kind.
    pub fn from_pem(pem: &str) -> Result<Self, AreaError> {
        let _ = pem;
        todo!()
    }

    /// PKCS#8 in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        todo!()
    }

    /// A PKCS#10 request in DER, which asks for nothing but the certification of this key. `id` and `common_name` are
    /// informational: the authority fills in names itself.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn request(&self, id: Option<&SpiffeId>, common_name: &str) -> Result<Vec<u8>, AreaError> {
        let _ = (id, common_name);
        todo!()
    }

    /// SHA-256 of the public key's `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        todo!()
    }

    /// A signature (ECDSA P-256, SHA-256, ASN.1).
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AreaError> {
        let _ = message;
        todo!()
    }
}
