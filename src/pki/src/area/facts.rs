//! What any certificate says of itself, ours or another authority's, for who keeps a record of it.

use mf2c_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::peer::{seconds, sha256};
use super::{PeerError, Serial, pem, subject};

/// The largest certificate that is looked at, in bytes.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its serial number.
    pub serial: Serial,
    /// Whom it names: its URI if it has exactly one, or its subject as RFC 4514 writes it.
    pub subject: String,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: [u8; 32],
}

impl Facts {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`PeerError::Unreadable`].
    pub fn of(der: &[u8]) -> Result<Self, PeerError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| PeerError::Unreadable)?;
        if !rest.is_empty() || der.len() > MAX_CERTIFICATE {
            return Err(PeerError::Unreadable);
        }
        let names = certificate.subject_alternative_name().map_err(|_| PeerError::Unreadable)?;
        let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uri = uris.next().filter(|_| uris.next().is_none()).map(str::to_owned);
        Ok(Self {
            serial: Serial::from_bytes(certificate.raw_serial()),
            subject: uri.unwrap_or_else(|| subject::rfc4514(certificate.subject())),
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
            key: sha256(certificate.public_key().raw),
        })
    }
}

/// A certificate in PEM.
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    pem::block(pem::CERTIFICATE, der)
}

/// A revocation list in PEM.
#[must_use]
pub fn list_pem(der: &[u8]) -> String {
    pem::block(pem::REVOCATION_LIST, der)
}

/// The first certificate in a text, in DER; none where there is none.
#[must_use]
pub fn certificate_from_pem(text: &str) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(text.as_bytes()).ok().map(|der| der.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Authority;

    struct Fixed;
    impl mf2c_domain::entropy::Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(9);
        }
    }

    #[test]
    fn the_facts_of_a_root_are_read_through_pem_and_back() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let root = Authority::new_root("fog.example", now, &Fixed).unwrap();
        let der = certificate_from_pem(&certificate_pem(&root.certificates()[0])).unwrap();
        let facts = Facts::of(&der).unwrap();
        assert_eq!(
            (facts.subject.as_str(), (facts.not_before, facts.not_after)),
            ("spiffe://fog.example", root.validity())
        );
        assert_eq!(facts.serial.to_string(), "09".repeat(16));
        assert_eq!(Facts::of(&der[1..]), Err(PeerError::Unreadable));
        assert_eq!(Facts::of(&[der, vec![0]].concat()), Err(PeerError::Unreadable));
        assert_eq!(certificate_from_pem("nothing"), None);
    }
}
