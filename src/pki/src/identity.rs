//! `ServerIdentity`: a certificate chain and its private key.

use std::fmt;

use mf2c_domain::time::Timestamp;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{Fingerprint, PkiError, provider};

/// What a listener proves itself with: the own certificate first, then those that signed it, and the private key.
pub struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    not_after: Timestamp,
}

impl ServerIdentity {
    /// Joins a chain and a key, having looked that they belong together.
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, PkiError> {
        let unusable = |source| PkiError::Unusable { source };
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider()).map_err(unusable)?;
        let bad = || unusable(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding));
        let not_after = chain.first().and_then(|own| not_after(own)).ok_or_else(bad)?;
        Ok(Self { chain, key, not_after })
    }

    /// The certificates, the own one first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(crate) fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// The end of the own certificate's validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-256 of the own certificate, in upper-case hexadecimal with colons, as browsers and `openssl` show it.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> String {
        self.chain.first().map(|own| Fingerprint::of(own).to_string()).unwrap_or_default()
    }
}

/// Shows the certificate's fingerprint, never the key.
impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("fingerprint", &self.fingerprint_sha256()).finish_non_exhaustive()
    }
}

/// The end of a certificate's validity; `None` where it cannot be read.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    validity(certificate).map(|(_, end)| end)
}

/// The beginning and the end of a certificate's validity; `None` where they cannot be read.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds: i64| Timestamp::from_nanos(i128::from(seconds) * 1_000_000_000);
    let validity = parsed.validity();
    Some((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}
