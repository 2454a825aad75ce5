//! Certificate requests (PKCS#10, RFC 2986): read, checked, and reduced to what counts.

use thiserror::Error;

/// The largest request, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;

/// A request whose self-signature is right. Nothing that it asks for is believed; the names are there to be compared.
#[derive(Debug, Clone)]
pub struct Request {
    // SKELETON
    _private: (),
}

/// Why a request is refused.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Not a request.
    #[error("this is no certificate request: {0}")]
    Form(String),
    /// Its signature is wrong: who asks does not have the key.
    #[error("the certificate request is not signed by its own key")]
    Signature,
    /// A key that is too weak or of an unknown kind.
    #[error("the key of the certificate request is refused: {0}")]
    Key(String),
}

impl Request {
    /// Reads a request: ECDSA P-256 or P-384, RSA of 2048 bits or more, Ed25519. Extensions that it asks for are read
    /// leniently; `CA:TRUE` among them is ignored.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let _ = der;
        todo!()
    }

    /// The same from PEM (`CERTIFICATE REQUEST`, or `NEW CERTIFICATE REQUEST`).
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        let _ = pem;
        todo!()
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 32] {
        todo!()
    }

    /// The public key in PEM (`PUBLIC KEY`).
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        todo!()
    }

    /// The common name that it asks for, if any.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        todo!()
    }

    /// The subject that it asks for, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> String {
        todo!()
    }

    /// All subject alternative names that it asks for, as texts: URIs, DNS names and addresses. Others as `other`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        todo!()
    }
}
