//! The certificate authorities of the original, each a root of its own, made at its first use.
//!
//! Their certificates are those of the original (cluster specification, a.1), but for what was wrong with them: serial
//! numbers are random, every leaf has a subject alternative name, and none outlives its authority.

use std::path::{Path, PathBuf};

use mf2c_domain::entropy::Entropy;
use mf2c_domain::legacy::certauths::{CaName, NameError, common_name};
use mf2c_domain::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject as _};
use thiserror::Error;
use time::{Duration, Month, OffsetDateTime, Time};
use x509_parser::asn1_rs::{Any, FromDer as _, OctetString, Sequence};
use x509_parser::prelude::{X509Certificate, X509CertificationRequest};

use crate::PkiError;
use crate::area::{Request, RequestError, Serial, certificate_pem, pem};
use crate::distinguished::carried_over;
use crate::files::{load, make_private_folder, read_chain, read_up_to, write_private};
use crate::selfsigned::dns_name;

/// Long enough that nobody has to give its certificate out again.
const ROOT_LIFE: Duration = Duration::days(3650);
/// A name of one part that no machine is called by hand: what the original calls devices.
const DEVICE: std::ops::RangeInclusive<usize> = 32..=63;

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum CertAuthError {
    /// What was sent is no request, or not a good one.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The name that is asked for cannot be certified.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Anything else in a request.
    #[error("{0}")]
    Asked(String),
    /// The authority is at its end.
    #[error("the authority {name} ended at {end}: remove its files from `certauths/` and give out the new certificate")]
    Ended {
        /// Which.
        name: CaName,
        /// When.
        end: Timestamp,
    },
    /// Its files cannot be used.
    #[error(transparent)]
    Files(#[from] PkiError),
    /// The cryptography failed, or the clock is off.
    #[error("the certificate could not be made: {0}")]
    Make(String),
}

/// A certificate that was signed.
#[derive(Debug)]
pub struct SignedLeaf {
    /// In DER.
    pub der: Vec<u8>,
    /// In PEM.
    pub pem: String,
    /// Whom it names.
    pub common_name: String,
    /// The certified key in PEM.
    pub public_key_pem: String,
}

/// One of the authorities.
pub struct CertAuth {
    name: CaName,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    until: OffsetDateTime,
}

impl CertAuth {
    /// The authority in `certauths/` of a data directory; it is made if it is not there. That takes a moment.
    ///
    /// # Errors
    /// Where files cannot be read or written, others may read the key, or it cannot be made.
    pub fn load_or_create(
        data_dir: &Path,
        name: CaName,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, CertAuthError> {
        let folder = data_dir.join("certauths");
        let [certificate, key] = ["pem", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
        let missing = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
        if missing(&certificate) {
            let (text, secret) = new_root(name, now, entropy)?;
            make_private_folder(&folder)?;
            // The key goes first: without its certificate it is nobody's, and the next use begins anew.
            write_private(&folder, &key, secret.as_bytes())?;
            write_private(&folder, &certificate, text.as_bytes())?;
        }
        // This looks at the mode of the key, and that both belong together.
        load(&certificate, &key)?;
        let chain = read_chain(&certificate)?;
        let (secret, _) = read_up_to(&key, 1 << 20)?;
        let secret = KeyPair::from_pem(&String::from_utf8_lossy(&secret)).map_err(make)?;
        let root = chain.first().ok_or_else(|| CertAuthError::Make("its file is empty".to_owned()))?;
        Self::read(name, root, secret)
    }

    fn read(name: CaName, root: &CertificateDer<'_>, key: KeyPair) -> Result<Self, CertAuthError> {
        let (_, parsed) = X509Certificate::from_der(root).map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = carried_over(parsed.subject()).map_err(CertAuthError::Make)?;
        let until = parsed.validity().not_after.to_datetime();
        let certificate = certificate_pem(root);
        Ok(Self { name, issuer: Issuer::new(params, key), certificate, until })
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Certifies the key of a request in PEM, under the name that it asks for. Nothing else that it asks for is granted.
    ///
    /// # Errors
    /// [`CertAuthError`].
    pub fn sign(&self, request: &str, now: Timestamp, entropy: &dyn Entropy) -> Result<SignedLeaf, CertAuthError> {
        let asked = |reason: String| CertAuthError::Asked(reason);
        let checked = Request::from_pem(request)?;
        // The name goes into the certificate as it is, so it is read from the bytes.
        let text = request.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
        let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes());
        let der = der.map_err(|error| asked(error.to_string()))?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|error| asked(error.to_string()))?;
        let subject = carried_over(&parsed.certification_request_info.subject)
            .map_err(|reason| asked(format!("its subject cannot be certified: {reason}")))?;
        let name = common_name(checked.common_name().unwrap_or_default())?;
        if let Some(other) = checked.names().iter().find(|other| *other != name) {
            let other = other.escape_debug();
            return Err(asked(format!("the request asks for the name `{other}`: only its common name is certified")));
        }
        let (alternative, public_key_pem) = (alternative_name(name, false)?, checked.public_key_pem());
        let der = self.leaf(subject, alternative, &checked, now, entropy)?;
        Ok(SignedLeaf { pem: certificate_pem(&der), der, common_name: name.to_owned(), public_key_pem })
    }

    /// Certifies the key of a request under a name that was checked elsewhere; the one that it asks for does not count.
    ///
    /// # Errors
    /// [`CertAuthError`].
    pub fn sign_for(
        &self,
        request: &Request,
        name: &str,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<SignedLeaf, CertAuthError> {
        let name = common_name(name)?;
        let der = self.leaf(subject(self.name, name), alternative_name(name, false)?, request, now, entropy)?;
        let public_key_pem = request.public_key_pem();
        Ok(SignedLeaf { pem: certificate_pem(&der), der, common_name: name.to_owned(), public_key_pem })
    }

    /// Makes an RSA key and certifies it for part of the infrastructure. Gives the key too: `RSA PRIVATE KEY` in PEM.
    ///
    /// # Errors
    /// [`CertAuthError`].
    pub fn make(
        &self,
        name: &str,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(String, SignedLeaf), CertAuthError> {
        let name = common_name(name)?;
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(make)?;
        let public_key_pem = pem::block(pem::PUBLIC_KEY, &key.subject_public_key_info());
        let der = self.leaf(subject(self.name, name), alternative_name(name, true)?, &key, now, entropy)?;
        let signed = SignedLeaf { pem: certificate_pem(&der), der, common_name: name.to_owned(), public_key_pem };
        let secret = bare_rsa(key.serialized_der())
            .ok_or_else(|| CertAuthError::Make("the key cannot be written".to_owned()))?;
        Ok((pem::block("RSA PRIVATE KEY", &secret), signed))
    }

    fn leaf(
        &self,
        subject: DistinguishedName,
        alternative: SanType,
        key: &impl PublicKeyData,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CertAuthError> {
        let now = moment(now)?;
        if now >= self.until {
            return Err(CertAuthError::Ended { name: self.name, end: timestamp(self.until) });
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.subject_alt_names = vec![alternative];
        params.serial_number = Some(SerialNumber::from_slice(Serial::random(entropy).bytes()));
        params.not_before = now.replace_time(Time::MIDNIGHT);
        params.not_after = a_year_later(params.not_before)?.min(self.until);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::DataEncipherment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer).map_err(make)?.der().to_vec())
    }
}

fn make(error: impl std::fmt::Display) -> CertAuthError {
    CertAuthError::Make(error.to_string())
}

fn subject(ca: CaName, name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject.push(DnType::OrganizationalUnitName, format!("{}-FOG", ca.owner.to_uppercase()));
    subject.push(DnType::OrganizationName, "mF2C");
    subject.push(DnType::CountryName, "EU");
    subject
}

/// A new authority: certificate and key in PEM.
fn new_root(name: CaName, now: Timestamp, entropy: &dyn Entropy) -> Result<(String, String), CertAuthError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name, &name.to_string());
    params.serial_number = Some(SerialNumber::from_slice(Serial::random(entropy).bytes()));
    params.not_before = moment(now)?.replace_time(Time::MIDNIGHT);
    params.not_after = params.not_before.checked_add(ROOT_LIFE).ok_or_else(|| make("the clock is off"))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(make)?;
    Ok((params.self_signed(&key).map_err(make)?.pem(), key.serialize_pem()))
}

/// What a leaf is known by to readers that do not look at its subject. Whoever has a join token chooses its name: it
/// becomes a host name only if it looks like the identifier of a device, which no other machine is called by. Others become
/// a URI, which names nobody whom a client could take for a server.
fn alternative_name(name: &str, by_operator: bool) -> Result<SanType, CertAuthError> {
    if by_operator && let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let host = dns_name(name).ok().filter(|_| !name.contains('*'));
    let device = DEVICE.contains(&name.len()) && !name.contains('.');
    match host.filter(|_| by_operator || device) {
        Some(host) => Ok(host),
        None => {
            let escaped = name.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            });
            let uri = format!("urn:mf2c:name:{}", escaped.collect::<String>());
            Ok(SanType::URI(uri.try_into().map_err(make)?))
        }
    }
}

/// The key in a PKCS#8 envelope (RFC 5208, 5), as the original hands it out.
fn bare_rsa(envelope: &[u8]) -> Option<Vec<u8>> {
    let (_, envelope) = Sequence::from_der(envelope).ok()?;
    let (rest, _version) = Any::from_der(&envelope.content).ok()?;
    let (rest, _algorithm) = Any::from_der(rest).ok()?;
    let (_, key) = OctetString::from_der(rest).ok()?;
    Some(key.as_ref().to_vec())
}

fn moment(now: Timestamp) -> Result<OffsetDateTime, CertAuthError> {
    OffsetDateTime::from_unix_timestamp_nanos(now.nanos()).map_err(make)
}

fn timestamp(moment: OffsetDateTime) -> Timestamp {
    Timestamp::from_nanos(moment.unix_timestamp_nanos())
}

/// The same day a calendar year later; the 28th of February for the 29th.
fn a_year_later(from: OffsetDateTime) -> Result<OffsetDateTime, CertAuthError> {
    let leap = from.month() == Month::February && from.day() == 29;
    let from = if leap { from.replace_day(28).map_err(make)? } else { from };
    from.replace_year(from.year() + 1).map_err(make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_its_length_and_the_29th_of_february_becomes_the_28th() {
        let day = |text: &str| moment(Timestamp::parse(text).unwrap()).unwrap();
        for (from, until) in [
            ("2026-06-01T00:00:00Z", "2027-06-01T00:00:00Z"),
            ("2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
            ("2027-06-01T00:00:00Z", "2028-06-01T00:00:00Z"),
        ] {
            assert_eq!(a_year_later(day(from)).unwrap(), day(until));
        }
    }

    #[test]
    fn only_an_operator_makes_host_names_of_what_is_none_of_a_device() {
        let device = "a".repeat(63);
        let host =
            |name: &str, by_operator| matches!(alternative_name(name, by_operator).unwrap(), SanType::DnsName(_));
        assert!(host(&device, false) && !host("cau", false) && !host("fog.example.org", false));
        assert!(host("cau", true) && host("fog.example.org", true));
        assert!(matches!(alternative_name("10.0.0.1", true).unwrap(), SanType::IpAddress(_)));
        let SanType::URI(uri) = alternative_name("10.0.0.1 é", false).unwrap() else { panic!() };
        assert_eq!(uri.as_str(), "urn:mf2c:name:10.0.0.1%20%C3%A9");
    }

    #[test]
    fn a_leaf_never_outlives_its_authority_and_an_authority_at_its_end_signs_nothing() {
        struct Ones;
        impl Entropy for Ones {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(1);
            }
        }
        let data = tempfile::tempdir().unwrap();
        let name = CaName::parse("uc1trustedca").unwrap();
        let day = |text: &str| Timestamp::parse(text).unwrap();
        let ca = CertAuth::load_or_create(data.path(), name, day("2026-01-02T03:04:05Z"), &Ones).unwrap();
        let again = CertAuth::load_or_create(data.path(), name, day("2030-01-02T03:04:05Z"), &Ones).unwrap();
        assert_eq!(ca.certificate(), again.certificate());
        let (secret, leaf) = again.make("a=b", day("2035-06-01T12:00:00Z"), &Ones).unwrap();
        assert!(secret.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        let (_, parsed) = X509Certificate::from_der(&leaf.der).unwrap();
        assert_eq!(parsed.validity().not_after.to_datetime(), again.until);
        assert_eq!(parsed.subject().iter().count(), 4);
        let ended = again.make("a", day("2036-01-01T00:00:00Z"), &Ones);
        assert!(matches!(ended, Err(CertAuthError::Ended { .. })), "{ended:?}");
        for bad in ["", "a,b", &"x".repeat(65)] {
            assert!(matches!(again.make(bad, day("2030-01-02T03:04:05Z"), &Ones), Err(CertAuthError::Name(_))));
        }
    }
}
