//! The key and the certificate of a device, as cau-client keeps them.

use mf2c_domain::time::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CauError;
use crate::area::Serial;

/// An RSA key pair of 2048 bits: readers of the original encrypt to it, and know no other kind.
pub struct DeviceKey(KeyPair);

impl DeviceKey {
    /// A new pair. It takes up to a second.
    ///
    /// # Errors
    /// [`CauError::Key`] where the system has no randomness.
    pub fn generate() -> Result<Self, CauError> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        pair.map(Self).map_err(|error| CauError::Key(error.to_string()))
    }

    /// From PEM. The original wrote PKCS#8 below the label `RSA PRIVATE KEY`, which is for PKCS#1: both are read.
    ///
    /// # Errors
    /// [`CauError::Key`] where it is none, or shorter than 2048 bits.
    pub fn from_pem(pem: &str) -> Result<Self, CauError> {
        let bad = |error: String| CauError::Key(error);
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let plain = PrivatePkcs8KeyDer::from(der.secret_der());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&plain, &PKCS_RSA_SHA256)
            .or_else(|_| KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256));
        pair.map(Self).map_err(|error| bad(error.to_string()))
    }

    /// PKCS#8 in PEM, labelled `PRIVATE KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A PKCS#10 request in PEM for `CN=<common name>, OU=Fog, O=mF2C, C=EU`, as the original asks.
    ///
    /// # Errors
    /// [`CauError::Key`] where it cannot be signed.
    pub fn request(&self, common_name: &str) -> Result<String, CauError> {
        let failed = |error: rcgen::Error| CauError::Key(error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "EU");
        params.distinguished_name.push(DnType::OrganizationName, "mF2C");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "Fog");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.serialize_request(&self.0).map_err(failed)?.pem().map_err(failed)
    }

    pub(super) fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.0.serialize_der().into())
    }
}

/// A certificate that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    der: CertificateDer<'static>,
    key: Vec<u8>,
    common_name: String,
    from: Timestamp,
    until: Timestamp,
}

impl DeviceCertificate {
    /// The first certificate in a PEM text.
    ///
    /// # Errors
    /// [`CauError::Certificate`].
    pub fn from_pem(pem: &str) -> Result<Self, CauError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| CauError::Certificate(error.to_string()))?
            .into_owned();
        let moment = |seconds: i64| Timestamp::from_nanos(i128::from(seconds) * 1_000_000_000);
        let (key, common_name, from, until) = {
            let (_, read) =
                X509Certificate::from_der(&der).map_err(|error| CauError::Certificate(error.to_string()))?;
            let name = read.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
            let validity = read.validity();
            (
                read.public_key().raw.to_vec(),
                name.unwrap_or_default().to_owned(),
                moment(validity.not_before.timestamp()),
                moment(validity.not_after.timestamp()),
            )
        };
        Ok(Self { der, key, common_name, from, until })
    }

    /// DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The common name in its subject.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// Whether it is for this key.
    #[must_use]
    pub fn is_for(&self, key: &DeviceKey) -> bool {
        self.key == key.0.subject_public_key_info()
    }

    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it holds now and more than a third of its life is left.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.holds(now) && (self.until.nanos() - now.nanos()) * 3 > self.until.nanos() - self.from.nanos()
    }

    /// From when to when it holds.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        (self.from, self.until)
    }
}

/// The serial number of a certificate.
pub(super) fn serial(der: &[u8]) -> Option<Serial> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    Some(Serial::from_bytes(read.raw_serial()))
}

/// A public key in PEM as readers of the original want it: labelled `RSA PUBLIC KEY`, though what is in it is not PKCS#1.
/// They take off that label and no other. Keys of other kinds, which they cannot use anyway, keep theirs.
#[must_use]
pub fn mislabelled(public_key_pem: &str) -> String {
    // rsaEncryption (RFC 8017, A.1).
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
    let der = SubjectPublicKeyInfoDer::from_pem_slice(public_key_pem.as_bytes());
    let is_rsa = der.is_ok_and(|der| der.windows(RSA.len()).take(16).any(|bytes| bytes == RSA));
    if is_rsa { public_key_pem.replace(" PUBLIC KEY-", " RSA PUBLIC KEY-") } else { public_key_pem.to_owned() }
}

/// Whom a certificate names, for the log: its SPIFFE ID, or its subject, with its serial number.
#[must_use]
pub fn holder(der: &[u8]) -> String {
    let Ok((_, read)) = X509Certificate::from_der(der) else { return "an unreadable certificate".to_owned() };
    let uri = read.subject_alternative_name().ok().flatten().and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            x509_parser::extensions::GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        })
    });
    format!("{} (serial {})", uri.unwrap_or_else(|| read.subject().to_string()), read.raw_serial_as_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_also_with_the_label_of_the_original() {
        let key = DeviceKey::generate().unwrap();
        let pem = key.to_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{pem:.40}");
        let old = pem.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        for pem in [&pem, &old] {
            assert_eq!(DeviceKey::from_pem(pem).unwrap().0.subject_public_key_info(), key.0.subject_public_key_info());
        }
        let public = key.0.public_key_pem();
        assert_eq!(mislabelled(&public), public.replace("PUBLIC KEY", "RSA PUBLIC KEY"));
        assert_eq!(mislabelled("x"), "x");
        assert!(key.request("edge-7").unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
        for bad in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            assert!(DeviceKey::from_pem(bad).is_err());
        }
    }

    #[test]
    fn a_certificate_is_fresh_while_more_than_a_third_of_its_life_is_left() {
        let key = DeviceKey::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "edge-7");
        let read = DeviceCertificate::from_pem(&params.self_signed(&key.0).unwrap().pem()).unwrap();
        assert!(read.is_for(&key) && !read.is_for(&DeviceKey::generate().unwrap()));
        assert_eq!(read.common_name(), "edge-7");
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for (moment, fresh, holds) in [
            ("2025-12-31T00:00:00Z", false, false),
            ("2026-01-20T23:59:59Z", true, true),
            ("2026-01-21T00:00:00Z", false, true),
            ("2026-01-31T00:00:00Z", false, false),
        ] {
            assert_eq!((read.is_fresh(at(moment)), read.holds(at(moment))), (fresh, holds), "{moment}");
        }
        assert!(holder(read.der()).contains("edge-7"));
    }
}
