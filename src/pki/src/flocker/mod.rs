//! Flocker's certificates: a cluster's own authority, and what it issues for the control service, for nodes and for users
//! of the API.
//!
//! Contents as `flocker-ca` of ClusterHQ's Flocker writes them (facades specification, 1.3), but for the X.509 version:
//! the original says 1, which no strict reader of certificates takes; these say 3.

mod door;
mod name;
mod revoked;

use std::net::IpAddr;

use mf2c_domain::entropy::{Entropy, uuid_v4};
use mf2c_domain::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::area::Serial;
use crate::area::der::Signed;
use crate::distinguished::carried_over;
use crate::selfsigned::dns_name;

pub use door::{CLUSTER_FILE, CONTROL_FILES, ClusterUser, DoorError, server_config, user_of};
pub use name::{NameError, checked};
pub use revoked::{LIST_FILE, ListRead, Revocations, Told};

/// Common names of API users begin so.
pub const USER: &str = "user-";
/// Common names of nodes begin so.
const NODE: &str = "node-";
/// The common name of the control service, and the DNS name by which Flocker's own clients verify it.
pub const CONTROL: &str = "control-service";
/// Twenty years without leap days.
const LIFE: Duration = Duration::days(20 * 365);

/// Why no certificate was made.
#[derive(Debug, Error)]
pub enum FlockerError {
    /// A name that cannot stand in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The authority's files do not hold what they should.
    #[error("{0}")]
    Authority(String),
    /// The clock shows a time that no certificate can hold.
    #[error("the clock shows {0}, which no certificate can hold: set the clock")]
    Clock(Timestamp),
    /// The cryptography failed.
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// A certificate and its private key, both in PEM; the key as PKCS#8.
pub struct Pair {
    /// `CERTIFICATE`.
    pub certificate: String,
    /// `PRIVATE KEY`.
    pub key: String,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// The control service on this host: a DNS name or an address.
    Control(&'a str),
    /// The node with this id, a random UUID.
    Node(&'a str),
    /// The API user of this name.
    User(&'a str),
}

/// The authority of a cluster.
pub struct Cluster {
    issuer: Issuer<'static, KeyPair>,
    unit: String,
    /// The `SubjectPublicKeyInfo`.
    key: Vec<u8>,
    /// The subject, in DER.
    subject: Vec<u8>,
    /// The number of its own certificate.
    serial: Serial,
    /// The identifier of the key, where the certificate has one.
    key_id: Option<Vec<u8>>,
}

impl Cluster {
    /// Makes the authority of a new cluster: its certificate and key.
    ///
    /// # Errors
    /// [`FlockerError`].
    pub fn create(name: &str, now: Timestamp, entropy: &dyn Entropy) -> Result<Pair, FlockerError> {
        let unit = uuid_v4(entropy);
        let mut params = profile(&unit, &name::common_name("", name)?, now, entropy)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key()?;
        Ok(Pair { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// The authority from its two PEM files.
    ///
    /// # Errors
    /// [`FlockerError::Authority`] where they hold something else, or halves of two pairs.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, FlockerError> {
        let bad = |reason: &str| FlockerError::Authority(reason.to_owned());
        let key = KeyPair::from_pem(key).map_err(|_| bad("The file of the key holds no private key in PEM."))?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes());
        let der = der.map_err(|_| bad("The file holds no certificate in PEM."))?;
        let parsed = X509Certificate::from_der(&der).map_err(|_| bad("The certificate cannot be read."))?.1;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(bad("The certificate and the private key are halves of different pairs."));
        }
        if !parsed.is_ca() {
            return Err(bad("The certificate is not one of an authority."));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = carried_over(parsed.subject()).map_err(FlockerError::Authority)?;
        let id = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        if let Some(id) = &id {
            params.key_identifier_method = KeyIdMethod::PreSpecified(id.clone());
        }
        let unit = parsed.subject().iter_organizational_unit().find_map(|unit| unit.as_str().ok());
        let unit = unit.ok_or_else(|| bad("The certificate names no cluster: its subject has no OU."))?.to_owned();
        let (info, subject) = (key.subject_public_key_info(), parsed.subject().as_raw().to_vec());
        let serial = Serial::from_bytes(parsed.raw_serial());
        Ok(Self { issuer: Issuer::new(params, key), unit, key: info, subject, serial, key_id: id })
    }

    /// The id of the cluster: the organisational unit of all its certificates.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.unit
    }

    /// The serial number of a certificate in PEM, which this cluster has issued.
    ///
    /// # Errors
    /// [`FlockerError::Authority`] where it is none, or somebody else's.
    pub fn serial_of_own(&self, pem: &str) -> Result<Serial, FlockerError> {
        let none = || FlockerError::Authority("The file holds no certificate in PEM.".to_owned());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| none())?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| none())?;
        let is_signed = || Signed::read(&der).is_some_and(|signed| signed.is_by(&self.key));
        if parsed.issuer().as_raw() != self.subject || !is_signed() {
            return Err(FlockerError::Authority(format!(
                "The certificate was not issued by this cluster, {}: expected one that its cluster.key has signed.",
                self.unit
            )));
        }
        Ok(Serial::from_bytes(parsed.raw_serial()))
    }

    /// Makes a key and certifies it.
    ///
    /// # Errors
    /// [`FlockerError`].
    pub fn issue(&self, owner: Owner<'_>, now: Timestamp, entropy: &dyn Entropy) -> Result<Pair, FlockerError> {
        let common_name = match owner {
            Owner::Control(_) => CONTROL.to_owned(),
            Owner::Node(id) => checked(NODE, id)?,
            Owner::User(name) => checked(USER, name)?,
        };
        let mut params = profile(&self.unit, &common_name, now, entropy)?;
        match owner {
            Owner::Control(host) => params.subject_alt_names = names_of(host)?,
            Owner::Node(_) => {}
            Owner::User(_) => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        }
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// What all certificates have in common. The name is built from typed parts: a comma in it is a comma.
fn profile(
    unit: &str,
    common_name: &str,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<CertificateParams, FlockerError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(Serial::random(entropy).bytes()));
    // Readers of certificates that are strict about RFC 5280 ask for it, as Python's do since 3.13.
    params.use_authority_key_identifier_extension = true;
    params.not_before = moment(now)?;
    params.not_after = params.not_before.checked_add(LIFE).ok_or(FlockerError::Clock(now))?;
    Ok(params)
}

/// Certificates count whole seconds.
fn moment(now: Timestamp) -> Result<OffsetDateTime, FlockerError> {
    let seconds = i64::try_from(now.nanos().div_euclid(1_000_000_000)).map_err(|_| FlockerError::Clock(now))?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| FlockerError::Clock(now))
}

fn names_of(host: &str) -> Result<Vec<SanType>, FlockerError> {
    let bad = |_| NameError::Host(host.to_owned());
    let host = match host.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => dns_name(host).map_err(bad)?,
    };
    let mut names = vec![dns_name(CONTROL).map_err(bad)?];
    if !names.contains(&host) {
        names.push(host);
    }
    Ok(names)
}

/// RSA with 4096 bits; this takes a second or two.
fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn entropy() -> Counting {
        Counting(std::sync::atomic::AtomicU8::new(1))
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-02T03:04:05.678Z").unwrap()
    }

    #[test]
    fn names_are_typed_parts_and_the_validity_is_7300_days_from_this_second_on() {
        let root = Cluster::create("my, O=cluster", now(), &entropy()).unwrap();
        let cluster = Cluster::from_pem(&root.certificate, &root.key).unwrap();
        let user = cluster.issue(Owner::User("allison, CN=node-x"), now(), &entropy()).unwrap();
        let der = CertificateDer::from_pem_slice(user.certificate.as_bytes()).unwrap();
        let parsed = X509Certificate::from_der(&der).unwrap().1;
        assert_eq!(parsed.subject().iter().count(), 2);
        let names = crate::distinguished::common_names(parsed.subject()).unwrap();
        assert_eq!(names, ["user-allison, CN=node-x"]);
        let (from, until) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        assert_eq!((from, until - from), (1_767_323_045, 630_720_000));
        assert_eq!(parsed.version().0, 2);
        assert_eq!(cluster.id().len(), 36);

        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        for (certificate, key, reason) in [
            (&root.certificate, &other, "halves of different pairs"),
            (&user.certificate, &user.key, "not one of an authority"),
            (&root.key, &root.key, "no certificate in PEM"),
            (&root.certificate, &root.certificate, "no private key in PEM"),
        ] {
            let Err(error) = Cluster::from_pem(certificate, key) else { panic!("{reason}") };
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn a_list_grows_by_one_certificate_at_a_time_and_only_its_own_cluster_counts() {
        let [root, other] = [(); 2].map(|()| Cluster::create("c", now(), &entropy()).unwrap());
        let [cluster, stranger] = [&root, &other].map(|pair| Cluster::from_pem(&pair.certificate, &pair.key).unwrap());
        let [one, two] = ["0a:0b", "C0"].map(|text| text.parse::<Serial>().unwrap());
        let first = cluster.revoke(&one, None, now()).unwrap().unwrap();
        assert!(cluster.revoke(&one, Some(&first), now()).unwrap().is_none());
        let both = cluster.revoke(&two, Some(&first), now()).unwrap().unwrap();
        assert!(stranger.revoke(&two, Some(&first), now()).is_err() && cluster.revoke(&two, Some("x"), now()).is_err());

        let folder = tempfile::tempdir().unwrap();
        let (path, roots) =
            (folder.path().join(LIST_FILE), [CertificateDer::from_pem_slice(root.certificate.as_bytes()).unwrap()]);
        let put = |text: &str| {
            std::fs::write(folder.path().join("draft"), text).unwrap();
            std::fs::rename(folder.path().join("draft"), &path).unwrap();
        };
        let revocations = Revocations::open(folder.path(), &roots, std::sync::Arc::new(|_| {})).unwrap();
        let found = || [&one, &two].map(|serial| revocations.is_revoked(serial));
        assert_eq!(found(), [false, false]);
        put(&first);
        assert_eq!(found(), [true, false]);
        put(&both);
        assert_eq!(found(), [true, true]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found(), [true, true], "what was revoked stays so");
        put(&first);
        assert_eq!(found(), [true, true], "an older list takes nothing back");
        for bad in ["", "nonsense", &root.certificate, &stranger.revoke(&one, None, now()).unwrap().unwrap()] {
            put(bad);
            assert!(revocations.is_revoked(&"ff".parse().unwrap()), "nobody is let in");
            assert!(Revocations::open(folder.path(), &roots, std::sync::Arc::new(|_| {})).is_err());
        }
        put(&first);
        assert_eq!(found(), [true, true], "the newest that was good is in force again");
        // The same number, made by two who knew nothing of each other.
        let other_first = cluster.revoke(&two, None, now()).unwrap().unwrap();
        let anew = Revocations::open(folder.path(), &roots, std::sync::Arc::new(|_| {})).unwrap();
        put(&other_first);
        assert_eq!([&one, &two].map(|serial| anew.is_revoked(serial)), [true, false]);
        put(&both);
        assert_eq!([&one, &two].map(|serial| anew.is_revoked(serial)), [true, true]);
    }

    #[test]
    fn a_certificate_is_known_by_who_issued_it() {
        let [root, other] = [(); 2].map(|()| Cluster::create("c", now(), &entropy()).unwrap());
        let [cluster, stranger] = [&root, &other].map(|pair| Cluster::from_pem(&pair.certificate, &pair.key).unwrap());
        let user = cluster.issue(Owner::User("allison"), now(), &entropy()).unwrap();
        let serial = cluster.serial_of_own(&user.certificate).unwrap();
        let der = CertificateDer::from_pem_slice(user.certificate.as_bytes()).unwrap();
        assert_eq!(serial, user_of(&der).unwrap().serial);
        // It has the same name, and even the same id, and another key.
        let error = stranger.serial_of_own(&user.certificate).unwrap_err().to_string();
        assert!(error.contains("was not issued by this cluster"), "{error}");
        assert!(cluster.serial_of_own(&user.key).unwrap_err().to_string().contains("no certificate in PEM"));
    }

    #[test]
    fn the_name_of_the_control_service_stands_once() {
        assert_eq!(names_of("control-service").unwrap().len(), 1);
        assert_eq!(names_of("::1").unwrap().len(), 2);
        assert!(matches!(names_of("two words"), Err(FlockerError::Name(NameError::Host(_)))));
    }
}
