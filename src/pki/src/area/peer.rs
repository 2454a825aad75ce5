//! Who is at the other end, from its certificate.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;
use thiserror::Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Serial;

/// The largest certificate that is looked at, in bytes: ours have about 800.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// What a certificate that was believed says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its name.
    pub id: SpiffeId,
    /// Its organisational unit: `agent`, `leader`, `founder`, `user`.
    pub unit: String,
    /// Its serial number.
    pub serial: Serial,
    /// The key identifier of its issuer, in lower-case hexadecimal.
    pub issuer: String,
    /// The serial number of the issuer's own certificate; none as long as [`super::Trust`] has not checked the chain.
    pub authority: Option<Serial>,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: [u8; 32],
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerError {
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Not exactly one URI that is a SPIFFE ID.
    #[error("the certificate does not name exactly one SPIFFE ID")]
    Name,
    /// A proof that the key of the certificate has not made.
    #[error("the proof is not signed with the key of the certificate")]
    Proof,
}

impl PeerIdentity {
    /// Reads a certificate in DER. Whether it is to be believed is decided by [`super::Trust`].
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn of(der: &[u8]) -> Result<Self, PeerError> {
        Self::read(der).map(|(peer, _)| peer)
    }

    /// The same, with the `SubjectPublicKeyInfo`.
    pub(super) fn read(der: &[u8]) -> Result<(Self, Vec<u8>), PeerError> {
        let unreadable = PeerError::Unreadable;
        if der.len() > MAX_CERTIFICATE {
            return Err(unreadable);
        }
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| PeerError::Unreadable)?;
        if !rest.is_empty() {
            return Err(unreadable);
        }
        let names = certificate.subject_alternative_name().map_err(|_| PeerError::Unreadable)?;
        let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
            return Err(unreadable);
        }
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(PeerError::Name) };
        let unit = certificate.subject().iter_organizational_unit().next();
        let info = certificate.public_key().raw.to_vec();
        let peer = Self {
            id: uri.parse().map_err(|_| PeerError::Name)?,
            unit: unit.and_then(|unit| unit.as_str().ok()).unwrap_or_default().to_owned(),
            serial: Serial::from_bytes(certificate.raw_serial()),
            issuer: authority_key_id(certificate.extensions().iter().map(|one| one.parsed_extension())),
            authority: None,
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
            key: sha256(&info),
        };
        Ok((peer, info))
    }

    /// The key identifier of its own key, in lower-case hexadecimal: the first 20 bytes of the SHA-256 (RFC 7093, 2).
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&self.key)
    }
}

/// The key identifier of a certificate's own key as older programs make it, see [`sha1_of_key`]. None for what is no
/// certificate.
#[must_use]
pub fn sha1_key_id(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(sha1_of_key(&certificate.public_key().subject_public_key.data))
}

/// SHA-1 of the bits of a public key, in lower-case hexadecimal (RFC 5280, 4.2.1.2, the first way).
pub(super) fn sha1_of_key(bits: &[u8]) -> String {
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref())
}

/// The key identifier that belongs to the SHA-256 of a `SubjectPublicKeyInfo`.
pub(super) fn key_id(hash: &[u8; 32]) -> String {
    hash.get(..20).map(hex).unwrap_or_default()
}

/// The key identifier of the issuer in an extension; empty where there is none.
pub(super) fn authority_key_id<'a>(mut extensions: impl Iterator<Item = &'a ParsedExtension<'a>>) -> String {
    let id = extensions.find_map(|extension| match extension {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| hex(id.0)),
        _ => None,
    });
    id.unwrap_or_default()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// An instant of so many seconds since 1970.
pub(super) fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(i128::from(seconds) * 1_000_000_000)
}
