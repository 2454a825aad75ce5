//! Certificates of a cluster that count no more: a revocation list (RFC 5280, 5) beside the cluster's certificate, signed by its key.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mf2c_domain::time::Timestamp;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use time::OffsetDateTime;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::{Cluster, FlockerError, LIFE, moment};
use crate::area::der::Signed;
use crate::area::{Serial, list_pem};
use crate::files::read_up_to;

/// The file of the list.
pub const LIST_FILE: &str = "cluster.crl";
/// The largest list, in bytes: about 100,000 certificates.
const LARGEST: u64 = 8 << 20;

/// What a list says: its number, and which certificates were revoked when.
struct List {
    number: u64,
    revoked: Vec<(Serial, OffsetDateTime)>,
}

impl List {
    /// Reads a list in PEM that one of these keys has signed, each a `SubjectPublicKeyInfo`.
    fn read(pem: &[u8], keys: &[Vec<u8>]) -> Result<Self, String> {
        let der = CertificateRevocationListDer::from_pem_slice(pem);
        let der = der.map_err(|_| "it holds no revocation list in PEM".to_owned())?;
        let signed = Signed::read(&der).ok_or("its list is no DER, or something follows it")?;
        if !keys.iter().any(|key| signed.is_by(key)) {
            return Err("its list is not signed by the key of this cluster".to_owned());
        }
        let (_, list) = CertificateRevocationList::from_der(&der).map_err(|error| error.to_string())?;
        let number = list.crl_number().map_or(0, |number| u64::try_from(number).unwrap_or(u64::MAX));
        let entries = list.iter_revoked_certificates();
        let revoked =
            entries.map(|entry| (Serial::from_bytes(entry.raw_serial()), entry.revocation_date.to_datetime()));
        Ok(Self { number, revoked: revoked.collect() })
    }
}

impl Cluster {
    /// The list, in PEM, with one more certificate: `known` is the list so far. None where that holds it already.
    ///
    /// # Errors
    /// [`FlockerError::Authority`] where `known` is no list of this cluster, or the number is that of the authority itself.
    pub fn revoke(&self, serial: &Serial, known: Option<&str>, now: Timestamp) -> Result<Option<String>, FlockerError> {
        if *serial == self.serial {
            return Err(FlockerError::Authority(
                "The certificate is that of the cluster's authority, which cannot revoke itself: expected one that it has \
                 issued. To end the cluster, initialize a new one and give its files to the control service."
                    .to_owned(),
            ));
        }
        let list = known.map(|pem| List::read(pem.as_bytes(), std::slice::from_ref(&self.key)));
        let list = list.transpose().map_err(|why| FlockerError::Authority(format!("The list is not taken: {why}.")))?;
        let mut list = list.unwrap_or(List { number: 0, revoked: vec![] });
        if list.revoked.iter().any(|(known, _)| known == serial) {
            return Ok(None);
        }
        let this_update = moment(now)?;
        list.revoked.push((serial.clone(), this_update));
        let entry = |(serial, at): &(Serial, OffsetDateTime)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial.bytes()),
            revocation_time: *at,
            reason_code: None,
            invalidity_date: None,
        };
        let number = Serial::from_bytes(&list.number.saturating_add(1).to_be_bytes());
        let id = self.key_id.clone().map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified);
        let params = CertificateRevocationListParams {
            this_update,
            // It holds as long as what it is about.
            next_update: this_update.checked_add(LIFE).ok_or(FlockerError::Clock(now))?,
            crl_number: SerialNumber::from_slice(number.bytes()),
            issuing_distribution_point: None,
            revoked_certs: list.revoked.iter().map(entry).collect(),
            key_identifier_method: id,
        };
        Ok(Some(list_pem(params.signed_by(&self.issuer)?.der())))
    }
}

/// What became of a list that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListRead<'a> {
    /// It is in force.
    Taken {
        /// How many certificates it holds.
        revoked: usize,
    },
    /// It is older than the one in force, which stays so.
    Older {
        /// Its number.
        number: u64,
        /// The number of the one in force.
        newest: u64,
    },
    /// It is none of this cluster: nobody is let in. What is wrong with it.
    Bad(&'a str),
}

/// Hears of each list that was read.
pub type Told = Arc<dyn Fn(ListRead<'_>) + Send + Sync>;

/// Which certificates of a cluster have been revoked, by the file, which is read again when it has changed.
pub struct Revocations {
    path: PathBuf,
    keys: Vec<Vec<u8>>,
    told: Told,
    known: Mutex<Known>,
}

/// What was found last.
struct Known {
    /// What distinguishes the file; none before there was one.
    stamp: Option<Stamp>,
    /// What is wrong with the file: nobody is let in.
    bad: Option<String>,
    /// The number of the newest list that was good, and what it holds.
    newest: u64,
    serials: Arc<HashSet<Serial>>,
}

impl Known {
    /// Takes a list, unless it takes back what was revoked: one is never shorter than those before it.
    fn take(&mut self, list: List) -> ListRead<'static> {
        let serials: HashSet<Serial> = list.revoked.into_iter().map(|(serial, _)| serial).collect();
        self.bad = None;
        if list.number < self.newest || list.number == self.newest && !serials.is_superset(&self.serials) {
            return ListRead::Older { number: list.number, newest: self.newest };
        }
        (self.newest, self.serials) = (list.number, Arc::new(serials));
        ListRead::Taken { revoked: self.serials.len() }
    }
}

/// The file's inode, size, and the time of its last change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i128);

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self(about.ino(), about.size(), i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec()))
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Revocations {
    /// Reads the list in a directory, if there is one; it must be signed by one of `authorities`.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn open(
        directory: &Path,
        authorities: &[CertificateDer<'_>],
        told: Told,
    ) -> Result<Self, (PathBuf, String)> {
        let path = directory.join(LIST_FILE);
        let key = |der: &CertificateDer<'_>| Some(X509Certificate::from_der(der).ok()?.1.public_key().raw.to_vec());
        let keys = authorities.iter().filter_map(key).collect();
        let none = Known { stamp: None, bad: None, newest: 0, serials: Arc::default() };
        let revocations = Self { path, keys, told, known: Mutex::new(none) };
        revocations.serials().map_err(|why| (revocations.path.clone(), why))?;
        Ok(revocations)
    }

    /// Whether a certificate has been revoked; all count as revoked while the list cannot be read.
    #[must_use]
    pub fn is_revoked(&self, serial: &Serial) -> bool {
        self.serials().map_or(true, |serials| serials.contains(serial))
    }

    fn serials(&self) -> Result<Arc<HashSet<Serial>>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let unreadable = |why: &str| format!("the revocation list cannot be read: {why}");
        match std::fs::metadata(&self.path) {
            Ok(about) if known.stamp != Some(Stamp::of(&about)) => {
                known.stamp = Some(Stamp::of(&about));
                let list = read_up_to(&self.path, LARGEST).map_err(|error| error.to_string());
                match list.and_then(|(pem, _)| List::read(&pem, &self.keys)) {
                    Ok(list) => (self.told)(known.take(list)),
                    Err(why) => {
                        (self.told)(ListRead::Bad(&why));
                        known.bad = Some(why);
                    }
                }
            }
            // What was revoked stays so for as long as the agent runs.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&error.to_string())),
        }
        known.bad.as_deref().map_or_else(|| Ok(Arc::clone(&known.serials)), |why| Err(why.to_owned()))
    }
}
